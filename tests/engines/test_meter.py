"""What a piece of work costs its engines."""

from __future__ import annotations

import anyio
import numpy as np
import pytest
from tests.virtual_time import VIRTUAL

from duologue.engines.base import ChatMessage, ChatRequest, SpeakRequest, TranscribeRequest
from duologue.engines.client import ASR, CHAT, TTS, StageStats
from duologue.engines.meter import Meter
from duologue.engines.scripted import InlineEngines, ScriptedChat, ScriptedSynthesizer, ScriptedTranscriber

pytestmark = pytest.mark.anyio
HELLO = ChatRequest((ChatMessage("user", "hello"),))
SECOND = TranscribeRequest(np.zeros(16_000, np.float32))
# 0.3 s a request on average.
STEPPED = {"asr": StageStats(engine="asr", device="cpu", requests=10, busy_s=3.0)}


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


def _engines() -> InlineEngines:
    chat, voice = ScriptedChat(word_s=0.1), ScriptedSynthesizer(first_s=0.5)
    return InlineEngines({"asr": ScriptedTranscriber(), "chat": chat, "tts": voice}, {"asr": 0.25})


async def _ask(meter: Meter) -> None:
    async with meter.stream(CHAT, HELLO, deadline_s=0) as deltas:
        async for _ in deltas:
            pass


async def test_work_that_asks_for_nothing_costs_nothing() -> None:
    meter = Meter(_engines())
    assert meter.spent_s(meter.stats()) == 0
    assert not meter.has_asked(ASR)


async def test_an_engine_of_its_own_costs_as_long_as_it_is_held() -> None:
    meter = Meter(_engines())
    await meter.call(ASR, SECOND, deadline_s=0)
    assert meter.spent_s({}) == pytest.approx(0.25)
    await _ask(meter)
    assert meter.spent_s({}) == pytest.approx(0.25 + 1.2)
    assert meter.has_asked(CHAT)
    assert not meter.has_asked(TTS)


async def test_what_goes_on_costs_already_and_what_was_left_costs_no_more() -> None:
    meter = Meter(_engines())
    async with anyio.create_task_group() as tg:
        tg.start_soon(_ask, meter)
        tg.start_soon(_ask, meter)
        await anyio.sleep(0.3)
        assert meter.spent_s({}) == pytest.approx(0.6)
        tg.cancel_scope.cancel()
    await anyio.sleep(5)
    assert meter.spent_s({}) == pytest.approx(0.6)


async def test_an_engine_that_is_stepped_costs_what_its_requests_do_on_average() -> None:
    meter = Meter(_engines())
    for _ in range(2):
        await meter.call(ASR, SECOND, deadline_s=0)
    assert meter.spent_s(STEPPED) == pytest.approx(0.6)


async def test_an_engine_that_has_not_ended_a_request_yet_costs_nothing_known() -> None:
    meter = Meter(_engines())
    await meter.call(ASR, SECOND, deadline_s=0)
    assert meter.spent_s({"asr": StageStats(engine="asr", device="cpu")}) == 0


async def test_two_pieces_of_work_are_counted_apart() -> None:
    engines = _engines()
    one, other = Meter(engines), Meter(engines)
    await one.call(ASR, SECOND, deadline_s=0)
    async with other.stream(TTS, SpeakRequest("yes"), deadline_s=0) as chunks:
        async for _ in chunks:
            pass
    assert [one.spent_s({}), other.spent_s({})] == pytest.approx([0.25, 0.5])

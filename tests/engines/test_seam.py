"""The seam between sessions and engines: whatever is behind it keeps the same contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np
import pytest
import structlog

from duologue import telemetry
from duologue.engines.base import (
    ChatDelta,
    ChatMessage,
    ChatRequest,
    SpeakRequest,
    TranscribeRequest,
    TranscribeResult,
    TurnRequest,
    VadRequest,
)
from duologue.engines.client import ASR, CHAT, TTS, TURN, VAD, EngineClient
from duologue.engines.local import LocalEngines
from duologue.engines.runner import Runner
from duologue.engines.scripted import (
    InlineEngines,
    ScriptedSynthesizer,
    ScriptedTranscriber,
    ScriptedTurn,
    ScriptedVad,
)
from duologue.errors import EngineError, EngineLost, Overloaded

pytestmark = pytest.mark.anyio
FAR_S = 1e9
SECOND = np.zeros(16_000, np.float32)
HELLO = ChatRequest((ChatMessage("user", "hello"),))
ERRORS = {"failed": EngineError, "lost": EngineLost, "late": Overloaded}


class Echo(ScriptedTranscriber):
    """Hears the language that it was told; or fails as that says."""

    def step(self, requests: Sequence[TranscribeRequest]) -> list[TranscribeResult]:
        for request in requests:
            if request.language in ERRORS:
                raise ERRORS[request.language]("as asked")
        return [TranscribeResult(request.language or "") for request in requests]


class EndlessChat:
    """Counts for ever, and notes how many are still counting."""

    name = "endless"

    def __init__(self) -> None:
        self.running = 0

    async def start(self) -> None:
        return

    async def aclose(self) -> None:
        return

    @asynccontextmanager
    async def stream(self, request: ChatRequest) -> AsyncIterator[AsyncIterator[ChatDelta]]:
        if request.messages[0].content == "lost":
            raise EngineLost("as asked")
        self.running += 1
        try:
            yield self._count()
        finally:
            self.running -= 1

    async def _count(self) -> AsyncIterator[ChatDelta]:
        number = 0
        while True:
            yield ChatDelta(str(number))
            number += 1
            await anyio.lowlevel.checkpoint()


def _stages(chat: EndlessChat) -> dict[str, Any]:
    return {
        "vad": ScriptedVad(),
        "turn": ScriptedTurn(),
        "asr": Echo(),
        "chat": chat,
        "tts": ScriptedSynthesizer(),
    }


def _local(chat: EndlessChat) -> LocalEngines:
    return LocalEngines(_stages(chat), Runner(threads=1))


def _inline(chat: EndlessChat) -> InlineEngines:
    return InlineEngines(_stages(chat))


@pytest.fixture
def chat() -> EndlessChat:
    return EndlessChat()


@pytest.fixture(params=["local", "inline"])
async def seam(request: pytest.FixtureRequest, chat: EndlessChat) -> AsyncIterator[EngineClient]:
    if request.param == "inline":
        yield _inline(chat)
        return
    local = _local(chat)
    await local.start()
    yield local
    await local.aclose()


async def test_each_stage_answers_its_own_kind(seam: EngineClient) -> None:
    loud = np.ones((3, 512), np.float32)
    vad = await seam.call(VAD, VadRequest(loud), deadline_s=FAR_S)
    turn = await seam.call(TURN, TurnRequest(SECOND), deadline_s=FAR_S)
    asr = await seam.call(ASR, TranscribeRequest(SECOND, "en"), deadline_s=FAR_S, lease="r", best_effort=True)
    assert vad.speech_probs.tolist() == [1, 1, 1]
    assert turn.end_of_turn_prob == 1.0
    assert asr.text == "en"


async def test_each_caller_gets_its_own_result(seam: EngineClient) -> None:
    got: dict[str, str] = {}

    async def ask(name: str) -> None:
        got[name] = (await seam.call(ASR, TranscribeRequest(SECOND, name), deadline_s=FAR_S)).text

    async with anyio.create_task_group() as tg:
        for number in range(50):
            tg.start_soon(ask, f"caller {number}")
    assert got == {name: name for name in got}
    assert len(got) == 50


@pytest.mark.parametrize("kind", list(ERRORS))
async def test_errors_arrive_as_they_were_raised(seam: EngineClient, kind: str) -> None:
    with pytest.raises(ERRORS[kind], match="as asked"):
        await seam.call(ASR, TranscribeRequest(SECOND, kind), deadline_s=FAR_S)
    told = await seam.call(ASR, TranscribeRequest(SECOND, "fine"), deadline_s=FAR_S)
    assert told.text == "fine"


async def test_a_call_can_be_given_up(seam: EngineClient) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await seam.call(ASR, TranscribeRequest(SECOND, "never"), deadline_s=FAR_S)
    assert scope.cancelled_caught
    assert (await seam.call(ASR, TranscribeRequest(SECOND, "fine"), deadline_s=FAR_S)).text == "fine"


async def test_a_stream_comes_in_order_and_ends_when_it_is_left(seam: EngineClient, chat: EndlessChat) -> None:
    got = []
    async with seam.stream(CHAT, HELLO, deadline_s=FAR_S) as deltas:
        async for delta in deltas:
            got.append(delta.text)
            if len(got) == 5:
                break
        assert chat.running == 1
    assert got == list("01234")
    assert chat.running == 0


async def test_a_stream_ends_when_its_reader_is_cancelled_or_fails(seam: EngineClient, chat: EndlessChat) -> None:
    with anyio.move_on_after(0.01):
        async with seam.stream(CHAT, HELLO, deadline_s=FAR_S) as deltas:
            async for _ in deltas:
                pass
    assert chat.running == 0
    with pytest.raises(ZeroDivisionError):
        async with seam.stream(CHAT, HELLO, deadline_s=FAR_S):
            raise ZeroDivisionError
    assert chat.running == 0


async def test_a_stream_that_cannot_begin_says_so(seam: EngineClient) -> None:
    with pytest.raises(EngineLost, match="as asked"):
        async with seam.stream(CHAT, ChatRequest((ChatMessage("user", "lost"),)), deadline_s=FAR_S):
            pass


async def test_sound_comes_with_the_times_of_its_words(seam: EngineClient) -> None:
    async with seam.stream(TTS, SpeakRequest("two words"), deadline_s=FAR_S) as chunks:
        got = [chunk async for chunk in chunks]
    words = [word for chunk in got for word in chunk.words]
    assert ["two words"[word.text_start : word.text_end] for word in words] == ["two", "words"]
    length_ms = sum(len(chunk.pcm) for chunk in got) / 24
    assert all(0 <= word.start_ms < word.end_ms <= length_ms for word in words)


async def test_every_stage_is_in_the_stats(seam: EngineClient) -> None:
    await seam.call(ASR, TranscribeRequest(SECOND, "en"), deadline_s=FAR_S)
    assert set(seam.stats()) == {"vad", "turn", "asr", "chat", "tts"}
    assert seam.stats()["asr"].engine == "scripted-asr"


async def test_an_operator_is_told_of_what_failed_and_not_of_what_was_said(chat: EndlessChat) -> None:
    engines = _local(chat)
    try:
        with structlog.testing.capture_logs() as logs:
            with pytest.raises(EngineError):
                await engines.call(ASR, TranscribeRequest(SECOND, "failed"), deadline_s=FAR_S)
            with pytest.raises(EngineLost):
                async with engines.stream(CHAT, ChatRequest((ChatMessage("user", "lost"),)), deadline_s=FAR_S):
                    pass
    finally:
        await engines.aclose()
    assert logs == [
        {"event": telemetry.ENGINE_FAILED, "log_level": "warning", "engine": "scripted-asr", "reason": "engine_error"},
        {"event": telemetry.ENGINE_FAILED, "log_level": "warning", "engine": "endless", "reason": "engine_lost"},
    ]

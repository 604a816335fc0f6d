"""The engine around the loop: its thread, its streams and how they end. The model is in pure Python."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import anyio
import pytest
from tests.engines.speech.row_model import HashModel
from tests.engines.speech.talk import alone, asked, noise, spoken

from duologue.engines.base import SpeechDelta, SpeechRequest
from duologue.engines.speech.layout import Layout
from duologue.engines.speech.rows import RowModel, Step
from duologue.engines.speech.voxtral import Voxtral
from duologue.errors import EngineError, EngineLost, EngineUnavailable
from duologue.options import VoxtralOptions

pytestmark = pytest.mark.anyio
pytest.importorskip("mistral_common")

_FIRST = spoken(noise(1))
_SECOND = spoken(noise(2))


class _Gated(HashModel):
    """Once ``gate`` is set, every step waits for a permit."""

    gate: threading.Semaphore | None = None

    def step(self, steps: Sequence[Step]) -> list[int]:
        if self.gate is not None:
            assert self.gate.acquire(timeout=10)
        return super().step(steps)


class _Engine(Voxtral):
    """Voxtral on a hash model. ``opened``: the models that were loaded; ``broken``: how many loads fail first."""

    def __init__(self, layout: Layout, *, end_after: int = 40, broken: int = 0, transcript: bool = True) -> None:
        super().__init__(VoxtralOptions(transcript=transcript))
        self.layout = layout
        self.end_after = end_after
        self.broken = broken
        self.opened: list[_Gated] = []

    @property
    def model(self) -> _Gated:
        return self.opened[-1]

    def open_model(self) -> tuple[RowModel, Layout]:
        model = _Gated(end_after=self.end_after)
        self.opened.append(model)
        if len(self.opened) <= self.broken:
            model.break_next = RuntimeError
        return model, self.layout


@pytest.fixture
async def engine(layout: Layout) -> AsyncIterator[_Engine]:
    engine = _Engine(layout)
    await engine.start()
    yield engine
    await engine.aclose()


async def _all(engine: Voxtral, request: SpeechRequest) -> list[SpeechDelta]:
    async with engine.stream(request) as deltas:
        return [delta async for delta in deltas]


def _text(deltas: Sequence[SpeechDelta]) -> str:
    return "".join(delta.text for delta in deltas)


def _heard(deltas: Sequence[SpeechDelta]) -> str:
    return "".join(delta.heard for delta in deltas)


async def _until_idle(engine: Voxtral) -> None:
    assert engine._loop is not None
    with anyio.fail_after(10):
        while engine._loop.has_work or engine._is_stepping:
            await anyio.sleep(0.001)


async def test_an_answer_and_the_users_words_come_in_one_stream(engine: _Engine) -> None:
    deltas = await _all(engine, asked(_FIRST, wants="both"))
    fresh = alone(engine.layout, asked(_FIRST, wants="both"))
    assert (_text(deltas), _heard(deltas)) == (fresh.text, fresh.heard)
    assert [delta.finish for delta in deltas if delta.finish] == ["stop"]
    assert [delta.is_heard for delta in deltas if delta.is_heard] == [True]


async def test_starting_runs_a_whole_turn_and_forgets_it(engine: _Engine) -> None:
    assert engine.model.encoded == [16_000]
    assert len(engine.model.fills) == 2, "an answer and a transcript"
    assert engine.model.steps
    assert engine.stats.filled_tokens == 0
    assert {thread.name.split("_")[0] for thread in threading.enumerate()} >= {"voxtral"}


async def test_twenty_conversations_load_the_model_once(layout: Layout) -> None:
    engine = _Engine(layout)
    requests = [asked(spoken(noise(seed)), conversation=str(seed), max_tokens=20) for seed in range(8)]
    answers: dict[int, str] = {}

    async def talk(number: int) -> None:
        await engine.start()
        answers[number] = _text(await _all(engine, requests[number]))

    async with anyio.create_task_group() as tg:
        for number in range(len(requests)):
            tg.start_soon(talk, number)
        for _ in range(12):
            tg.start_soon(engine.start)
    await engine.aclose()
    assert len(engine.opened) == 1
    assert answers == {number: alone(layout, request).text for number, request in enumerate(requests)}


async def test_who_stops_waiting_for_the_start_does_not_stop_it(layout: Layout) -> None:
    engine = _Engine(layout)
    starting = asyncio.create_task(engine.start())
    await anyio.lowlevel.checkpoint()
    starting.cancel()
    await engine.start()
    assert len(engine.opened) == 1
    await engine.aclose()


async def test_a_start_that_fails_says_so_and_can_be_made_again(layout: Layout) -> None:
    engine = _Engine(layout, broken=1)
    with pytest.raises(EngineUnavailable, match="does not start: made to fail"):
        await engine.start()
    assert engine.model.is_closed
    assert _text(await _all(engine, asked(_FIRST)))
    await engine.aclose()


async def test_a_stream_that_is_left_is_out_of_the_next_step(layout: Layout) -> None:
    engine = _Engine(layout, end_after=10**9)
    await engine.start()
    steps = len(engine.model.steps)
    gate = engine.model.gate = threading.Semaphore(3)
    async with engine.stream(asked(_FIRST)) as deltas:
        text = [(await anext(deltas)).text for _ in range(4)]
    assert len(text) == 4
    gate.release(100)
    await _until_idle(engine)
    assert len(engine.model.steps) - steps <= 4, "the one that was under way, and no more"
    await engine.aclose()


async def test_a_stream_whose_task_is_cancelled_ends_too(engine: _Engine) -> None:
    gate = engine.model.gate = threading.Semaphore(5)
    with anyio.CancelScope() as scope:
        async with engine.stream(asked(_FIRST)) as deltas:
            await anext(deltas)
            scope.cancel()
            await anyio.sleep_forever()
    gate.release(100)
    await _until_idle(engine)
    assert engine._loop is not None
    assert not any(row.is_busy for row in engine._loop._rows)


async def test_dropping_an_attempt_and_making_it_anew_equals_a_fresh_one(engine: _Engine) -> None:
    async with engine.stream(asked(_FIRST, wants="both")) as deltas:
        for _ in range(5):
            await anext(deltas)
    again = await _all(engine, asked(_SECOND, wants="both"))
    fresh = alone(engine.layout, asked(_SECOND, wants="both"))
    assert (_text(again), _heard(again)) == (fresh.text, fresh.heard)


async def test_getting_ready_gives_one_delta_without_words(engine: _Engine) -> None:
    (delta,) = await _all(engine, asked(wants="nothing"))
    assert delta.usage is not None
    assert (delta.text, delta.heard, delta.finish, delta.is_heard) == ("", "", None, False)


async def test_transcripts_can_be_switched_off(layout: Layout) -> None:
    engine = _Engine(layout, transcript=False)
    deltas = await _all(engine, asked(_FIRST, wants="both"))
    assert _text(deltas)
    assert not _heard(deltas)
    assert not any(delta.is_heard for delta in deltas)
    await engine.aclose()


async def test_a_step_that_fails_fails_its_answers_only(engine: _Engine) -> None:
    engine.model.break_next = RuntimeError
    with pytest.raises(EngineError, match="failed on this request"):
        await _all(engine, asked(_SECOND))
    assert _text(await _all(engine, asked(_SECOND))) == alone(engine.layout, asked(_SECOND)).text
    assert engine.stats.failures == 1


async def test_closing_ends_what_runs(layout: Layout) -> None:
    before = set(threading.enumerate())
    engine = _Engine(layout, end_after=10**9)
    await engine.start()
    engine.model.gate = threading.Semaphore(2)
    async with engine.stream(asked(_FIRST)) as deltas:
        await anext(deltas)
        async with anyio.create_task_group() as tg:
            tg.start_soon(engine.aclose)
            await anyio.lowlevel.checkpoint()
            engine.model.gate.release(3)
        with pytest.raises(EngineLost, match="shutting down"):
            async for _ in deltas:
                pass
    assert engine.model.is_closed
    assert {thread for thread in threading.enumerate() if thread.name.startswith("voxtral")} <= before
    with pytest.raises(EngineLost):
        await _all(engine, asked(_FIRST))
    await engine.aclose()


async def test_an_engine_that_was_never_started_can_be_closed(layout: Layout) -> None:
    engine = _Engine(layout)
    await engine.aclose()
    assert engine.opened == []
    with pytest.raises(EngineLost):
        await engine.start()


async def test_a_folder_without_a_model_says_what_to_do(tmp_path: object) -> None:
    engine = Voxtral(VoxtralOptions(model=f"{tmp_path}/nothing"))
    with pytest.raises(EngineUnavailable):
        await engine.start()
    await engine.aclose()

"""Several processes of espeak-ng, and the queue before them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress

import anyio
import anyio.lowlevel
import pytest

from duologue.engines.base import SpeakRequest
from duologue.engines.tts import espeak_pipe
from duologue.engines.tts.espeak import Espeak
from duologue.errors import EngineLost
from duologue.options import EspeakOptions

pytestmark = pytest.mark.anyio

LONG = SpeakRequest(text="The quick brown fox jumps over the lazy dog. " * 30)
SHORT = SpeakRequest(text="Good morning.")


async def _started(processes: int) -> Espeak:
    engine = Espeak(EspeakOptions(processes=processes))
    await engine.start()
    return engine


@pytest.fixture
async def one() -> AsyncIterator[Espeak]:
    engine = await _started(1)
    yield engine
    await engine.aclose()


@pytest.fixture
async def two() -> AsyncIterator[Espeak]:
    engine = await _started(2)
    yield engine
    await engine.aclose()


async def _length(engine: Espeak, request: SpeakRequest, deadline_s: float = 0.0) -> int:
    async with engine.stream(request, deadline_s=deadline_s) as chunks:
        return sum([len(chunk.pcm) async for chunk in chunks])


async def _until_waiting(engine: Espeak, count: int) -> None:
    with anyio.fail_after(5):
        while engine.waiting != count:
            await anyio.sleep(0.001)


async def test_all_processes_are_there_after_the_start(two: Espeak) -> None:
    assert len(set(two.process_ids)) == two.threads == 2
    assert two.running == two.waiting == 0


def test_as_many_as_there_are_cores_and_no_more_than_four() -> None:
    assert 1 <= Espeak().threads <= 4
    assert Espeak(EspeakOptions(processes=7)).threads == 7


async def test_two_phrases_are_spoken_at_once(two: Espeak) -> None:
    async with two.stream(LONG) as first, two.stream(LONG) as second:
        assert (await anext(first)).pcm.size
        assert (await anext(second)).pcm.size
        assert two.running == 2


async def test_who_is_due_first_goes_first(one: Espeak) -> None:
    done: list[str] = []

    async def say(name: str, request: SpeakRequest, deadline_s: float) -> None:
        await _length(one, request, deadline_s)
        done.append(name)

    async with anyio.create_task_group() as tg:
        tg.start_soon(say, "speaking already", LONG, 99.0)
        await anyio.lowlevel.checkpoint()
        for name, deadline_s in (("late", 3.0), ("early", 1.0), ("between", 2.0), ("between, too", 2.0)):
            tg.start_soon(say, name, SHORT, deadline_s)
        await _until_waiting(one, 4)
    assert done == ["speaking already", "early", "between", "between, too", "late"]
    assert one.running == one.waiting == 0


async def test_who_gives_up_leaves_the_queue(one: Espeak) -> None:
    async with anyio.create_task_group() as tg, one.stream(LONG) as chunks:
        tg.start_soon(_length, one, SHORT)
        await _until_waiting(one, 1)
        tg.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await _until_waiting(one, 0)
            assert (await anext(chunks)).pcm.size
    assert one.running == 0
    assert await _length(one, SHORT) > 24 * 300


async def test_a_phrase_that_is_left_makes_room_at_once(one: Espeak) -> None:
    for _ in range(20):
        async with one.stream(LONG) as chunks:
            await anext(chunks)
        assert one.running == 0
    assert await _length(one, SHORT) > 24 * 300
    assert len(one.process_ids) == 1


async def test_a_slow_reader_keeps_nobody_waiting(one: Espeak) -> None:
    whole = await _length(one, LONG)
    async with one.stream(LONG) as chunks:
        head = await anext(chunks)
        assert await _length(one, SHORT) > 24 * 300
        rest = sum([len(chunk.pcm) async for chunk in chunks])
    # The same text differs a little in length from time to time.
    assert len(head.pcm) + rest == pytest.approx(whole, rel=0.02), "and it loses nothing"


async def test_a_process_that_dies_takes_only_its_own_phrase_along(two: Espeak) -> None:
    before = two.process_ids
    async with two.stream(LONG) as first, two.stream(LONG) as second:
        await anext(first)
        await anext(second)
        # The first phrase is with the first process.
        os.kill(before[0], signal.SIGKILL)
        with pytest.raises(EngineLost, match="next phrase"):
            async for _ in first:
                pass
        assert sum([len(chunk.pcm) async for chunk in second]) > 24_000 * 50
    assert await _length(two, SHORT) > 24 * 300
    assert len(two.process_ids) == 2
    assert before[0] not in two.process_ids
    assert before[1] in two.process_ids


async def test_who_waited_for_a_process_that_died_is_served_by_the_next(one: Espeak) -> None:
    lengths: list[int] = []

    async def say() -> None:
        lengths.append(await _length(one, SHORT))

    async with anyio.create_task_group() as tg:
        with suppress(EngineLost):
            async with one.stream(LONG) as chunks:
                tg.start_soon(say)
                await _until_waiting(one, 1)
                os.kill(one.process_ids[0], signal.SIGKILL)
                async for _ in chunks:
                    pass
    assert lengths[0] > 24 * 300


@pytest.mark.skipif(sys.platform == "win32", reason="processes cannot be stopped there")
async def test_a_process_that_hangs_is_replaced(one: Espeak, monkeypatch: pytest.MonkeyPatch) -> None:
    # Long enough for a new process to speak on a busy machine.
    monkeypatch.setattr(espeak_pipe, "_SILENCE_TIMEOUT_S", 1.0)
    [hung] = one.process_ids
    os.kill(hung, signal.SIGSTOP)
    with pytest.raises(EngineLost):
        await _length(one, SHORT)
    assert await _length(one, SHORT) > 24 * 300
    assert hung not in one.process_ids


async def test_closing_ends_every_process_and_nothing_starts_another() -> None:
    engine = await _started(2)
    process_ids = engine.process_ids
    await engine.aclose()
    assert engine.process_ids == ()
    for process_id in process_ids:
        with pytest.raises(ProcessLookupError):
            os.kill(process_id, 0)
    with pytest.raises(EngineLost, match="shutting down"):
        await _length(engine, SHORT)
    assert engine.process_ids == ()
    assert engine.running == 0

"""Voxtral Realtime over a WebSocket, against a server that speaks as vLLM does."""

from __future__ import annotations

from itertools import pairwise

import anyio
import numpy as np
import pytest
from tests.engines.standins.serving import unused_url
from tests.engines.standins.vllm import MODEL, Turn, Vllm, vllm

from duologue.audio.frame import Float32
from duologue.engines.asr import vllm_turn
from duologue.engines.asr.vllm_realtime import VllmRealtime
from duologue.engines.base import TranscribeRequest
from duologue.errors import EngineError, EngineLost, EngineUnavailable, Overloaded
from duologue.options import RealtimeTranscriberOptions

pytestmark = pytest.mark.anyio

ALL = "What is two and two?"


def engine(server: Vllm, **limits: float) -> VllmRealtime:
    return VllmRealtime(RealtimeTranscriberOptions(url=server.url, model=MODEL), **limits)  # type: ignore[arg-type]


def sound(seconds: float) -> Float32:
    return np.full(int(16_000 * seconds), 0.1, np.float32)


async def hear(asr: VllmRealtime, seconds: float, stream: str = "turn", *, is_last: bool = False) -> str:
    request = TranscribeRequest(sound(seconds), stream=stream, is_last=is_last)
    async with asr.stream(request) as results:
        (result,) = [result async for result in results]
    return result.text


async def closed(turn: Turn) -> int | None:
    await turn.closed.wait()
    return turn.close_code


async def said_all(server: Vllm) -> None:
    """Until the first turn has its end."""
    while not (server.turns and server.turns[0].events[-1:] == ["input_audio_buffer.commit final"]):
        await anyio.sleep(0.005)


async def test_a_turn_by_itself() -> None:
    async with vllm() as server:
        asr = engine(server)
        assert await hear(asr, 2.5, stream="", is_last=True) == ALL
        await asr.aclose()
        (turn,) = server.turns
        assert await closed(turn) == 1000
    assert turn.model == MODEL
    assert turn.samples == 40_000
    assert turn.events == [
        "session.update",
        "input_audio_buffer.commit",
        *["input_audio_buffer.append"] * 3,
        "input_audio_buffer.commit final",
    ]


async def test_a_growing_turn_sends_only_what_is_new_and_says_what_is_known() -> None:
    async with vllm() as server:
        asr = engine(server)
        texts = []
        for step in range(1, 16):
            texts.append(await hear(asr, 0.2 * step))
            await anyio.sleep(0.01)
        final = await hear(asr, 3.2, is_last=True)
        (turn,) = server.turns
        assert await closed(turn) == 1000
        await asr.aclose()
    assert final == ALL
    assert texts[0] == ""
    assert texts[-1].startswith("What is two")
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert turn.samples == 51_200


async def test_the_same_end_again_costs_nothing_and_more_sound_sends_the_whole_again() -> None:
    async with vllm() as server:
        asr = engine(server)
        await hear(asr, 1.0)
        assert await hear(asr, 1.5, is_last=True) == ALL
        assert await hear(asr, 1.5, is_last=True) == ALL
        assert len(server.turns) == 1
        await hear(asr, 2.0)
        assert await hear(asr, 2.5, is_last=True) == ALL
        await asr.aclose()
    assert [turn.samples for turn in server.turns] == [24_000, 40_000]


async def test_turns_of_other_names_are_other_turns() -> None:
    async with vllm() as server:
        asr = engine(server)
        async with anyio.create_task_group() as group:
            for name in "abcd":
                group.start_soon(hear, asr, 1.0, name)
        async with anyio.create_task_group() as group:
            for name in "abcd":
                group.start_soon(lambda name=name: hear(asr, 1.5, name, is_last=True))
        await asr.aclose()
    assert [turn.samples for turn in server.turns] == [24_000] * 4


async def test_no_sound_asks_nobody() -> None:
    async with vllm() as server:
        asr = engine(server)
        assert await hear(asr, 0.0, is_last=True) == ""
        await asr.aclose()
    assert not server.turns


async def test_a_turn_that_nobody_asks_for_is_ended_in_due_form() -> None:
    async with vllm() as server:
        asr = engine(server, idle_s=0.1)
        await hear(asr, 1.0)
        (turn,) = server.turns
        assert await closed(turn) == 1000
        assert turn.events[-1] == "input_audio_buffer.commit final"
        assert turn.is_done
        assert await hear(asr, 1.5, is_last=True) == ALL
        await asr.aclose()
    assert [turn.samples for turn in server.turns] == [16_000, 24_000]
    assert not server.is_dead


async def test_closing_ends_all_turns_in_due_form() -> None:
    async with vllm() as server:
        asr = engine(server)
        for name in "abc":
            await hear(asr, 0.5, name)
        await asr.aclose()
        assert [await closed(turn) for turn in server.turns] == [1000] * 3
    assert all(turn.is_done for turn in server.turns)
    assert not server.is_dead


async def test_open_turns_are_bounded() -> None:
    async with vllm() as server:
        asr = engine(server, max_turns=2)
        for name in "abc":
            await hear(asr, 0.5, name)
        assert await closed(server.turns[0]) == 1000
        assert await hear(asr, 1.0, "b", is_last=True) == ALL
        assert await hear(asr, 1.0, "a", is_last=True) == ALL
        await asr.aclose()
    assert [turn.samples for turn in server.turns] == [8000, 16_000, 8000, 16_000]
    assert not server.is_dead


async def test_says_so_when_every_place_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_turn, "_CLOSE_TIMEOUT_S", 0.2)
    async with vllm(faults={"realtime": "hang midway"}) as server, anyio.create_task_group() as group:
        asr = engine(server, max_turns=1)
        group.start_soon(lambda: hear(asr, 0.5, "a", is_last=True))
        await said_all(server)
        with pytest.raises(Overloaded):
            await hear(asr, 0.5, "b")
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            assert await closed(server.turns[0]) == 1000
            await asr.aclose()


async def test_being_cancelled_ends_the_turn_there_and_the_next_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_turn, "_CLOSE_TIMEOUT_S", 0.2)
    async with vllm(faults={"realtime": "hang midway"}) as server:
        asr = engine(server)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: hear(asr, 1.0, is_last=True))
            await said_all(server)
            group.cancel_scope.cancel()
        assert await closed(server.turns[0]) == 1000
        assert await hear(asr, 1.0, is_last=True) == ALL
        await asr.aclose()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("hang", EngineLost),
        ("hang midway", EngineLost),
        ("break off", EngineLost),
        ("fail midway", EngineLost),
        ("garbage", EngineError),
        ("no endpoint", EngineUnavailable),
    ],
)
async def test_failures_are_told_and_the_next_turn_works(
    fault: str, kind: type[EngineError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm_turn, "OPEN_TIMEOUT_S", 0.2)
    monkeypatch.setattr(vllm_turn, "STALL_S", 0.2)
    monkeypatch.setattr(vllm_turn, "_CLOSE_TIMEOUT_S", 0.2)
    async with vllm(faults={"realtime": fault}) as server:
        asr = engine(server)
        with pytest.raises(EngineError) as caught:
            await hear(asr, 1.0, is_last=True)
        assert type(caught.value) is kind
        assert await hear(asr, 1.0, is_last=True) == ALL
        await asr.aclose()


async def test_a_server_that_falls_silent_is_noticed_while_the_turn_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_turn, "STALL_S", 0.1)
    monkeypatch.setattr(vllm_turn, "_CLOSE_TIMEOUT_S", 0.1)
    async with vllm(faults={"realtime": "hang midway"}) as server:
        asr = engine(server)
        assert await hear(asr, 0.5) == ""
        await anyio.sleep(0.15)
        assert await hear(asr, 2.5) == ""
        await anyio.sleep(0.15)
        with pytest.raises(EngineLost, match="hangs"):
            await hear(asr, 3.0)
        assert await hear(asr, 3.5, is_last=True) == ALL
        await asr.aclose()


@pytest.mark.parametrize("fault", ["break off", "fail midway"])
async def test_a_kept_connection_that_breaks_costs_nothing_but_time(fault: str) -> None:
    async with vllm(faults={"realtime": fault}) as server:
        asr = engine(server)
        await hear(asr, 1.0)
        assert await closed(server.turns[0]) is not None
        assert await hear(asr, 1.5) == ""
        assert await hear(asr, 2.0, is_last=True) == ALL
        await asr.aclose()
    assert [turn.samples for turn in server.turns] == [16_000, 32_000]


async def test_start_says_what_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_turn, "OPEN_TIMEOUT_S", 0.2)
    away = VllmRealtime(RealtimeTranscriberOptions(url=unused_url()))
    with pytest.raises(EngineUnavailable, match=r"vllm serve .*\[realtime_transcriber\]"):
        await away.start()
    with pytest.raises(EngineLost, match="no vLLM answers"):
        await hear(away, 1.0)
    await away.aclose()
    async with vllm() as server:
        asr = engine(server)
        await asr.start()
        for fault in ("no endpoint", "hang"):
            server.faults = {"realtime": fault}
            with pytest.raises(EngineUnavailable):
                await asr.start()
        await asr.aclose()

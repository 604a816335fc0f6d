"""The engines as one session has them: what is its own, and what no longer is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from duologue.engines.base import (
    ChatDelta,
    ChatMessage,
    ChatRequest,
    TranscribeRequest,
    TranscribeResult,
    VadRequest,
)
from duologue.engines.client import ASR, CHAT, VAD, EngineClient, Leased
from duologue.engines.local import LocalEngines
from duologue.engines.runner import Runner
from duologue.engines.scripted import InlineEngines, ScriptedChat, ScriptedTranscriber, ScriptedVad
from duologue.errors import EngineLost

pytestmark = pytest.mark.anyio
FAR_S = 1e9
SECOND = np.zeros(16_000, np.float32)
HELLO = ChatRequest((ChatMessage("user", "hello"),))
CANARY = "what the former tenant said"


class Slow(ScriptedTranscriber):
    """Hears the canary, once it is let."""

    def __init__(self) -> None:
        super().__init__(CANARY)
        self.gate = threading.Event()
        self.steps = 0

    def step(self, requests: Sequence[TranscribeRequest]) -> list[TranscribeResult]:
        self.steps += 1
        self.gate.wait(5)
        return super().step(requests)


class Talking(ScriptedChat):
    """Says a word each 10 ms, and notes how many answers are open."""

    def __init__(self) -> None:
        super().__init__("word " * 1000, word_s=0.01)
        self.open = 0

    @asynccontextmanager
    async def stream(self, request: ChatRequest) -> AsyncIterator[AsyncIterator[ChatDelta]]:
        self.open += 1
        try:
            async with super().stream(request) as results:
                yield results
        finally:
            self.open -= 1


class Scene:
    def __init__(self, engines: EngineClient, asr: Slow, chat: Talking) -> None:
        self.engines, self.asr, self.chat = engines, asr, chat


@pytest.fixture(params=["local", "inline"])
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    asr, chat = Slow(), Talking()
    stages: dict[str, Any] = {"vad": ScriptedVad(), "asr": asr, "chat": chat}
    if request.param == "inline":
        asr.gate.set()
        yield Scene(InlineEngines(stages, {"asr": 0.02}), asr, chat)
        return
    local = LocalEngines(stages, Runner(threads=1))
    await local.start()
    yield Scene(local, asr, chat)
    asr.gate.set()
    await local.aclose()


async def test_what_is_asked_for_is_had(scene: Scene) -> None:
    scene.asr.gate.set()
    mine = Leased(scene.engines, "lease_1")
    assert (await mine.call(ASR, TranscribeRequest(SECOND), deadline_s=FAR_S)).text == CANARY
    async with mine.stream(CHAT, HELLO, deadline_s=FAR_S) as deltas:
        async for delta in deltas:
            assert delta.text == "word"
            break
    assert mine.stats().keys() == scene.engines.stats().keys()
    assert scene.chat.open == 0


async def test_no_result_comes_after_the_release(scene: Scene) -> None:
    mine = Leased(scene.engines, "lease_1")
    heard: list[object] = []

    async def transcribe() -> None:
        try:
            heard.append(await mine.call(ASR, TranscribeRequest(SECOND), deadline_s=FAR_S))
        except EngineLost as error:
            heard.append(error.code)

    async with anyio.create_task_group() as tg:
        for _ in range(3):
            tg.start_soon(transcribe)
        await anyio.wait_all_tasks_blocked()
        mine.release()
        scene.asr.gate.set()
    assert heard == ["engine_lost"] * 3
    other = Leased(scene.engines, "lease_2")
    assert (await other.call(ASR, TranscribeRequest(SECOND), deadline_s=FAR_S)).text == CANARY


async def test_not_even_one_that_was_on_its_way(scene: Scene) -> None:
    for _ in range(20):
        mine = Leased(scene.engines, "lease_1")
        released = anyio.Event()

        async def look(mine: Leased = mine, released: anyio.Event = released) -> None:
            with pytest.raises(EngineLost):
                while True:
                    await mine.call(VAD, VadRequest(np.ones((1, 512), np.float32)), deadline_s=0.0)
                    assert not released.is_set()

        async with anyio.create_task_group() as tg:
            tg.start_soon(look)
            await anyio.sleep(0.0005)
            released.set()
            mine.release()


async def test_an_answer_ends_at_the_release_and_the_far_side_with_it(scene: Scene) -> None:
    mine = Leased(scene.engines, "lease_1")
    got: list[str] = []

    async def listen() -> None:
        with pytest.raises(EngineLost, match="given its place back"):
            async with mine.stream(CHAT, HELLO, deadline_s=FAR_S) as deltas:
                async for delta in deltas:
                    got.append(delta.text)

    async with anyio.create_task_group() as tg:
        tg.start_soon(listen)
        while len(got) < 3:
            await anyio.sleep(0.001)
        mine.release()
        count = len(got)
    assert len(got) == count
    assert scene.chat.open == 0


async def test_who_asks_after_the_release_is_told_so(scene: Scene) -> None:
    mine = Leased(scene.engines, "lease_1")
    mine.release()
    mine.release()
    with pytest.raises(EngineLost):
        await mine.call(ASR, TranscribeRequest(SECOND), deadline_s=FAR_S)
    with pytest.raises(EngineLost):
        async with mine.stream(CHAT, HELLO, deadline_s=FAR_S):
            pass
    assert scene.chat.open == 0


async def test_who_is_cancelled_as_well_is_still_cancelled(scene: Scene) -> None:
    mine = Leased(scene.engines, "lease_1")
    ended: list[str] = []

    async def ask(scope: anyio.CancelScope) -> None:
        with scope:
            try:
                await mine.call(ASR, TranscribeRequest(SECOND), deadline_s=FAR_S)
            except EngineLost:
                await anyio.lowlevel.checkpoint()
                ended.append("not cancelled")
        ended.append("went on")

    scope = anyio.CancelScope()
    async with anyio.create_task_group() as tg:
        tg.start_soon(ask, scope)
        await anyio.wait_all_tasks_blocked()
        mine.release()
        scope.cancel()
        scene.asr.gate.set()
    assert ended == ["went on"]
    assert scope.cancelled_caught


async def test_a_neighbour_is_not_touched(scene: Scene) -> None:
    mine, other = Leased(scene.engines, "lease_1"), Leased(scene.engines, "lease_2")
    heard: list[str] = []

    async def ask(engines: Leased) -> None:
        try:
            heard.append((await engines.call(ASR, TranscribeRequest(SECOND), deadline_s=FAR_S)).text)
        except EngineLost:
            heard.append("lost")

    async with anyio.create_task_group() as tg:
        tg.start_soon(ask, mine)
        tg.start_soon(ask, other)
        await anyio.wait_all_tasks_blocked()
        mine.release()
        scene.asr.gate.set()
    assert sorted(heard) == ["lost", CANARY]


async def test_who_drops_its_own_request_is_not_cancelled_elsewhere() -> None:
    leased = Leased(InlineEngines({"vad": ScriptedVad()}), "lease")
    with pytest.raises(EngineLost), leased._request():
        leased.release()
    await anyio.lowlevel.checkpoint()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0

"""While the engines load, and when one is ill later on: what the server says, and that connections load nothing."""

from __future__ import annotations

import json
import threading
from typing import Any

import anyio
import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from duologue.engines.fallback import Fallback
from duologue.engines.local import LocalEngines
from duologue.engines.progress import Progress
from duologue.engines.scripted import (
    ScriptedChat,
    ScriptedStream,
    ScriptedSynthesizer,
    ScriptedTranscriber,
    ScriptedTurn,
    ScriptedVad,
)
from duologue.errors import EngineUnavailable
from tests.server.caller import calling
from tests.server.serving import serving, until

pytestmark = pytest.mark.anyio


class SlowTranscriber(ScriptedTranscriber):
    """Loads until it is let go, and counts how often it does."""

    name = "slow-asr"

    def __init__(self) -> None:
        super().__init__()
        self.loads = 0
        self.may_end = threading.Event()

    def load(self) -> None:
        self.loads += 1
        self.may_end.wait(10)


class Absent(ScriptedStream[Any, Any]):
    """Cannot run here."""

    name = "absent"

    async def start(self) -> None:
        raise EngineUnavailable("It is not installed. It says: what somebody said.")


def _stages() -> dict[str, Any]:
    return {
        "vad": ScriptedVad(),
        "turn": ScriptedTurn(),
        "asr": ScriptedTranscriber(),
        "chat": ScriptedChat(),
        "tts": ScriptedSynthesizer(phrase_s=0.1),
    }


def _local(**parts: Any) -> LocalEngines:
    return LocalEngines(_stages() | parts)


async def test_who_comes_early_is_told_how_far_it_is() -> None:
    slow = SlowTranscriber()
    engines = _local(asr=slow)
    async with (
        serving(engines, is_ready=False) as server,
        httpx2.AsyncClient(base_url=server.http) as web,
        anyio.create_task_group() as tg,
    ):
        tg.start_soon(engines.start)
        await until(lambda: sum(each.state == "ready" for each in engines.progress) == 4)
        ready = await web.get("/readyz")
        message = "Loading the models: 4 of 5 ready, waiting for slow-asr."
        assert (ready.status_code, ready.json()["status"], ready.json()["message"]) == (503, "warming", message)
        states = {each["engine"]: each["state"] for each in ready.json()["engines"]}
        assert states["slow-asr"] == "loading"
        assert set(states.values()) == {"loading", "ready"}
        assert int(ready.headers["Retry-After"]) > 0

        with pytest.raises(InvalidStatus) as caught:
            async with connect(server.ws):
                pass
        over_websocket = json.loads(caught.value.response.body)["error"]
        call = await web.post("/v1/realtime/calls", content="v=0", headers={"Content-Type": "application/sdp"})
        place = await web.post("/v1/admission")
        for error in (over_websocket, call.json()["error"], place.json()["error"]):
            assert (error["code"], error["message"]) == ("warming_up", message)
            assert (error["progress"]["ready"], error["progress"]["of"]) == (4, 5)

        slow.may_end.set()
        await until(lambda: all(each.state == "ready" for each in engines.progress))
        server.state.is_ready = True
        assert (await web.get("/readyz")).json()["status"] == "ready"
    await engines.aclose()


async def test_a_connection_loads_nothing() -> None:
    slow = SlowTranscriber()
    slow.may_end.set()
    engines = _local(asr=slow)
    await engines.start()
    async with serving(engines, max_sessions=32) as server:
        for _ in range(4):
            async with anyio.create_task_group() as tg:
                for _ in range(5):
                    tg.start_soon(_come_and_go, server.ws)
    await engines.aclose()
    assert slow.loads == 1


async def _come_and_go(url: str) -> None:
    async with calling(url) as caller:
        await caller.say()
        await caller.wait("response.created")


async def test_an_engine_that_falls_ill_is_told_and_forgotten_when_it_is_well() -> None:
    engines = _Ill(_stages())
    async with serving(engines) as server, httpx2.AsyncClient(base_url=server.http) as web:
        assert (await web.get("/readyz")).status_code == 200
        engines.ills["asr"] = "slow-asr failed five times running."
        ill = await web.get("/readyz")
        assert (ill.status_code, ill.json()["status"]) == (503, "unhealthy")
        assert ill.json()["message"] == "asr: slow-asr failed five times running."
        engines.ills.clear()
        assert (await web.get("/readyz")).json()["status"] == "ready"
    await engines.aclose()


class _Ill(LocalEngines):
    """Says of itself what a test wants."""

    def __init__(self, stages: dict[str, Any]) -> None:
        super().__init__(stages)
        self.ills: dict[str, str] = {}

    @property
    def unhealthy(self) -> dict[str, str]:
        return self.ills


async def test_an_engine_that_cannot_start_is_named() -> None:
    engines = _local(tts=Absent())
    with pytest.raises(BaseExceptionGroup):
        await engines.start()
    (tts,) = [each for each in engines.progress if each.engine == "absent"]
    assert (tts.state, tts.reason) == ("failed", "It is not installed.")
    await engines.aclose()


async def test_one_that_stands_in_is_told_as_such() -> None:
    engines = _local(tts=Fallback(Absent(), ScriptedSynthesizer(phrase_s=0.1)))
    await engines.start()
    (tts,) = [each for each in engines.progress if each.stages == ("tts",)]
    assert (tts.state, tts.reason) == ("stand-in", "absent is away.")
    await engines.aclose()


async def test_time_counts_from_the_start_of_each_until_it_is_there() -> None:
    now_s = 100.0
    first, second = ScriptedVad(), ScriptedTurn()
    progress = Progress({"vad": first, "turn": second, "echo": first}, clock=lambda: now_s)
    progress.begin(first)
    now_s = 101.5
    progress.begin(second)
    progress.end(first)
    now_s = 104.0
    assert [(each.stages, each.state, each.seconds) for each in progress.now()] == [
        (("vad", "echo"), "ready", 1.5),
        (("turn",), "loading", 2.5),
    ]

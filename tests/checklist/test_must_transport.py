"""MUST 23: TLS, pings while models load, and what connections leave behind: nothing."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidMessage, InvalidStatus

from duologue.config import Settings
from duologue.engines.local import LocalEngines
from duologue.engines.scripted import (
    ScriptedChat,
    ScriptedSynthesizer,
    ScriptedTranscriber,
    ScriptedTurn,
    ScriptedVad,
)
from duologue.server import run
from duologue.session.session import Session
from tests.checklist.house import House, answer, ask, housing, words
from tests.server.asking import KEY, bearer
from tests.server.caller import Caller, calling, silence, voice
from tests.server.serving import until

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def house(anyio_backend: str) -> AsyncIterator[House]:
    async with housing(api_key=KEY) as shared:
        yield shared


# --- 23 ---------------------------------------------------------------------------------------------------------------


class SlowToLoad(ScriptedTranscriber):
    """Takes its time, in the way of models: it blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.may_end = threading.Event(), threading.Event()

    def load(self) -> None:
        self.is_asked.set()
        assert self.may_end.wait(10)


class SlowToWarmUp(ScriptedChat):
    """A chat server that loads its model at the first question."""

    def __init__(self) -> None:
        super().__init__()
        self.is_warming, self.may_end = anyio.Event(), anyio.Event()

    async def warm_up(self) -> None:
        self.is_warming.set()
        await self.may_end.wait()


@asynccontextmanager
async def _process(monkeypatch: pytest.MonkeyPatch, **parts: Any) -> AsyncIterator[tuple[int, anyio.Event]]:
    """``duologue serve`` in this loop: its port, and the event of being ready. ``parts``: stages and settings."""
    stages: dict[str, Any] = {
        "vad": ScriptedVad(),
        "turn": ScriptedTurn(),
        "asr": parts.pop("asr", ScriptedTranscriber()),
        "chat": parts.pop("chat", ScriptedChat()),
        "tts": ScriptedSynthesizer(phrase_s=0.3),
    }
    listener, is_ready = run.listen("127.0.0.1", 0), anyio.Event()

    async def assemble(*_: object) -> LocalEngines:
        return LocalEngines(stages)

    servers: list[run.Server] = []

    class Server(run.Server):
        def __init__(self, config: uvicorn.Config) -> None:
            super().__init__(config)
            servers.append(self)

    monkeypatch.setattr(run, "assemble", assemble)
    monkeypatch.setattr(run, "listen", lambda *_: listener)
    monkeypatch.setattr(run, "Server", Server)
    settings = Settings(profile="scripted", **parts)
    has_ended = anyio.Event()

    async def serve() -> None:
        await run.serve(settings, lambda *_: is_ready.set())
        has_ended.set()

    with listener:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            await until(lambda: bool(servers) and servers[0].started)
            try:
                yield listener.getsockname()[1], is_ready
            finally:
                servers[0].should_exit = True
                with anyio.CancelScope(shield=True), anyio.move_on_after(5):
                    await has_ended.wait()


async def test_must_23_tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    async with _process(monkeypatch, tls_self_signed=True) as (port, is_ready):
        await until(is_ready.is_set)
        trusted = ssl.create_default_context(cafile=tmp_path / "duologue" / "certificate.pem")
        url = f"wss://localhost:{port}/v1/realtime?model=gpt-realtime"
        async with calling(url, ssl=trusted) as caller:
            assert (await answer(caller, "Hello."))["response"]["status"] == "completed"
        with pytest.raises(ssl.SSLCertVerificationError):
            async with connect(url):
                pass
        with pytest.raises((InvalidMessage, OSError)):
            async with connect(url.replace("wss", "ws")):
                pass


async def test_must_23_while_models_load_the_server_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    asr, chat = SlowToLoad(), SlowToWarmUp()
    async with _process(monkeypatch, asr=asr, chat=chat) as (port, is_ready):
        await until(asr.is_asked.is_set)
        url = f"ws://127.0.0.1:{port}/v1/realtime?model=gpt-realtime"
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5.0) as http:
            assert (await http.get("/healthz")).status_code == 200
            assert (await http.get("/readyz")).status_code == 503
        with pytest.raises(InvalidStatus) as caught:
            async with connect(url):
                pass
        assert caught.value.response.status_code == 503
        assert json.loads(caught.value.response.body)["error"]["code"] == "warming_up"
        assert not is_ready.is_set()
        asr.may_end.set()
        await until(is_ready.is_set)
        # A chat server may load its model for minutes yet.
        await until(chat.is_warming.is_set)
        async with calling(url) as caller:
            with anyio.fail_after(5):
                await (await caller.socket.ping())
            assert (await answer(caller, "Hello."))["response"]["status"] == "completed"
        chat.may_end.set()


async def test_must_23_a_socket_is_pinged_back_while_it_speaks(house: House) -> None:
    async with calling(house.ws, additional_headers=bearer(KEY)) as caller:
        await ask(caller, "Tell me a story.")
        await caller.wait("response.output_audio.delta", 2)
        with anyio.fail_after(5):
            await (await caller.socket.ping(b"are you there"))


def _reset(client: ClientConnection) -> None:
    """Vanish: no close frame, no FIN, a TCP reset."""
    raw = client.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.transport.abort()


async def _nothing(_caller: Caller) -> None:
    return


async def _configuring(caller: Caller) -> None:
    await caller.send("session.update", session={"type": "realtime", "instructions": "Be brief."})


async def _speaking(caller: Caller) -> None:
    await caller.append(voice(0.5))
    await caller.wait("input_audio_buffer.speech_started")


async def _pausing(caller: Caller) -> None:
    await caller.append(voice(0.5) + silence(0.15))


async def _waiting(caller: Caller) -> None:
    await caller.append(voice(0.5) + silence(0.6))
    await caller.wait("input_audio_buffer.committed")


async def _listening(caller: Caller) -> None:
    await ask(caller, "Tell me a story.")
    await caller.wait("response.output_audio.delta")


async def _interrupting(caller: Caller) -> None:
    await _listening(caller)
    await caller.append(voice(0.5))


async def _aside(caller: Caller) -> None:
    await caller.send("response.create", response={"conversation": "none"})


async def _by_hand(caller: Caller) -> None:
    await caller.detect(None)
    await caller.append(voice(0.5))
    await caller.send("input_audio_buffer.commit")


STATES = [_nothing, _configuring, _speaking, _pausing, _waiting, _listening, _interrupting, _aside, _by_hand]


async def test_must_23_200_connections_closed_in_any_state_leave_nothing(house: House) -> None:
    dice = random.Random(23)
    room = anyio.Semaphore(10)

    async def come_and_go(number: int) -> None:
        async with (
            room,
            calling(house.ws, allows_aside=True, additional_headers=bearer(KEY), close_timeout=1) as caller,
        ):
            await STATES[number % len(STATES)](caller)
            if dice.random() < 0.5:
                _reset(caller.socket)

    await until(lambda: house.server.state.slots.taken == 0)
    tasks, sessions = len(asyncio.all_tasks()), _sessions()
    async with anyio.create_task_group() as crowd:
        for number in range(200):
            crowd.start_soon(come_and_go, number)
    await until(lambda: house.server.state.slots.taken == 0)
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
    assert house.model.running == 0
    assert _sessions() <= sessions
    async with calling(house.ws, additional_headers=bearer(KEY)) as caller:
        assert words(await answer(caller, "Hello."))


def _sessions() -> int:
    gc.collect()
    return sum(type(thing) is Session for thing in gc.get_objects())

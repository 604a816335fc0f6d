"""A real server in the test's own loop, on a free port, with scripted engines."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio

from duologue.config import ProfileTurns, Settings, Setup, setup_of
from duologue.engines.client import EngineClient
from duologue.engines.scripted import (
    InlineEngines,
    ScriptedChat,
    ScriptedSynthesizer,
    ScriptedTranscriber,
    ScriptedTurn,
    ScriptedVad,
)
from duologue.server import run
from duologue.server.state import State
from duologue.store.records import Store
from tests.web import Web

SILENCE_MS = 200


@dataclass
class Serving:
    """A server that listens. ``state`` is what its connections share."""

    state: State
    port: int

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/realtime?model=gpt-realtime"


def engines(**parts: Any) -> InlineEngines:
    """Scripted engines, any stage replaced by name. Speech is what is loud; no weights are needed."""
    stages = {
        "vad": ScriptedVad(),
        "turn": ScriptedTurn(),
        "asr": ScriptedTranscriber(),
        "chat": ScriptedChat(),
        "tts": ScriptedSynthesizer(phrase_s=0.3),
    }
    return InlineEngines(stages | parts)


@asynccontextmanager
async def serving(
    client: EngineClient | None = None,
    *,
    is_ready: bool = True,
    speculates: bool = False,
    setup: Setup | None = None,
    load: bool = False,
    store: Store | None = None,
    **settings: Any,
) -> AsyncIterator[Serving]:
    """Serve until the block ends. Turns end after ``SILENCE_MS`` of silence; ``setup`` None: of scripted engines.
    ``load``: admission follows what the loop, which is the test's too, has to do. ``store``: what is said is kept
    there; it stays open."""
    turns = ProfileTurns(speculates=speculates, silence_ms=SILENCE_MS)
    given = Settings(profile="scripted", **settings)
    setup = (setup or setup_of(given)).model_copy(update={"turns": turns})
    state = State(given, setup, client or engines(), voice="tone", is_ready=is_ready, store=store)
    listener = run.listen("127.0.0.1", 0)
    server = Web(run.uvicorn_config(state.settings, state))
    with listener:
        async with anyio.create_task_group() as tg:
            await tg.start(state.calls.run)
            if load:
                tg.start_soon(state.load.run)
            tg.start_soon(_serve, server, listener, tg.cancel_scope)
            await until(lambda: server.started)
            yield Serving(state, listener.getsockname()[1])
            server.should_exit = True


async def _serve(server: Web, listener: socket.socket, leave: anyio.CancelScope) -> None:
    await server.serve(sockets=[listener])
    leave.cancel()


async def until(is_so: Callable[[], bool], within_s: float = 10) -> None:
    """Wait until ``is_so``; TimeoutError if it never is."""
    with anyio.fail_after(within_s):
        while not is_so():
            await anyio.sleep(0.01)

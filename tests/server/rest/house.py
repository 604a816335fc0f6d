"""A server with scripted engines, a client for its REST endpoints, and sound to send."""

from __future__ import annotations

import io
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import numpy as np
import uvicorn

from duologue.audio.frame import SESSION_RATE_HZ, Float32
from duologue.config import Settings, setup_of
from duologue.engines.client import EngineClient
from duologue.engines.scripted import (
    InlineEngines,
    ScriptedSynthesizer,
    ScriptedTranscriber,
    ScriptedVad,
)
from duologue.engines.wav import to_wav
from duologue.server.app import make_app
from duologue.server.state import State
from tests.web import Web


def engines(**parts: Any) -> InlineEngines:
    """Scripted engines, any stage replaced by name. Speech is what is loud."""
    stages: dict[str, Any] = {
        "vad": ScriptedVad(),
        "asr": ScriptedTranscriber(),
        "tts": ScriptedSynthesizer(phrase_s=0.3),
    }
    return InlineEngines(stages | parts)


@asynccontextmanager
async def house(
    client: EngineClient | None = None, *, is_ready: bool = True, voice: str = "tone", **settings: Any
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a real server that lives until the block ends. ``app``: the application, for its rooms."""
    given = Settings(profile="scripted", **settings)
    state = State(given, setup_of(given), client or engines(), voice=voice, is_ready=is_ready)
    app = make_app(state)
    listener = socket.create_server(("127.0.0.1", 0))
    server = Web(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=2))
    with listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        async with anyio.create_task_group() as tasks, httpx2.AsyncClient(base_url=url, timeout=10.0) as http:
            tasks.start_soon(lambda: server.serve(sockets=[listener]))
            while not server.started:
                await anyio.sleep(0.01)
            http.app = app  # type: ignore[attr-defined]
            yield http
            server.should_exit = True


def hum(seconds: float) -> Float32:
    """What the scripted detector takes for a voice."""
    return (0.3 * np.sin(np.arange(round(seconds * SESSION_RATE_HZ)) * 0.2)).astype(np.float32)


def hush(seconds: float) -> Float32:
    return np.zeros(round(seconds * SESSION_RATE_HZ), np.float32)


def wav(*parts: Float32) -> bytes:
    """A file of these parts; one second of voice without any."""
    return to_wav(np.concatenate(parts) if parts else hum(1.0))


def as_file(data: bytes, name: str = "a.wav") -> dict[str, tuple[str, io.BytesIO, str]]:
    """The form's file."""
    return {"file": (name, io.BytesIO(data), "audio/wav")}


def events(body: str) -> Iterator[dict[str, Any]]:
    """The events of a stream of server-sent ones."""
    import msgspec

    for block in body.split("\n\n"):
        if block:
            assert block.startswith("data: ")
            yield msgspec.json.decode(block.removeprefix("data: "))

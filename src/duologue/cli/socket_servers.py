"""The servers that ``duologue bench wire`` compares: ``python -m duologue.cli.socket_servers NAME ANSWER_S``.

* ``websockets``: that library's own server, as little as can be.
* ``starlette``: uvicorn's own WebSockets around an endpoint that drops what comes.
* ``protocol``: Duologue with a session that drops the sound that it is told, and has an answer ready.
* ``duologue``: the server itself, its engines replaced by ones that do no work.

All on the same event loop as `duologue serve`.

All answer ``response.create`` with as many frames at the same pace; the first two with one frame, made once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

# One thread, as in the server.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import anyio
import uvicorn
from anyio.abc import TaskGroup
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from duologue.bench.protocol_cost import OUT_MS, protocol_for, reply_audio
from duologue.cli.log import configure_logging
from duologue.config import Settings, setup_of
from duologue.engines.base import SpeakRequest, SpeechChunk
from duologue.engines.scripted import (
    InlineEngines,
    ScriptedChat,
    ScriptedTranscriber,
    ScriptedTurn,
    ScriptedVad,
    tone,
)
from duologue.events import CreateReply, Event, Reached, ReplyDone, ReplyManner, ReplyStarted, Told
from duologue.server import live, run
from duologue.server.loop import LOOP
from duologue.server.state import State
from duologue.session.answer import LEAD_MS
from duologue.session.history import History

CREATED, UPDATED, DONE = '{"type":"session.created"}', '{"type":"session.updated"}', '{"type":"response.done"}'
# No frame of sound is so short.
LONGEST_REQUEST_CHARS = 200

Send = Callable[[str], Awaitable[None]]


def frames_of(answer_s: float) -> int:
    """Frames of an answer."""
    return int(answer_s * 1000 / OUT_MS)


class _Voice:
    """Sound that was made beforehand, whole."""

    name = "ready"
    voices: tuple[str, ...] = ("tone",)

    def __init__(self, length_s: float) -> None:
        self._chunk = SpeechChunk(tone(length_s), ())

    async def start(self) -> None:
        return

    async def aclose(self) -> None:
        return

    @asynccontextmanager
    async def stream(self, request: SpeakRequest) -> AsyncIterator[AsyncIterator[SpeechChunk]]:
        async def chunks() -> AsyncIterator[SpeechChunk]:
            yield self._chunk

        yield chunks()


class _Bare:
    """What a bare server does with a caller's frames."""

    def __init__(self, answer_s: float) -> None:
        self._frame = protocol_for("pcm16").send(reply_audio())[0].decode()
        self._frames = frames_of(answer_s)

    async def take(self, text: str, send: Send) -> None:
        if len(text) > LONGEST_REQUEST_CHARS:
            return
        if "response.create" in text:
            await self._answer(send)
        else:
            await send(UPDATED)

    async def _answer(self, send: Send) -> None:
        async for _ in _paced(self._frames):
            await send(self._frame)
        await send(DONE)


class _Silent:
    """In place of a session: its door, and nothing behind it."""

    frames = 0
    is_behind = False

    def __init__(self, _engines: object, _config: object, say: Callable[[Event], None], *_rest: object) -> None:
        self._say = say
        self._tasks: TaskGroup | None = None
        self.history = History()

    def tell(self, event: Told) -> None:
        if isinstance(event, CreateReply) and self._tasks is not None:
            self._tasks.start_soon(self._answer)
        elif isinstance(event, Reached):
            event.tell()

    async def run(self) -> None:
        async with anyio.create_task_group() as self._tasks:
            await anyio.sleep_forever()

    async def _answer(self) -> None:
        audio, manner = reply_audio(), ReplyManner(modality="audio")
        self._say(ReplyStarted(reply_id=audio.reply_id, manner=manner))
        async for _ in _paced(self.frames):
            self._say(audio)
        self._say(ReplyDone(reply_id=audio.reply_id, manner=manner, status="completed"))


async def _paced(frames: int) -> AsyncIterator[int]:
    """So many frames of an answer, each when a session would send it."""
    began_s = anyio.current_time()
    for index in range(frames):
        ahead_ms = (index + 1) * OUT_MS - LEAD_MS
        if ahead_ms > 0:
            await anyio.sleep_until(began_s + ahead_ms / 1000)
        yield index


async def _websockets(bare: _Bare) -> None:
    async def talk(socket: ServerConnection) -> None:
        await socket.send(CREATED)
        async for message in socket:
            await bare.take(str(message), socket.send)

    def ready(socket: ServerConnection, request: Request) -> Response | None:
        return socket.respond(200, "ready") if request.path == "/readyz" else None

    listener = run.listen("127.0.0.1", 0)
    async with serve(talk, sock=listener, compression=None, process_request=ready) as server:
        _announce(listener.getsockname()[1])
        await server.serve_forever()


def _starlette(bare: _Bare) -> Starlette:
    async def talk(ws: WebSocket) -> None:
        await ws.accept()
        await ws.send_text(CREATED)
        while (message := await ws.receive())["type"] != "websocket.disconnect":
            await bare.take(message["text"], ws.send_text)

    async def ready(_request: object) -> PlainTextResponse:
        return PlainTextResponse("ready")

    return Starlette(routes=[Route("/readyz", ready), WebSocketRoute("/v1/realtime", talk)])


def _whole(answer_s: float) -> State:
    # One phrase, so that the sound of an answer is asked for once.
    engines = InlineEngines(
        {
            "vad": ScriptedVad(),
            "turn": ScriptedTurn(),
            "asr": ScriptedTranscriber(),
            "chat": ScriptedChat("So it is."),
            "tts": _Voice(answer_s),
        }
    )
    settings = Settings(profile="scripted", max_sessions=10_000)
    return State(settings, setup_of(settings), engines, voice="tone", is_ready=True)


async def _uvicorn(name: str, answer_s: float) -> None:
    state = _whole(answer_s)
    config = run.uvicorn_config(state.settings, state)
    if name == "starlette":
        config.app, config.ws = _starlette(_Bare(answer_s)), "websockets-sansio"
    elif name == "protocol":
        _Silent.frames = frames_of(answer_s)
        # For this process alone, which measures and serves nobody.
        live.Session = _Silent  # type: ignore[assignment, attr-defined]
    listener = run.listen("127.0.0.1", 0)
    _announce(listener.getsockname()[1])
    async with anyio.create_task_group() as tg:
        tg.start_soon(state.calls.run)
        await uvicorn.Server(config).serve(sockets=[listener])
        tg.cancel_scope.cancel()


def _announce(port: int) -> None:
    print(f"http://127.0.0.1:{port}", flush=True)


def main() -> None:
    """Serve until SIGTERM."""
    name, answer_s = sys.argv[1], float(sys.argv[2])
    configure_logging("warning")
    if name == "websockets":
        anyio.run(_websockets, _Bare(answer_s), backend_options=LOOP)
    else:
        anyio.run(_uvicorn, name, answer_s, backend_options=LOOP)


if __name__ == "__main__":
    main()

"""A server of the protocol with known delays, to hold the bench and ``talk`` against.

It hears speech by level alone and answers with a tone. Its sense of time is the caller's clock, so that a clock
that runs fast makes the whole conversation fast.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import anyio
import numpy as np
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from duologue.audio.frame import VOICE_RATE_HZ, Int16
from duologue.bench.clock import Clock

SOUND_RMS = 200.0
CHUNK_S = 0.1


def tone(duration_s: float, *, level: float = 8000.0) -> Int16:
    """A 220 Hz tone, int16 [n] at 24 kHz."""
    t = np.arange(int(duration_s * VOICE_RATE_HZ)) / VOICE_RATE_HZ
    return (level * np.sin(2 * np.pi * 220 * t)).astype(np.int16)


def silence(duration_s: float) -> Int16:
    """int16 [n] at 24 kHz."""
    return np.zeros(int(duration_s * VOICE_RATE_HZ), dtype=np.int16)


@dataclass
class Script:
    """How the stand-in behaves. Times in seconds of its clock."""

    silence_s: float = 0.3
    reply_delay_s: float = 0.1
    lead_s: float = 0.0
    answer_s: float = 0.6
    long_answer_s: float = 8.0
    transcript: str = "hello there"
    answers: bool = True
    hears: bool = True
    refuses_with: int | None = None
    places: int | None = None
    hangs_up_after: int | None = None


@dataclass
class StandIn:
    """A running stand-in. ``received``: every client event but the sound."""

    script: Script
    clock: Clock
    url: str = ""
    received: list[dict[str, Any]] = field(default_factory=list)
    frames: int = 0
    inside: int = 0

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """The client's events of one type, in order."""
        return [event for event in self.received if event["type"] == kind]


class _Session:
    def __init__(self, standin: StandIn, socket: ServerConnection, tasks: anyio.abc.TaskGroup) -> None:
        self.standin, self.socket, self.tasks = standin, socket, tasks
        self.script, self.clock = standin.script, standin.clock
        self.quiet_s = 0.0
        self.is_speaking = False
        self.turns = 0
        self.responses = 0
        self.reply: anyio.CancelScope | None = None

    async def send(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, "event_id": "event_x", **fields}))

    async def take(self, event: dict[str, Any]) -> None:
        if event["type"] != "input_audio_buffer.append":
            self.standin.received.append(event)
        match event["type"]:
            case "session.update":
                await self.send("session.updated", session=event["session"])
            case "input_audio_buffer.append":
                self.standin.frames += 1
                await self.listen(np.frombuffer(base64.b64decode(event["audio"]), dtype="<i2"))
            case "response.create":
                self.tasks.start_soon(self.answer, self.script.long_answer_s)

    async def listen(self, pcm: Int16) -> None:
        if not self.script.hears:
            return
        is_sound = float(np.sqrt(np.mean(np.square(pcm.astype(float))))) > SOUND_RMS
        self.quiet_s = 0.0 if is_sound else self.quiet_s + len(pcm) / VOICE_RATE_HZ
        if is_sound and not self.is_speaking:
            await self.begin_turn()
        elif self.is_speaking and self.quiet_s >= self.script.silence_s:
            await self.end_turn()

    async def begin_turn(self) -> None:
        self.is_speaking = True
        self.turns += 1
        await self.send("input_audio_buffer.speech_started", item_id=f"item_u{self.turns}", audio_start_ms=0)
        if self.reply is not None:
            self.reply.cancel()

    async def end_turn(self) -> None:
        self.is_speaking = False
        item_id = f"item_u{self.turns}"
        await self.send("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=0)
        await self.send("input_audio_buffer.committed", item_id=item_id, previous_item_id=None)
        await self.send(
            "conversation.item.input_audio_transcription.completed",
            item_id=item_id,
            content_index=0,
            transcript=self.script.transcript,
        )
        if self.script.answers:
            self.tasks.start_soon(self.answer, self.script.answer_s)
        if self.script.hangs_up_after == self.turns:
            await self.socket.close(1012, "restarting")

    async def answer(self, duration_s: float) -> None:
        self.responses += 1
        response_id, item_id = f"resp_{self.responses}", f"item_a{self.responses}"
        await self.send("response.created", response={"id": response_id, "status": "in_progress"})
        status = "cancelled"
        with anyio.CancelScope() as self.reply:
            await self.speak(response_id, item_id, duration_s)
            status = "completed"
        await self.send("response.done", response={"id": response_id, "status": status})

    async def speak(self, response_id: str, item_id: str, duration_s: float) -> None:
        await self.clock.sleep_until(self.clock.now() + self.script.reply_delay_s)
        sound = np.concatenate((silence(self.script.lead_s), tone(duration_s)))
        place = {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}
        chunk = int(CHUNK_S * VOICE_RATE_HZ)
        for start in range(0, len(sound), chunk):
            delta = base64.b64encode(sound[start : start + chunk].tobytes()).decode()
            await self.send("response.output_audio.delta", delta=delta, **place)
        await self.send("response.output_audio_transcript.delta", delta="Good ", **place)
        await self.send("response.output_audio_transcript.delta", delta="morning.", **place)
        await self.send("response.output_audio_transcript.done", transcript="Good morning.", **place)


@asynccontextmanager
async def standing_in(script: Script, clock: Clock) -> AsyncIterator[StandIn]:
    """Serve on a free port of the loopback until the block ends."""
    standin = StandIn(script, clock)

    async def converse(socket: ServerConnection) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                session = _Session(standin, socket, tasks)
                await session.send("session.created", session={"id": "sess_x", "type": "realtime"})
                async for message in socket:
                    await session.take(json.loads(message))
                tasks.cancel_scope.cancel()
        except* ConnectionClosed:
            pass
        finally:
            standin.inside -= 1

    def refuse(socket: ServerConnection, request: Request) -> Response | None:
        is_full = script.places is not None and standin.inside >= script.places
        if script.refuses_with is None and not is_full:
            standin.inside += 1
            return None
        body = json.dumps({"error": {"message": "every place is taken", "code": "queued", "position": 1}})
        refusal = socket.respond(HTTPStatus(script.refuses_with or 503), body)
        refusal.headers["Retry-After"] = "2"
        return refusal

    async with serve(converse, "127.0.0.1", 0, process_request=refuse, compression=None) as server:
        standin.url = f"http://127.0.0.1:{_port(server)}"
        yield standin


def _port(server: Server) -> int:
    return int(next(iter(server.sockets)).getsockname()[1])

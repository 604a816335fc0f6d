"""Two thousand clients that vanish at any point: nothing of them is left."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import os
import random
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from duologue.engines.scripted import ScriptedChat, ScriptedSynthesizer
from duologue.server.line import HOLD_S, LATEST_S, PATIENCE_S
from tests.server.caller import silence, voice
from tests.server.serving import Serving, engines, serving, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

SESSIONS, BATCH = 2_000, 50
# The first fill caches and the allocator's arenas.
WARM_UP = 500
SLOPE_BYTES = 5_000
# Of a batch two thirds ask for a place at once: far more than there are, so that some stand in the line.
PLACES = 10
POINTS = ["handshake", "upgrade", "hello", "append", "turn", "reply"]

HANDSHAKE = (
    b"GET /v1/realtime?model=x HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def _frame(**event: object) -> bytes:
    """A text frame of a client. The mask is nought: nobody needs to be protected here."""
    payload = json.dumps(event).encode()
    size = struct.pack("!BH", 0xFE, len(payload)) if len(payload) < 65_536 else struct.pack("!BQ", 0xFF, len(payload))
    return b"\x81" + size + bytes(4) + payload


def _append(pcm: bytes) -> bytes:
    return _frame(type="input_audio_buffer.append", audio=base64.b64encode(pcm).decode())


SPEECH = _append(voice(0.4) + silence(0.4))
HALF_AN_APPEND = SPEECH[: len(SPEECH) // 2]
ANSWER = _frame(
    type="conversation.item.create",
    item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Tell me a story. " * 12}]},
) + _frame(type="response.create")


class Vanishing:
    """One client, as raw as it gets."""

    def __init__(self, port: int, dice: random.Random) -> None:
        self._port, self._dice = port, dice
        self._received = b""

    async def run(self) -> str:
        """Connect, go up to some point, vanish; how far it came."""
        self._reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            return await self._go(writer)
        finally:
            if self._dice.random() < 0.7:
                # No FIN: a reset.
                raw = writer.transport.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def _go(self, writer: asyncio.StreamWriter) -> str:
        point = self._dice.choice(POINTS)
        if point == "handshake":
            writer.write(HANDSHAKE[: self._dice.randrange(len(HANDSHAKE))])
            return point
        writer.write(HANDSHAKE)
        if point == "upgrade":
            return point
        if not await self._has(b"session.created", or_else=b"503 "):
            return "line"
        if point == "append":
            writer.write(HALF_AN_APPEND)
        elif point == "turn":
            writer.write(SPEECH)
            await self._has(b"speech_started")
        elif point == "reply":
            writer.write(ANSWER)
            await self._has(b"output_audio.delta")
        return point

    async def _has(self, wanted: bytes, or_else: bytes = b"\0" * 64) -> bool:
        while wanted not in self._received and or_else not in self._received:
            more = await self._reader.read(65_536)
            assert more, "the server hung up"
            self._received += more
        return wanted in self._received


def _census() -> tuple[int, int]:
    """Tasks, and open files."""
    return len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))


def _rss_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _slope(points: list[tuple[int, int]]) -> float:
    """Least squares, y over x."""
    mean_x, mean_y = (sum(column) / len(points) for column in zip(*points, strict=True))
    together: float = sum((x - mean_x) * (y - mean_y) for x, y in points)
    spread: float = sum((x - mean_x) * (x - mean_x) for x, _ in points)
    return together / spread


async def _batch(port: int, dice: random.Random, seen: dict[str, int]) -> None:
    async def one() -> None:
        point = await Vanishing(port, random.Random(dice.random())).run()
        seen[point] = seen.get(point, 0) + 1

    async with anyio.create_task_group() as crowd:
        for _ in range(BATCH):
            crowd.start_soon(one)


def _let_tickets_expire(server: Serving) -> None:
    admission = server.state.admission
    clock: Callable[[], float] = admission._clock
    admission._clock = lambda: clock() + LATEST_S + PATIENCE_S + HOLD_S + 1
    admission.keep_house()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts files and memory as Linux shows them")
async def test_two_thousand_vanish_and_nothing_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    client = engines(chat=ScriptedChat(word_s=0.002), tts=ScriptedSynthesizer(phrase_s=0.3))
    dice, seen = random.Random(1), dict[str, int]()
    memory: list[tuple[int, int]] = []
    async with serving(client, load=True, max_sessions=PLACES, admission_target_ms=0) as server:
        await _batch(server.port, dice, seen)
        await until(lambda: server.state.slots.taken == 0)
        await anyio.sleep(0.1)
        tasks, files = _census()
        for done in range(BATCH, SESSIONS, BATCH):
            await _batch(server.port, dice, seen)
            await until(lambda: server.state.slots.taken == 0)
            await until(lambda: _census() <= (tasks, files) and _census()[1] <= files)
            if done >= WARM_UP:
                memory.append((done, _rss_bytes()))
        assert seen.keys() == {*POINTS, "line"}, f"not every point was reached: {seen}"
        assert sum(seen.values()) == SESSIONS
        assert server.state.slots.taken == len(server.state.slots._leases) == server.state.slots.of_key("anyone") == 0
        _let_tickets_expire(server)
        assert server.state.admission.waiting == server.state.admission.called == 0
        assert _slope(memory) <= SLOPE_BYTES
    assert "session_failed" not in capsys.readouterr().out

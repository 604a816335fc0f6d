"""A WebSocket by its bytes: whatever way the frames come, the same messages are heard, once and in order."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.frames import Close, Frame, Opcode

from duologue.server.connection import FRAMES_IN_A_ROW, UNREAD_BATCHES, Connection, frames_on_the_wire
from tests.server.serving import until

pytestmark = pytest.mark.anyio

HANDSHAKE = (
    b"GET /talk HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MAX_BYTES = 100_000


class Line(asyncio.Transport):
    """A transport without a network. ``is_deaf``: nothing that is written leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_reading = True
        self.is_deaf = False
        self.protocol: Connection | None = None
        self._is_closing = False

    def write(self, data: Any) -> None:
        self.written += data
        if self.is_deaf and self.protocol is not None:
            self.protocol.pause_writing()

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing and self.protocol is not None:
            self._is_closing = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


class Talk:
    """A connection that is open, and what was heard on it. ``holds``: messages after which the rest is held back."""

    def __init__(self, holds: Sequence[bytes] = ()) -> None:
        self.heard: list[bytes | None] = []
        self.go_on: Callable[[], None] | None = None
        self.line = Line()
        self._holds = holds
        self._leave = asyncio.Event()
        self.left: list[dict[str, Any]] = []

    async def open(self) -> Connection:
        config = uvicorn.Config(
            self._app, ws_max_size=MAX_BYTES, ws_per_message_deflate=False, lifespan="off", interface="asgi3"
        )
        config.load()
        self.connection = self.line.protocol = Connection(config, ServerState(), {})
        self.connection.connection_made(self.line)
        self.connection.data_received(HANDSHAKE)
        await until(lambda: b"101 Switching" in self.line.written)
        self.line.written.clear()
        return self.connection

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        scope["state"]["connection"].listen(self._take)
        self.left.append(await receive())

    def _take(self, message: bytes | None, go_on: Callable[[], None]) -> bool:
        self.heard.append(message)
        self.go_on = go_on
        return message not in self._holds

    async def vanish(self) -> None:
        self.line.close()
        await until(lambda: bool(self.left))

    def closed_with(self) -> int:
        """The code in the last frame that was written."""
        at = self.line.written.rindex(b"\x88")
        return int.from_bytes(self.line.written[at + 2 : at + 4], "big")


def text(data: bytes, **more: Any) -> bytes:
    return frame(Opcode.TEXT, data, **more)


def frame(opcode: Opcode, data: bytes, **more: Any) -> bytes:
    return Frame(opcode, data, **more).serialize(mask=True)


SPOKEN = [b"", b"a", b"x" * 125, b"y" * 126, b"z" * 1_300, b"w" * 65_535, b"v" * 65_536, "\u00fcber".encode()]


def mixed() -> bytes:
    """``SPOKEN``, with every other kind of frame between them."""
    return b"".join(
        [
            text(SPOKEN[0]) + text(SPOKEN[1]),
            frame(Opcode.PING, b"there?"),
            text(SPOKEN[2][:10], fin=False),
            frame(Opcode.PONG, b"unasked"),
            frame(Opcode.CONT, SPOKEN[2][10:60], fin=False) + frame(Opcode.CONT, SPOKEN[2][60:]),
            text(SPOKEN[3]) + text(SPOKEN[4]),
            frame(Opcode.BINARY, b"\xff\xfe"),
            *map(text, SPOKEN[5:]),
        ]
    )


HEARD: list[bytes | None] = [*SPOKEN[:5], None, *SPOKEN[5:]]


@pytest.mark.parametrize("seed", range(8))
async def test_wherever_the_bytes_are_cut_the_same_is_heard(seed: int) -> None:
    talk, dice = Talk(), random.Random(seed)
    connection = await talk.open()
    data = mixed()
    longest = (1, 3, 14, 200, 1_400, 5_000, 70_000, len(data))[seed]
    at = 0
    while at < len(data):
        size = dice.randint(1, longest)
        connection.data_received(data[at : at + size])
        at += size
    assert talk.heard == HEARD
    assert talk.line.written == Frame(Opcode.PONG, b"there?").serialize(mask=False)
    await talk.vanish()


async def test_what_is_held_back_comes_when_it_is_asked_for_and_nothing_is_read_meanwhile() -> None:
    talk = Talk(holds=[b"large", b"larger"])
    connection = await talk.open()
    last = text(b"last")
    connection.data_received(text(b"large") + text(b"next") + text(b"larger") + last[:3])
    assert (talk.heard, talk.line.is_reading) == ([b"large"], False)
    assert talk.go_on is not None
    talk.go_on()
    assert (talk.heard, talk.line.is_reading) == ([b"large", b"next", b"larger"], False)
    talk.go_on()
    assert talk.line.is_reading
    connection.data_received(last[3:])
    assert talk.heard == [b"large", b"next", b"larger", b"last"]
    await talk.vanish()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(text(b"\xff\xfe"), 1007, id="no UTF-8"),
        pytest.param(text(b"\xff", fin=False) + frame(Opcode.CONT, b"\xff"), 1007, id="no UTF-8, in fragments"),
        pytest.param(Frame(Opcode.TEXT, b"bare").serialize(mask=False), 1002, id="no mask"),
        pytest.param(text(b"first", fin=False) + text(b"second"), 1002, id="a message within a message"),
        pytest.param(frame(Opcode.CONT, b"what?"), 1002, id="nothing to continue"),
        pytest.param(bytes([0xC1]) + text(b"squeezed")[1:], 1002, id="an extension nobody agreed on"),
        pytest.param(bytes([0x83]) + text(b"odd")[1:], 1002, id="a kind that there is not"),
        pytest.param(text(b"x" * (MAX_BYTES + 1))[:14], 1009, id="too large, by its header alone"),
        pytest.param(text(b"x" * MAX_BYTES, fin=False) + frame(Opcode.CONT, b"x"), 1009, id="too large in all"),
        pytest.param(b"\x81\xff" + b"\xff" * 12, 1009, id="a length beyond everything"),
    ],
)
async def test_who_breaks_the_rules_is_told_so_and_cut_off(data: bytes, code: int) -> None:
    talk = Talk()
    connection = await talk.open()
    connection.data_received(text(b"before") + data)
    connection.data_received(text(b"after"))
    await until(lambda: bool(talk.left))
    assert (talk.heard, talk.closed_with(), talk.line.is_closing()) == ([b"before"], code, True)


async def test_nothing_is_heard_after_goodbye() -> None:
    talk = Talk()
    connection = await talk.open()
    connection.data_received(frame(Opcode.CLOSE, Close(1000, "bye").serialize()) + text(b"one more thing"))
    await until(lambda: bool(talk.left))
    assert (talk.heard, talk.closed_with(), talk.left[0]["reason"]) == ([], 1000, "bye")


async def test_a_goodbye_that_was_held_back_still_counts() -> None:
    """The server closes while it holds back; the client's answer may have come already."""
    talk = Talk(holds=[b"large"])
    connection = await talk.open()
    connection.data_received(text(b"large") + text(b"lost") + frame(Opcode.CLOSE, Close(1000, "").serialize()))
    assert talk.heard == [b"large"]
    await connection.send({"type": "websocket.close", "code": 1001})
    assert (talk.heard, talk.line.is_closing()) == ([b"large"], True)
    await until(lambda: not connection.connections)


async def test_what_comes_before_the_handshake_is_answered_waits() -> None:
    talk = Talk()
    config = uvicorn.Config(talk._app, lifespan="off", interface="asgi3")
    config.load()
    connection = talk.line.protocol = Connection(config, ServerState(), {})
    connection.connection_made(talk.line)
    connection.data_received(HANDSHAKE)
    early = text(b"early") + text(b"more")
    connection.data_received(early[:5])
    connection.data_received(early[5:])
    assert talk.heard == []
    await until(lambda: b"101 Switching" in talk.line.written)
    assert talk.heard == [b"early", b"more"]
    await talk.vanish()


async def test_a_client_that_does_not_read_gets_all_in_order_once_it_does() -> None:
    talk = Talk()
    connection = await talk.open()
    has_room: list[int] = []
    connection.on_room = lambda: has_room.append(1)
    said = [[b"%d" % number, os.urandom(8).hex().encode() * number] for number in range(30)]
    talk.line.is_deaf = True
    assert all(connection.send_frames(frames) for frames in said[:20])
    assert connection.is_full
    assert talk.line.written == frames_on_the_wire(said[0])
    talk.line.is_deaf = False
    connection.resume_writing()
    assert (connection.is_full, has_room) == (False, [1])
    assert all(connection.send_frames(frames) for frames in said[20:])
    assert talk.line.written == b"".join(map(frames_on_the_wire, said))
    await talk.vanish()


async def test_there_is_an_end_to_what_waits() -> None:
    talk = Talk()
    connection = await talk.open()
    talk.line.is_deaf = True
    taken = sum(connection.send_frames([b"word"]) for _ in range(2 * UNREAD_BATCHES))
    assert taken == 1 + UNREAD_BATCHES
    connection.forget_unsent()
    connection.send_frames([bytes(5 << 20)])
    assert not connection.send_frames([b"word"])
    await talk.vanish()
    assert connection.send_frames([b"nobody hears this"])


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_frames_are_what_the_reference_makes_of_them(size: int) -> None:
    data = b"x" * size
    assert frames_on_the_wire([data]) == Frame(Opcode.TEXT, data).serialize(mask=False)


async def test_pings_of_one_that_reads_nothing_are_not_answered_without_end() -> None:
    talk = Talk()
    connection = await talk.open()
    ping = frame(Opcode.PING, b"x" * 125)
    talk.line.is_deaf = True
    for _ in range(FRAMES_IN_A_ROW // 2):
        connection.data_received(ping)
    assert len(talk.line.written) < 2 * len(ping)
    talk.line.is_deaf = False
    connection.resume_writing()
    before = len(talk.line.written)
    connection.data_received(ping)
    assert len(talk.line.written) > before
    await talk.vanish()


async def test_many_frames_of_one_client_leave_the_loop_to_others_in_between() -> None:
    talk = Talk()
    connection = await talk.open()
    others = 0

    async def count() -> None:
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    connection.data_received(frame(Opcode.TEXT, b"{}") * (10 * FRAMES_IN_A_ROW))
    assert len(talk.heard) == FRAMES_IN_A_ROW
    assert not talk.line.is_reading
    await until(lambda: len(talk.heard) == 10 * FRAMES_IN_A_ROW)
    counting.cancel()
    assert others >= 9
    assert talk.line.is_reading
    await talk.vanish()

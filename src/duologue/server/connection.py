"""A WebSocket of the server's: bytes of the client become messages, frames for the client become bytes, in plain calls.

uvicorn's own way hands a message to the application through a queue and a task that wakes for it, and parses frames in
Python generators. Fifty times a second for each of a hundred people that is most of what a frame costs. Here a frame
walks one of two lanes:

* A text message that came whole, in one unfragmented frame of up to 64 KiB, is unmasked on the spot and given to
  whoever listens, in the same call that brought it from the socket.
* Everything else (control and binary frames, fragments, large messages, pieces, and all that breaks the rules) goes to
  the core of `websockets`, whole frames at a time, so that the core always stands between two frames or in one of its
  own.

The opening and closing handshakes, pings and refusals stay uvicorn's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

# What waits for a client that has not read what came before.
UNREAD_BATCHES, UNREAD_BYTES = 256, 4 << 20
# What a client sends before its handshake is answered.
EARLY_BYTES = 64 * 1024
# RFC 6455, section 5.2: the last frame of its message, no extension, text; the bit of a mask, and the longest lengths
# of a header's one byte and of its two bytes more.
WHOLE_TEXT, MASKED, SHORT, MEDIUM = 0x81, 0x80, 125, 0xFFFF
INVALID_DATA = 1007
# After so many frames of one client the others on the loop have their turn. A socket of uvloop's is read up to 32 times
# in a row, 8 MB of the smallest frames: 4 s in which nobody else is heard.
FRAMES_IN_A_ROW = 64

Take = Callable[[bytes | None, Callable[[], None]], bool]


class Connection(WebSocketsSansIOProtocol):
    """What uvicorn makes of each WebSocket; the application finds it as ``scope["state"]["connection"]``.

    Once the application has accepted, it calls ``listen``; disconnection still comes by ASGI's ``receive``, and ASGI's
    ``send`` still closes. It is a channel of a conversation (`duologue.server.live.Channel`); ``ended`` is set by
    ``end``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ended = asyncio.Event()
        self._take: Take | None = None
        self._is_held = False
        self._in_a_row = 0
        # Bytes that wait: part of a header, or all that came while held.
        self._rest = b""
        # What the core is still to be given of a frame that came in pieces.
        self._owed = 0
        self.is_full = False
        self.on_room: Callable[[], None] | None = None
        self._unsent: deque[bytes] = deque()
        self._unsent_bytes = 0

    # --- in ---------------------------------------------------------------------------------------------------------

    def listen(self, take: Take) -> None:
        """``take`` is given each message as UTF-8, None for a binary one. Where it answers False, the rest is held back
        until it calls what it was given along with the message."""
        self._take = take
        self._go_on()

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["state"]["connection"] = self

    def data_received(self, data: bytes) -> None:
        if self.handshake_complete:
            self._walk(data)
        elif self.handshake_initiated:
            self._keep(data)
        else:
            super().data_received(data)

    def _keep(self, data: bytes) -> None:
        self._rest += data
        if len(self._rest) > EARLY_BYTES:
            self._pause()

    def _walk(self, data: bytes) -> None:
        """Each frame on its lane, for as long as nothing is held back."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        at, end = 0, len(data)
        if self._owed and end:
            at = min(self._owed, end)
            self._owed -= at
            super().data_received(data[:at])
        while end - at >= 2 and not self._is_held:
            size = data[at + 1] - MASKED
            # A frame without a mask ends the connection, whatever its length.
            head = 6 if size <= SHORT else 8 if size == SHORT + 1 else 14
            if end - at < head and size >= 0:
                break
            if self._in_a_row >= FRAMES_IN_A_ROW:
                self._rest_a_while()
                break
            self._in_a_row += 1
            if head == 8:
                size = data[at + 2] << 8 | data[at + 3]
            elif head == 14:
                size = int.from_bytes(data[at + 2 : at + 10], "big")
            body = at + head
            stop = body + size if size >= 0 else end
            if stop <= end and data[at] == WHOLE_TEXT and 0 <= size <= MEDIUM and self._is_plain(size):
                self._deliver(apply_mask(data[body:stop], data[body - 4 : body]))
            else:
                self._owed = max(0, stop - end)
                super().data_received(data[at:stop])
            if self.transport.is_closing():
                return
            at = min(stop, end)
        self._rest = data[at:]

    def _is_plain(self, size: int) -> bool:
        """Whether a whole text frame of so many bytes may be read here."""
        most = self.conn.max_message_size
        is_alone = self.conn.current_size is None and not self.close_sent
        return is_alone and self._take is not None and (most is None or size <= most)

    def send_receive_event_to_app(self) -> None:
        if self._take is None:
            super().send_receive_event_to_app()
            return
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if not self.close_sent:
            self._deliver(bytes(data) if self.curr_msg_data_type == "text" else None)

    def _deliver(self, message: bytes | None) -> None:
        assert self._take is not None
        if message is not None and not message.isascii():
            try:
                message.decode()
            except UnicodeDecodeError:
                self.conn.send_close(INVALID_DATA)
                self.handle_parser_exception()
                return
        if not self._take(message, self._go_on):
            self._is_held = True
            self._pause()

    def _pause(self) -> None:
        if not self.read_paused and not self.transport.is_closing():
            self.read_paused = True
            self.transport.pause_reading()

    def _rest_a_while(self) -> None:
        self._is_held, self._in_a_row = True, 0
        self._pause()
        asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._is_held = False
        self._walk(b"")
        if not self._is_held and self.read_paused and not self.transport.is_closing():
            self.read_paused = False
            self.transport.resume_reading()

    def handle_ping(self) -> None:
        pong = b"".join(self.conn.data_to_send())
        # One that pings and reads nothing would fill the memory with pongs. Of many pings the latest alone has to be
        # answered (RFC 6455, 5.5.3), and whoever reads again pings again.
        if not self.is_full:
            self.transport.write(pong)

    # --- out --------------------------------------------------------------------------------------------------------

    def send_frames(self, frames: Sequence[bytes]) -> bool:
        """Send text frames, in order, now or, while it ``is_full``, when the client has read what came before. False,
        and nothing is sent, when too much waits already. What comes after the end is dropped."""
        if self.close_sent or self.transport.is_closing():
            return True
        data = frames_on_the_wire(frames)
        if not self.is_full:
            self.transport.write(data)
            return True
        if len(self._unsent) >= UNREAD_BATCHES or self._unsent_bytes >= UNREAD_BYTES:
            return False
        self._unsent.append(data)
        self._unsent_bytes += len(data)
        return True

    def end(self) -> None:
        """Nothing more will be sent."""
        self.ended.set()

    def forget_unsent(self) -> None:
        """Give up what the client has not read."""
        self._unsent.clear()
        self._unsent_bytes = 0

    async def send(self, message: Any) -> None:
        await super().send(message)
        if self.close_sent and self._rest:
            # The client's own goodbye may be in it.
            self._is_held = False
            self._walk(b"")

    def pause_writing(self) -> None:
        self.is_full = True
        super().pause_writing()

    def resume_writing(self) -> None:
        self.is_full = False
        while self._unsent and not self.is_full:
            data = self._unsent.popleft()
            self._unsent_bytes -= len(data)
            self.transport.write(data)
        if not self.is_full and self.on_room is not None:
            self.on_room()
        if not self.is_full:
            super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # A ring of objects, with the session in it, that Python would find late.
        self._take, self.on_room, self._rest = None, None, b""
        self.forget_unsent()
        if self.handshake_initiated and self.response.status_code == 101:
            self.scope["state"].pop("connection", None)


def frames_on_the_wire(frames: Sequence[bytes]) -> bytes:
    """Text messages of a server, one frame each, without a mask."""
    parts: list[bytes] = []
    for frame in frames:
        size = len(frame)
        if size <= SHORT:
            parts.append(bytes((WHOLE_TEXT, size)))
        elif size <= MEDIUM:
            parts.append(b"\x81\x7e" + size.to_bytes(2, "big"))
        else:
            parts.append(b"\x81\x7f" + size.to_bytes(8, "big"))
        parts.append(frame)
    return b"".join(parts)

"""The data channel: the protocol's frames, one message each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import anyio
import structlog
from aiortc import RTCDataChannel
from aiortc.exceptions import InvalidStateError

from duologue.events import Failed
from duologue.server.live import Live

log = structlog.get_logger(__name__)

# So much may wait for the client before the session is held up, and so little before it goes on.
HIGH_BYTES, LOW_BYTES = 1 << 20, 1 << 18
# What the client sends and the session has not taken yet. SCTP would not hold it back, so more ends the call.
MAX_UNTAKEN_BYTES = 32 << 20
MESSAGE_COST_BYTES = 256
# What is kept of a session's events until the channel is open; the oldest go first.
EARLY_BYTES = 1 << 20


class EventChannel:
    """Both ways of one data channel, which the client opens when the connection is up.

    The session does not wait for it to open: a caller may do without one, and only listen.
    """

    def __init__(self) -> None:
        self.closed = anyio.Event()
        self.is_full = False
        self.on_room: Callable[[], None] | None = None
        self._channel: RTCDataChannel | None = None
        self._live: Live | None = None
        self._early: deque[bytes] = deque()
        self._early_bytes = 0
        self._has_ended = anyio.Event()
        self._is_empty = anyio.Event()
        self._untaken: deque[str | None] = deque()
        self._untaken_bytes = 0
        self._is_held = False

    def open(self, channel: RTCDataChannel) -> None:
        """The first one is for the events, whatever its label; clients that follow OpenAI call it ``oai-events``."""
        if self._channel is not None:
            return
        self._channel = channel
        channel.bufferedAmountLowThreshold = LOW_BYTES
        channel.on("message", self._receive)
        channel.on("bufferedamountlow", self._make_room)
        channel.on("close", self._close)
        self.send_frames(self._early)
        self._early.clear()

    # --- in -----------------------------------------------------------------------------------------------------

    def listen(self, live: Live) -> None:
        """From now on ``live`` is given every message."""
        self._live = live
        self._take_waiting()

    def _receive(self, message: str | bytes) -> None:
        text = message if isinstance(message, str) else None
        self._untaken.append(text)
        self._untaken_bytes += _cost(text)
        if self._untaken_bytes > MAX_UNTAKEN_BYTES:
            log.warning("The client sends more than its session can take; the call ends.")
            self._untaken.clear()
            self._close()
        self._take_waiting()

    def _take_waiting(self) -> None:
        while self._untaken and self._live is not None and not self._is_held:
            message = self._untaken.popleft()
            self._untaken_bytes -= _cost(message)
            self._is_held = not self._live.take(message, self._go_on)

    def _go_on(self) -> None:
        self._is_held = False
        self._take_waiting()

    # --- out ----------------------------------------------------------------------------------------------------

    def send_frames(self, frames: Sequence[bytes]) -> bool:
        """Send them, or keep them until the channel is open. True: whoever sends looks at ``is_full`` first."""
        if self._channel is None:
            self._keep(frames)
            return True
        for frame in frames:
            self._send(self._channel, frame.decode())
        self.is_full = self._channel.bufferedAmount > HIGH_BYTES
        return True

    def _keep(self, frames: Sequence[bytes]) -> None:
        self._early.extend(frames)
        self._early_bytes += sum(map(len, frames))
        while self._early_bytes > EARLY_BYTES:
            self._early_bytes -= len(self._early.popleft())

    def _send(self, channel: RTCDataChannel, text: str) -> None:
        try:
            channel.send(text)
        except InvalidStateError:
            self._close()
        except ValueError:
            channel.send(_too_large(self._live, len(text)))

    def end(self) -> None:
        """Nothing more will be sent."""
        self._has_ended.set()

    async def drain(self) -> None:
        """Until everything is on its way, once the frames have ended."""
        await self._has_ended.wait()
        if self._channel is None or self.closed.is_set():
            return
        self._channel.bufferedAmountLowThreshold = 0
        while self._channel.bufferedAmount > 0 and not self.closed.is_set():
            self._is_empty = anyio.Event()
            await self._is_empty.wait()

    def _make_room(self) -> None:
        self.is_full = False
        self._is_empty.set()
        if self.on_room is not None:
            self.on_room()

    def _close(self) -> None:
        self.closed.set()
        self._is_empty.set()


def _cost(message: str | None) -> int:
    return MESSAGE_COST_BYTES + len(message or "")


def _too_large(live: Live | None, length: int) -> str:
    """What is sent in place of a frame that the client's SCTP would not take (256 KiB in browsers)."""
    assert live is not None
    failed = Failed(
        kind="server_error",
        code="message_too_large",
        message=f"An event of {length} bytes does not fit into this data channel. Ask for less, or use a WebSocket.",
    )
    return live.protocol.send(failed)[0].decode()

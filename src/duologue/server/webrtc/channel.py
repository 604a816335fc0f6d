"""The data channel: the protocol's frames, one message each."""

from __future__ import annotations

from collections import deque

import anyio
import structlog
from aiortc import RTCDataChannel
from aiortc.exceptions import InvalidStateError
from anyio.streams.memory import MemoryObjectReceiveStream

from duologue.events import Failed
from duologue.server.live import Frames, Live

log = structlog.get_logger(__name__)

# So much may wait for the client before the session is held up, and so little before it goes on.
HIGH_BYTES, LOW_BYTES = 1 << 20, 1 << 18
# What the client sends and the session has not taken yet. SCTP would not hold it back, so more ends the call.
MAX_UNTAKEN_BYTES = 32 << 20
MESSAGE_COST_BYTES = 256
# What is kept of a session's events until the channel is open; the oldest go first.
EARLY_BYTES = 1 << 20


class EventChannel:
    """Both ways of one data channel, which the client opens when the connection is up."""

    def __init__(self) -> None:
        self.closed = anyio.Event()
        self.opened = anyio.Event()
        self._channel: RTCDataChannel | None = None
        self._room = anyio.Event()
        self._order = anyio.Lock()
        self._early: deque[bytes] = deque()
        self._early_bytes = 0
        self._has_written = anyio.Event()
        self._untaken: deque[str | None] = deque()
        self._untaken_bytes = 0
        self._arrived = anyio.Event()

    def open(self, channel: RTCDataChannel) -> None:
        """The first one is for the events, whatever its label; clients that follow OpenAI call it ``oai-events``."""
        if self._channel is not None:
            return
        self._channel = channel
        channel.bufferedAmountLowThreshold = LOW_BYTES
        channel.on("message", self._receive)
        channel.on("bufferedamountlow", self._make_room)
        channel.on("close", self._close)
        self.opened.set()

    async def read(self, live: Live) -> None:
        """Give ``live`` every message. Runs until cancelled."""
        while True:
            while self._untaken:
                message = self._untaken.popleft()
                self._untaken_bytes -= _cost(message)
                await live.take(message)
            self._arrived = anyio.Event()
            await self._arrived.wait()

    async def write(self, live: Live, frames: MemoryObjectReceiveStream[Frames]) -> None:
        """Send ``frames`` until they end or the channel closes. The session does not wait for a channel to open: a
        caller may do without one, and only listen."""
        with frames:
            async with anyio.create_task_group() as tg:
                tg.start_soon(self._send_early, live)
                async for batch in frames:
                    if not self.opened.is_set():
                        self._keep(batch)
                    elif not await self._send_all(batch, live):
                        break
                tg.cancel_scope.cancel()
        self._has_written.set()

    def _keep(self, batch: Frames) -> None:
        self._early.extend(batch)
        self._early_bytes += sum(map(len, batch))
        while self._early_bytes > EARLY_BYTES:
            self._early_bytes -= len(self._early.popleft())

    async def _send_early(self, live: Live) -> None:
        await self.opened.wait()
        await self._send_all([], live)

    async def _send_all(self, batch: Frames, live: Live) -> bool:
        """What waited for the channel, then ``batch``. False when the channel is closed."""
        async with self._order:
            self._early.extend(batch)
            while self._early:
                if not await self._send(self._early.popleft().decode(), live):
                    return False
        return True

    async def drain(self) -> None:
        """Until everything is on its way, once the frames have ended."""
        await self._has_written.wait()
        if self._channel is not None:
            self._channel.bufferedAmountLowThreshold = 0
            await self._wait_for_room(0)

    async def _send(self, text: str, live: Live) -> bool:
        assert self._channel is not None
        await self._wait_for_room(HIGH_BYTES)
        try:
            self._channel.send(text)
        except InvalidStateError:
            return False
        except ValueError:
            self._channel.send(_too_large(live, len(text)))
        return True

    async def _wait_for_room(self, most_bytes: int) -> None:
        assert self._channel is not None
        while self._channel.bufferedAmount > most_bytes and not self.closed.is_set():
            self._room = anyio.Event()
            await self._room.wait()

    def _receive(self, message: str | bytes) -> None:
        text = message if isinstance(message, str) else None
        self._untaken.append(text)
        self._untaken_bytes += _cost(text)
        if self._untaken_bytes > MAX_UNTAKEN_BYTES:
            log.warning("The client sends more than its session can take; the call ends.")
            self._untaken.clear()
            self._close()
        self._arrived.set()

    def _make_room(self) -> None:
        self._room.set()

    def _close(self) -> None:
        self.closed.set()
        self._room.set()


def _cost(message: str | None) -> int:
    return MESSAGE_COST_BYTES + len(message or "")


def _too_large(live: Live, length: int) -> str:
    """What is sent in place of a frame that the client's SCTP would not take (256 KiB in browsers)."""
    failed = Failed(
        kind="server_error",
        code="message_too_large",
        message=f"An event of {length} bytes does not fit into this data channel. Ask for less, or use a WebSocket.",
    )
    return live.protocol.send(failed)[0].decode()

"""A conversation on the air: its session, its protocol, and the channels that carry its events."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import anyio
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from duologue import telemetry
from duologue.errors import DuologueError, SessionExpired, SlowClient
from duologue.events import AppendAudio, Event, Reached
from duologue.protocols.openai_realtime.protocol import RealtimeProtocol
from duologue.server.state import State
from duologue.session.session import Session

log = structlog.get_logger(__name__)

# Up to so much a message is only counted: a second of sound is 64 kB.
LIGHT_CHARS = 64 * 1024
# What a client has not read yet: 25 s of sound. One that is so far behind is not listening.
UNREAD_EVENTS = 256
# Clients read this code of a WebSocket as an end of theirs that is worth connecting anew for (RFC 6455, 7.4.1).
GOING_AWAY, POLICY_VIOLATION, INTERNAL_ERROR = 1001, 1008, 1011

Frames = list[bytes]


def _ignore(_event: Event) -> None:
    pass


class Live:
    """One session and whoever takes part in it.

    ``watch`` is told of each event before its frames go out, and must not wait; a transport that carries the sound
    by itself finds it there.
    """

    def __init__(self, state: State, protocol: RealtimeProtocol, watch: Callable[[Event], None] = _ignore) -> None:
        self.protocol = protocol
        self._expires_in_s = state.settings.max_session_s
        self._watch = watch
        self._outbox, self._said = anyio.create_memory_object_stream[Event | Frames](UNREAD_EVENTS)
        self._session = Session(state.engines, protocol.config(), self._put, state.ways, state.tool_servers)
        self._channels: list[MemoryObjectSendStream[Frames]] = []
        self._over = anyio.Event()
        self.close_code, self.close_reason = 1000, ""

    @property
    def id(self) -> str:
        return self.protocol.session_id

    def join(self, *, greets: bool = True) -> MemoryObjectReceiveStream[Frames]:
        """All frames from now on, to be closed by who takes them. The first to join sets the pace: when it is slow the
        session waits for it, and in the end fails; a later one that is slow is left behind and its stream ends."""
        is_first = not self._channels
        frames_in, frames = anyio.create_memory_object_stream[Frames](0 if is_first else UNREAD_EVENTS)
        self._channels.append(frames_in)
        if greets:
            self._outbox.send_nowait(self.protocol.greet())
        return frames

    async def run(self) -> None:
        """Hold the conversation until ``end``, or until its time is over; then all channels end, and ``close_code`` and
        ``close_reason`` tell why. Ends without an exception."""
        log.info(telemetry.SESSION_STARTED, session=self.id)
        try:
            await self._run()
        except* SlowClient as slow:
            log.warning(telemetry.SESSION_EVICTED, session=self.id, reason="slow_client")
            self.close_code, self.close_reason = POLICY_VIOLATION, _first(slow).message
        except* Exception:
            log.exception(telemetry.SESSION_FAILED, session=self.id)
            self.close_code, self.close_reason = INTERNAL_ERROR, "The server failed in this session."
        finally:
            for channel in self._channels:
                channel.close()
        log.info(telemetry.SESSION_ENDED, session=self.id)

    async def _run(self) -> None:
        # ``_said`` stays open to the end: that the client vanished while the session spoke is no fault of the session.
        with self._said, self._outbox:
            async with anyio.create_task_group() as tg:
                tg.start_soon(self._distribute)
                tg.start_soon(self._session.run)
                with anyio.move_on_after(self._expires_in_s):
                    await self._over.wait()
                if not self._over.is_set():
                    await self._expire()
                tg.cancel_scope.cancel()

    async def _expire(self) -> None:
        self.close_code, self.close_reason = GOING_AWAY, "The session has reached its longest duration."
        minutes = self._expires_in_s / 60
        expired = SessionExpired(f"Your session hit the maximum duration of {minutes:g} minutes.")
        for channel in self._channels:
            with anyio.move_on_after(1):
                await channel.send(self.protocol.tell(expired))

    def end(self) -> None:
        """The conversation is over."""
        self._over.set()

    async def take(self, text: str | None) -> None:
        """One frame of a client, from any channel; None: a binary one."""
        received = self.protocol.receive(text)
        if received.frames:
            # In its turn: what the client said before is answered before.
            self._session.tell(Reached(tell=partial(self._put, received.frames)))
        for event in received.told:
            self._session.tell(event)
        if text is not None and len(text) > LIGHT_CHARS:
            await self._catch_up()
        elif self._session.is_behind:
            await self._session.caught_up()

    def _put(self, said: Event | Frames) -> None:
        try:
            self._outbox.send_nowait(said)
        except anyio.WouldBlock:
            raise SlowClient from None

    async def _catch_up(self) -> None:
        """Of large messages only one is held at a time, however fast they come."""
        reached = anyio.Event()
        self._session.tell(Reached(tell=reached.set))
        await reached.wait()

    async def take_sound(self, pcm: bytes, rate_hz: int) -> None:
        """The client's sound from a transport that carries it by itself: s16le mono."""
        self._session.tell(AppendAudio(pcm=pcm, rate_hz=rate_hz))
        if self._session.is_behind:
            await self._session.caught_up()

    async def _distribute(self) -> None:
        async for event in self._said:
            frames = self._frames(event)
            # All that waits goes together: a conversation that is replayed makes events faster than tasks take turns.
            with suppress(anyio.WouldBlock, anyio.EndOfStream):
                while True:
                    frames += self._frames(self._said.receive_nowait())
            if frames:
                await self._send(frames)

    def _frames(self, event: Event | Frames) -> Frames:
        if isinstance(event, list):
            return event
        self._watch(event)
        return self.protocol.send(event)

    async def _send(self, frames: Frames) -> None:
        for index, channel in enumerate(list(self._channels)):
            try:
                if index == 0:
                    await channel.send(frames)
                else:
                    channel.send_nowait(frames)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.WouldBlock):
                self._leave(channel, is_first=index == 0)

    def _leave(self, channel: MemoryObjectSendStream[Frames], *, is_first: bool) -> None:
        if is_first:
            self.end()
            return
        channel.close()
        self._channels.remove(channel)


def _first(group: BaseExceptionGroup[DuologueError]) -> DuologueError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error

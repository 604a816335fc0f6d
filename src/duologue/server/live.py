"""A conversation on the air: its session, its protocol, and the channels that carry its events."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Protocol

import anyio
import structlog
from msgspec import structs

from duologue import telemetry
from duologue.engines.client import Leased
from duologue.errors import ClientError, DuologueError, SessionExpired, SlowClient
from duologue.events import AppendAudio, Event, Reached, Told
from duologue.protocols.openai_realtime.protocol import Greeting, RealtimeProtocol
from duologue.server.allowance import Allowance
from duologue.server.keeping import Opened
from duologue.server.observe import Watch
from duologue.server.roster import Transport
from duologue.server.state import State
from duologue.server.tape import Tape
from duologue.session.session import Session

log = structlog.get_logger(__name__)

# Up to so much a message is only counted: a second of sound is 64 kB.
LIGHT_BYTES = 64 * 1024
# What a client has not read yet: 25 s of sound. One that is so far behind is not listening.
UNREAD_EVENTS = 256
# Messages other than sound cost the event loop up to 1 ms each: so many at once are a history that is put back, and so
# many a second more than any conversation needs.
MESSAGES_AT_ONCE, MESSAGES_A_SECOND = 500, 100
# Clients read this code of a WebSocket as an end of theirs that is worth connecting anew for (RFC 6455, 7.4.1).
GOING_AWAY, POLICY_VIOLATION, INTERNAL_ERROR = 1001, 1008, 1011

ELSEWHERE = "The conversation goes on elsewhere."

Frames = list[bytes]
Watcher = Callable[[Event], None]


class Channel(Protocol):
    """What carries a conversation's frames to a client, in plain calls that do not wait.

    ``is_full``: what was sent last has not left yet; ``on_room``, if set, is called when there is room again.
    """

    is_full: bool
    on_room: Callable[[], None] | None

    def send_frames(self, frames: Sequence[bytes]) -> bool:
        """Take them, in order. False where too much waits already."""

    def end(self) -> None:
        """Nothing more comes: the conversation is over, or this channel was left behind."""


class Live:
    """One session and whoever takes part in it.

    ``watchers`` are told of each event, in the session's turn and before its frames go out, and must not wait; a
    transport that carries the sound by itself finds it there. ``opened``: which conversation it is; None: nobody's.
    """

    def __init__(
        self,
        state: State,
        protocol: RealtimeProtocol,
        watchers: tuple[Watcher, ...] = (),
        transport: Transport = "websocket",
        opened: Opened | None = None,
    ) -> None:
        self.protocol = protocol
        self._roster, self._transport = state.roster, transport
        self._metrics = state.metrics
        self._counts = Watch(self.id, state.metrics, state.traces, state.engines)
        recorder = None if opened is None else opened.recorder
        kept = () if recorder is None else (recorder.watch,)
        self._watchers: tuple[Watcher, ...] = (self._counts, *kept, *watchers)
        self._expires_in_s = state.settings.max_session_s
        self._engines = Leased(state.engines, self.id)
        ways = structs.replace(state.ways, holds_sound=protocol.holds_sound)
        entries = () if opened is None else opened.entries
        self._session = Session(self._engines, protocol.config(), self._say, ways, state.tool_servers, entries)
        self._tell: Callable[[Told], None] = self._session.tell
        if recorder is not None and state.settings.store_sound:
            tape = recorder.keep_sound(lambda: self._session.now, lambda: self._session.config.turn_detection is None)
            self._watchers = (tape.watch, *self._watchers)
            self._tell = partial(_tell_taped, tape, self._session)
        self._channels: list[Channel] = []
        # What was said while the first channel was full.
        self._unsent: deque[Event | Frames] = deque()
        self._allowance = Allowance(MESSAGES_AT_ONCE, MESSAGES_A_SECOND, asyncio.get_running_loop().time())
        self._over = anyio.Event()
        self._is_silent = self._is_taken_over = False
        self.close_code, self.close_reason = 1000, ""
        self._opened = opened
        if opened is not None:
            protocol.open(opened.id, opened.greeting())
            opened.hold(self._leave_to_another, self._tell_opened)

    @property
    def id(self) -> str:
        return self.protocol.session_id

    def join(self, channel: Channel, *, greets: bool = True) -> None:
        """``channel`` gets all frames from now on. The first to join sets the pace: while it is full what the session
        says waits, and in the end the session fails; a later one that is too slow is left behind."""
        self._channels.append(channel)
        if self._channels[0] is channel:
            channel.on_room = self._send_unsent
        if greets:
            channel.send_frames(self.protocol.greet())

    def leave(self, channel: Channel) -> None:
        """``channel`` gets nothing more."""
        channel.end()
        if channel in self._channels:
            is_first = self._channels[0] is channel
            self._channels.remove(channel)
            if is_first and self._channels:
                self._channels[0].on_room = self._send_unsent
                self._send_unsent()

    async def run(self) -> None:
        """Hold the conversation until ``end``, or until its time is over; then all channels end, and ``close_code`` and
        ``close_reason`` tell why. Ends without an exception."""
        log.info(telemetry.SESSION_STARTED, session=self.id)
        try:
            await self._run()
        except* SlowClient as slow:
            log.warning(telemetry.SESSION_EVICTED, session=self.id, reason="slow_client")
            self._metrics.count(telemetry.CLIENTS_EVICTED)
            self.close_code, self.close_reason = POLICY_VIOLATION, _first(slow).message
        except* Exception:
            log.exception(telemetry.SESSION_FAILED, session=self.id)
            self._metrics.count(telemetry.SESSIONS_FAILED)
            self.close_code, self.close_reason = INTERNAL_ERROR, "The server failed in this session."
        finally:
            self._is_silent = True
            self._engines.release()
            self._unsent.clear()
            self._counts.end()
            for channel in self._channels:
                channel.on_room = None
                channel.end()
        log.info(telemetry.SESSION_ENDED, session=self.id)

    async def _run(self) -> None:
        opened = self._opened
        async with nullcontext() if opened is None else opened.recording(self._session.history):
            await self._hold()

    async def _hold(self) -> None:
        with self._roster.present(self.id, self._transport) as entry:
            self._watchers = (*self._watchers, entry.note)
            async with anyio.create_task_group() as tg:
                tg.start_soon(self._session.run)
                with anyio.move_on_after(self._expires_in_s):
                    await self._over.wait()
                # What a session says while it is being taken down is for nobody.
                self._is_silent = True
                if not self._over.is_set():
                    self._expire()
                elif self._is_taken_over:
                    self._say_last(ClientError(ELSEWHERE, code="conversation_taken_over"))
                tg.cancel_scope.cancel()

    def _expire(self) -> None:
        self.close_code, self.close_reason = GOING_AWAY, "The session has reached its longest duration."
        minutes = self._expires_in_s / 60
        self._say_last(SessionExpired(f"Your session hit the maximum duration of {minutes:g} minutes."))

    def _say_last(self, why: ClientError) -> None:
        for channel in self._channels:
            channel.send_frames(self.protocol.tell(why))

    def _leave_to_another(self) -> None:
        """Over WebRTC a client sees no reason for the end but what it was told."""
        self._is_taken_over = not self._over.is_set()
        self.end(ELSEWHERE)

    def end(self, reason: str = "") -> None:
        """The conversation is over."""
        if not self._over.is_set():
            self.close_reason = reason
        self._over.set()

    # --- in ---------------------------------------------------------------------------------------------------------

    def ask(self, lives: Callable[[], None]) -> None:
        """``lives`` is called when the session's loop turns; never again once the conversation is over."""
        self._session.ask(lives)

    def take(self, message: bytes | str | None, go_on: Callable[[], None]) -> bool:
        """One message of a client, from any channel; None: a binary one. False where the channel is to hold back what
        follows until ``go_on`` is called: the session is behind, the client asks for too much (sound aside, which has a
        pace of its own), or the message was large; of those only one is held at a time, however fast they come."""
        received = self.protocol.receive(message)
        if received.frames:
            # In its turn: what the client said before is answered before.
            self._session.tell(Reached(tell=partial(self._say_next, received.frames)))
        for event in received.told:
            self._tell(event)
        is_large = message is not None and len(message) > LIGHT_BYTES
        if is_large or self._session.is_behind:
            self._session.tell(Reached(tell=partial(_soon, go_on)))
            return False
        if not (received.told and isinstance(received.told[0], AppendAudio)):
            loop = asyncio.get_running_loop()
            if wait_s := self._allowance.spend(loop.time()):
                loop.call_later(wait_s, go_on)
                return False
        return True

    async def take_sound(self, pcm: bytes, rate_hz: int) -> None:
        """The client's sound from a transport that carries it by itself: s16le mono."""
        self._tell(AppendAudio(pcm=pcm, rate_hz=rate_hz))
        if self._session.is_behind:
            await self._session.caught_up()

    def _tell_opened(self, greeting: Greeting) -> None:
        self._session.ask(partial(self._say_next, self.protocol.opened(greeting)))

    # --- out --------------------------------------------------------------------------------------------------------

    def _say(self, event: Event) -> None:
        if self._is_silent:
            return
        for watch in self._watchers:
            watch(event)
        self._say_next(event)

    def _say_next(self, said: Event | Frames) -> None:
        """After all that waits. Raises SlowClient."""
        if not self._unsent and not (self._channels and self._channels[0].is_full):
            self._send(said)
        elif len(self._unsent) < UNREAD_EVENTS:
            self._unsent.append(said)
        else:
            raise SlowClient

    def _send_unsent(self) -> None:
        while self._unsent and not self._channels[0].is_full:
            self._send(self._unsent.popleft())

    def _send(self, said: Event | Frames) -> None:
        frames = said if isinstance(said, list) else self.protocol.send(said)
        if not frames:
            return
        for channel in [channel for channel in self._channels if not channel.send_frames(frames)]:
            self.leave(channel)


def _tell_taped(tape: Tape, session: Session, event: Told) -> None:
    if isinstance(event, AppendAudio):
        tape.take(event.pcm, event.rate_hz)
    session.tell(event)


def _soon(call: Callable[[], None]) -> None:
    """Not at once: a session may be caught up before ``take`` has returned."""
    asyncio.get_running_loop().call_soon(call)


def _first(group: BaseExceptionGroup[DuologueError]) -> DuologueError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error

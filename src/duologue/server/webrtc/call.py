"""One call: a session, and the connection that carries its sound and its events."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import structlog

from duologue.events import Event, PlayoutCleared, PlayoutHeld, PlayoutLowered, PlayoutResumed, ReplyAudio
from duologue.protocols.openai_realtime.protocol import RealtimeProtocol
from duologue.server.keeping import Opened
from duologue.server.live import Live
from duologue.server.state import State
from duologue.server.webrtc.channel import EventChannel
from duologue.server.webrtc.ice import IceServer
from duologue.server.webrtc.microphone import Microphone
from duologue.server.webrtc.peer import answer, make_peer
from duologue.server.webrtc.playback import Playback

log = structlog.get_logger(__name__)

# A connection that is not there after so long will not come.
CONNECT_S = 15.0
# The last events have so long to leave, and a connection to close.
GOODBYE_S, CLOSE_S = 1.0, 5.0


class Call:
    """``answer`` first, then ``run`` until either side ends the call. ``close`` in any case."""

    def __init__(
        self,
        call_id: str,
        state: State,
        protocol: RealtimeProtocol,
        servers: Sequence[IceServer],
        opened: Opened,
        freed: anyio.Event,
    ) -> None:
        """``freed``: set once its place is another's."""
        self.id, self.freed = call_id, freed
        self.is_over = False
        self._state, self._protocol, self._opened = state, protocol, opened
        self._playback = Playback()
        self._microphone = Microphone()
        self._channel = EventChannel()
        self._peer = make_peer(servers, self._playback)
        self._peer.on("datachannel", self._channel.open)
        self._peer.on("connectionstatechange", self._look)
        self._settled = anyio.Event()
        self._gone = anyio.Event()

    async def answer(self, offer: str) -> str:
        """The SDP that answers ``offer``. Raises ClientError for one that cannot be used."""
        sdp = await answer(self._peer, offer, self._microphone)
        self.live = Live(self._state, self._protocol, watchers=(self._watch,), transport="webrtc", opened=self._opened)
        return sdp

    def hang_up(self) -> None:
        self.live.end()

    async def run(self) -> None:
        """Hold the conversation. Ends with it, or when the other side is gone."""
        self.live.join(self._channel)
        self._channel.listen(self.live)
        async with anyio.create_task_group() as tg:
            tg.start_soon(self._microphone.run, self.live.take_sound)
            tg.start_soon(self._end_when_gone)
            tg.start_soon(self._end_when_closed)
            await self.live.run()
            self.is_over = True
            with anyio.move_on_after(GOODBYE_S):
                await self._channel.drain()
            tg.cancel_scope.cancel()

    async def close(self) -> None:
        """Free all that the connection holds, whatever state it is in."""
        self._playback.stop()
        with anyio.move_on_after(CLOSE_S, shield=True) as limit:
            await self._peer.close()
        if limit.cancelled_caught:
            log.warning("The connection did not close in time.", call=self.id)

    def _watch(self, event: Event) -> None:
        match event:
            case ReplyAudio():
                self._playback.say(event.pcm, event.reply_id)
            case PlayoutCleared():
                self._playback.hush(event.reply_id)
            case PlayoutLowered():
                self._playback.lower(event.reply_id, event.gain)
            case PlayoutHeld():
                self._playback.hold(event.reply_id)
            case PlayoutResumed():
                self._playback.resume(event.reply_id)

    def _look(self) -> None:
        if self._peer.connectionState in ("failed", "closed"):
            self._gone.set()
        if self._gone.is_set() or self._peer.connectionState == "connected":
            self._settled.set()

    async def _end_when_gone(self) -> None:
        with anyio.move_on_after(CONNECT_S):
            await self._settled.wait()
        if self._settled.is_set():
            await self._gone.wait()
        else:
            log.info("The connection did not come up.", call=self.id)
        self.live.end()

    async def _end_when_closed(self) -> None:
        await self._channel.closed.wait()
        self.live.end()

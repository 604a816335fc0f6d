"""A phone connected with the server's half of the media, without a session; and how long a sound takes over it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
import numpy as np
from aiortc.jitterbuffer import JitterBuffer
from aiortc.mediastreams import MediaStreamError

from duologue.server.webrtc.microphone import Microphone
from duologue.server.webrtc.peer import _BUFFER, answer, make_peer
from duologue.server.webrtc.playback import Playback
from tests.server.serving import until
from tests.server.webrtc.phone import Ear, Phone, listening, silence, voice


class Line:
    """A phone connected with the server's half of the media, without a session."""

    def __init__(self) -> None:
        self.phone, self.ear = Phone(), Ear()
        self.playback, self.microphone = Playback(), Microphone()

    async def connect(self) -> None:
        """The connection is up."""
        self.peer = make_peer([], self.playback)
        await self.phone.accept(await answer(self.peer, await self.phone.offer(), self.microphone))
        await until(lambda: self.peer.connectionState == "connected" == self.phone.peer.connectionState)

    async def hear(self) -> None:
        await self.microphone.run(self.ear.take)

    async def hear_as_aiortc_does(self) -> None:
        """Through the buffer and the decoder that aiortc has, as they come."""
        receiver = self.peer.getReceivers()[0]
        setattr(receiver, _BUFFER, JitterBuffer(capacity=16, prefetch=4))
        with suppress(MediaStreamError):
            while True:
                frame = await receiver.track.recv()
                await self.ear.take(frame.to_ndarray()[0, ::2].tobytes(), frame.sample_rate)


@asynccontextmanager
async def connected(*, mended: bool = True) -> AsyncIterator[Line]:
    line = Line()
    async with anyio.create_task_group() as tg:
        await line.connect()
        tg.start_soon(line.hear if mended else line.hear_as_aiortc_does)
        async with listening(line.phone):
            yield line
        await line.peer.close()
        tg.cancel_scope.cancel()


async def delays_s(line: Line, sounds: int) -> list[float]:
    """Of each of so many short sounds: from the caller's track until the session would hear it. Infinite for one that
    was not heard."""
    delays: list[float] = []
    for _ in range(sounds):
        sent = len(line.phone.voice.left_s)
        line.phone.voice.say(np.concatenate([voice(0.08), silence(0.08)]))
        await until(lambda: line.phone.voice.is_done)
        left_s = line.phone.voice.left_s[sent]
        with anyio.move_on_after(2):
            await until(lambda left_s=left_s: any(at_s > left_s for at_s in line.ear.loud_s()))  # type: ignore[misc]
        delays.append(min((at_s for at_s in line.ear.loud_s() if at_s > left_s), default=math.inf) - left_s)
        await until(lambda: not line.ear.is_sounding)
    return delays

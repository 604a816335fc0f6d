"""Sound for the listener, a packet of 20 ms at a time, for as long as the call lasts."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import anyio
import numpy as np
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import Packet
from numpy.typing import NDArray

from duologue.audio.frame import VOICE_RATE_HZ
from duologue.server.webrtc.ahead import Ahead
from duologue.server.webrtc.opus import CLOCK_HZ, FRAME_MS, FRAME_SAMPLES, FRAME_TICKS, Encoder

FRAME_S = FRAME_MS / 1000
FRAME_BYTES = 2 * FRAME_SAMPLES
# This loop may be late by so much and catch up with a burst; later, the time is skipped instead, since every packet of
# a burst would stay in the listener's buffer as delay.
MAX_BURST_S = 0.1


class Playback(MediaStreamTrack):
    """The outgoing track. Packets are coded here, so that aiortc only sends them."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._ahead = Ahead()
        self._encoder: Encoder | None = Encoder()
        self._start_s: float | None = None
        self._frames = 0

    @property
    def ahead_ms(self) -> int:
        """How much has not been sent yet."""
        return self._ahead.length_bytes // 2 * 1000 // VOICE_RATE_HZ

    def say(self, pcm: bytes, reply_id: str = "") -> None:
        """``pcm``: s16le mono at 24 kHz, to be played behind what is there."""
        self._ahead.say(pcm, reply_id)

    def hush(self, reply_id: str = "") -> None:
        """Play nothing of what is there of ``reply_id`` but, of what sounds, a short fade."""
        self._ahead.hush(reply_id)

    def lower(self, reply_id: str, gain: float) -> None:
        """From the next packet on, play ``reply_id`` (or go on with it) lower: its samples times ``gain``."""
        self._ahead.lower(reply_id, gain)

    def hold(self, reply_id: str) -> None:
        """From the next packet on, send silence in place of ``reply_id``, and keep all that is there of it."""
        self._ahead.hold(reply_id)

    def resume(self, reply_id: str) -> None:
        """Go on with ``reply_id`` from the sample that it was held at, as loud as ever."""
        self._ahead.resume(reply_id)

    async def recv(self) -> Packet[Any]:
        """The next packet, when it is due. Raises MediaStreamError after ``stop``."""
        if self.readyState != "live":
            raise MediaStreamError
        await self._wait()
        if self._encoder is None:
            raise MediaStreamError
        samples = self._take()
        packet = Packet(self._encoder.silence() if samples is None else self._encoder.encode(samples))
        packet.pts = self._frames * FRAME_TICKS
        packet.time_base = Fraction(1, CLOCK_HZ)
        return packet

    def stop(self) -> None:
        """For good. PyAV's encoder has threads, which would stay until Python looks for rings of objects."""
        super().stop()
        self._encoder = None

    async def _wait(self) -> None:
        """Until the next packet is due, by the time of the first: no error adds up."""
        now_s = anyio.current_time()
        if self._start_s is None:
            self._start_s = now_s
        self._frames += 1
        late_s = now_s - self._start_s - self._frames * FRAME_S
        if late_s > MAX_BURST_S:
            self._frames += int(late_s / FRAME_S)
        await anyio.sleep(max(0.0, self._start_s + self._frames * FRAME_S - now_s))

    def _take(self) -> NDArray[np.int16] | None:
        pcm = self._ahead.take(FRAME_BYTES)
        return np.frombuffer(pcm.ljust(FRAME_BYTES, b"\0"), dtype="<i2") if pcm else None

"""The caller's sound: from packets to samples for the session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio

from duologue.server.webrtc.jitter import JitterBuffer
from duologue.server.webrtc.opus import CLOCK_HZ, Decoder, packet_samples

if TYPE_CHECKING:
    from aiortc.rtp import RtpPacket

# 5 s of packets: more wait only for a session that takes nothing, and then they are no use to it.
WAITING_PACKETS = 256
# Another source takes the place of one that has been silent for so long; until then its packets are not mixed in.
SOURCE_GONE_S = 1.0


class Microphone:
    """Stands where aiortc's receiver has its jitter buffer, takes every packet, and gives none back.

    So aiortc keeps its reports and does nothing else: no decoding thread is busy, no queue of a track grows.
    """

    def __init__(self) -> None:
        self._arrived, self._packets = anyio.create_memory_object_stream[tuple[float, "RtpPacket"]](WAITING_PACKETS)
        self._source: int | None = None
        self._heard_s = 0.0
        self.buffer = JitterBuffer()

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """aiortc's call for each packet; the answer means: no key frame wanted, no frame complete."""
        now_s = anyio.current_time()
        if packet.ssrc != self._source:
            if self._source is not None and now_s - self._heard_s < SOURCE_GONE_S:
                return False, None
            self._source = packet.ssrc
        self._heard_s = now_s
        try:
            self._arrived.send_nowait((now_s, packet))
        except (anyio.WouldBlock, anyio.BrokenResourceError):
            self.buffer.lost += 1
        return False, None

    async def run(self, take_sound: Callable[[bytes, int], Awaitable[None]]) -> None:
        """Give ``take_sound`` all that is heard, s16le mono, and its rate in Hz. Runs until cancelled."""
        decoder, source = Decoder(), self._source
        with self._packets, self._arrived:
            while True:
                arrived = await self._next()
                if arrived is None:
                    pieces = self.buffer.poll(anyio.current_time())
                else:
                    now_s, packet = arrived
                    if packet.ssrc != source:
                        decoder, source = Decoder(), packet.ssrc
                        self.buffer.begin_anew()
                    samples = packet_samples(packet.payload)
                    pieces = self.buffer.push(packet.sequence_number, packet.timestamp, packet.payload, samples, now_s)
                pcm = b"".join(decoder.decode(piece) for piece in pieces)
                if pcm:
                    await take_sound(pcm, CLOCK_HZ)

    async def _next(self) -> tuple[float, RtpPacket] | None:
        """The next packet; None when the buffer has something to do before one comes."""
        deadline_s = self.buffer.deadline_s
        if deadline_s is None:
            return await self._packets.receive()
        with anyio.move_on_after(deadline_s - anyio.current_time()):
            return await self._packets.receive()
        return None

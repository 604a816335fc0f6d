"""The caller's sound: from packets to samples for the session."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio

from duologue.server.webrtc.jitter import JitterBuffer, Piece
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
        self._packets: deque[tuple[float, RtpPacket]] = deque(maxlen=WAITING_PACKETS)
        self._arrived = anyio.Event()
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
        self._packets.append((now_s, packet))
        self._arrived.set()
        return False, None

    async def run(self, take_sound: Callable[[bytes, int], Awaitable[None]]) -> None:
        """Give ``take_sound`` all that is heard, s16le mono, and its rate in Hz. Runs until cancelled."""
        decoder, source = Decoder(), self._source
        while True:
            await self._wait()
            pcm = bytearray()
            while self._packets:
                now_s, packet = self._packets.popleft()
                if packet.ssrc != source:
                    decoder, source = Decoder(), packet.ssrc
                    self.buffer.begin_anew()
                pcm += decoder.decode_all(self._push(packet, now_s))
            pcm += decoder.decode_all(self.buffer.poll(anyio.current_time()))
            if pcm:
                await take_sound(bytes(pcm), CLOCK_HZ)

    def _push(self, packet: RtpPacket, now_s: float) -> list[Piece]:
        samples = packet_samples(packet.payload)
        return self.buffer.push(packet.sequence_number, packet.timestamp, packet.payload, samples, now_s)

    async def _wait(self) -> None:
        """Until a packet has come, or the buffer has something to do without one."""
        if self._packets:
            return
        self._arrived = anyio.Event()
        deadline_s = self.buffer.deadline_s
        with anyio.CancelScope(deadline=math.inf if deadline_s is None else deadline_s):
            await self._arrived.wait()

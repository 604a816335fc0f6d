"""Opus as WebRTC sends it (RFC 6716, RFC 7587), coded by the libopus that comes with PyAV."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av import AudioFrame, CodecContext, Packet
from numpy.typing import NDArray

from duologue.audio.frame import VOICE_RATE_HZ
from duologue.server.webrtc.jitter import Encoded, Lost, Piece, Silence

CLOCK_HZ = 48_000
FRAME_MS = 20
FRAME_SAMPLES = VOICE_RATE_HZ * FRAME_MS // 1000
FRAME_TICKS = CLOCK_HZ * FRAME_MS // 1000
BIT_RATE = 32_000
# Concealment by libopus fades within about so much; silence after it.
CONCEALED_SAMPLES = CLOCK_HZ * 120 // 1000
# After so many silent frames the coder's own decay is over, and every further one is coded like the last.
DECAY_FRAMES = 10
MAX_PACKET_SAMPLES = CLOCK_HZ * 120 // 1000
_SILK_MS, _HYBRID_MS, _CELT_MS = (10, 20, 40, 60), (10, 20), (2.5, 5, 10, 20)


def packet_samples(payload: bytes) -> int:
    """How much sound a packet holds, in samples at 48 kHz; 0 for what is no Opus packet (RFC 6716, section 3.1)."""
    if not payload:
        return 0
    config, code = payload[0] >> 3, payload[0] & 3
    if config < 12:
        frame_ms: float = _SILK_MS[config % 4]
    elif config < 16:
        frame_ms = _HYBRID_MS[config % 2]
    else:
        frame_ms = _CELT_MS[config % 4]
    frames = (1, 2, 2)[code] if code < 3 else payload[1] & 63 if len(payload) > 1 else 0
    samples = int(frames * frame_ms * CLOCK_HZ / 1000)
    return samples if samples <= MAX_PACKET_SAMPLES else 0


class Decoder:
    """One stream of packets, in order, to s16le mono at 48 kHz."""

    def __init__(self) -> None:
        self._codec = CodecContext.create("libopus", "r")
        self._codec.format = "s16"
        self._codec.layout = "mono"
        self._codec.sample_rate = CLOCK_HZ
        self._last_config = 0

    def decode_all(self, pieces: list[Piece]) -> bytes:
        return b"".join(self.decode(piece) for piece in pieces)

    def decode(self, piece: Piece) -> bytes:
        """A packet that cannot be decoded is concealed like a lost one."""
        match piece:
            case Silence(samples):
                return bytes(2 * samples)
            case Lost(samples):
                return self._conceal(samples)
            case Encoded(payload):
                self._last_config = payload[0] & 0b11111000
                return self._decoded(payload) or self._conceal(packet_samples(payload))

    def _conceal(self, samples: int) -> bytes:
        """A frame without a byte is a lost one to the decoder (RFC 6716, section 4.4), which then continues the sound
        by itself: better than a repetition, since it keeps the pitch and fades."""
        lost = bytes([self._last_config])
        concealed = bytearray()
        while self._last_config and len(concealed) < 2 * min(samples, CONCEALED_SAMPLES):
            sound = self._decoded(lost)
            if not sound:
                break
            concealed += sound
        return bytes(concealed[: 2 * samples].ljust(2 * samples, b"\0"))

    def _decoded(self, payload: bytes) -> bytes:
        try:
            frames = self._codec.decode(Packet(payload))
        except av.FFmpegError:
            return b""
        return b"".join(frame.to_ndarray().tobytes() for frame in frames)


class Encoder:
    """Speech at 24 kHz, as it is made, to packets of 20 ms: mono, 32 kbit/s, with in-band error correction.

    libopus takes 24 kHz itself, so nothing is resampled.
    """

    def __init__(self) -> None:
        self._codec = CodecContext.create("libopus", "w")
        self._codec.bit_rate = BIT_RATE
        self._codec.format = "s16"
        self._codec.layout = "mono"
        self._codec.sample_rate = VOICE_RATE_HZ
        self._codec.time_base = Fraction(1, VOICE_RATE_HZ)
        self._codec.options = {"application": "voip", "fec": "1", "packet_loss": "5"}
        self._silent_frames = 0
        self._last = b""

    def encode(self, samples: NDArray[np.int16]) -> bytes:
        """``samples``: int16 [480] -> one packet."""
        self._silent_frames = 0
        return self._encoded(samples)

    def silence(self) -> bytes:
        """20 ms of silence; not coded anew each time, which saves most of a listening call's work."""
        self._silent_frames += 1
        if self._silent_frames <= DECAY_FRAMES:
            self._last = self._encoded(np.zeros(FRAME_SAMPLES, dtype=np.int16))
        return self._last

    def _encoded(self, samples: NDArray[np.int16]) -> bytes:
        frame = AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = VOICE_RATE_HZ
        return b"".join(bytes(packet) for packet in self._codec.encode(frame))

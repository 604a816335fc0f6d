"""A client's sound as it comes -> samples on the session's clock, as far back as somebody may ask for them.

Bytes are only decoded when somebody wants to hear them, in one go: of the 10 us that a frame of 20 ms costs on its
way through soxr 6 are the call, and sound that is too quiet to be speech is mostly never asked for.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache

import numpy as np

from duologue.audio.buffer import AudioBuffer
from duologue.audio.codec import Pcm16Decoder
from duologue.audio.frame import SESSION_RATE_HZ, VOICE_RATE_HZ, Float32, to_float
from duologue.audio.resample import Resampler


def peak(pcm: bytes) -> int:
    """The largest level in s16le sound, 0 to 32768. 0.1 us for digital silence, 3 us for 20 ms of anything else."""
    if pcm == _silence(len(pcm)) or len(pcm) < 2:
        return 0
    samples = np.frombuffer(pcm, "<i2", len(pcm) >> 1)
    return int(max(np.maximum.reduce(samples), -int(np.minimum.reduce(samples))))


@lru_cache(maxsize=16)
def _silence(length: int) -> bytes:
    return bytes(length)


class Intake:
    """``now`` is the session's clock: how many samples have come since it began, decoded or not. ``rate_hz``: of the
    bytes that come."""

    def __init__(self) -> None:
        self.rate_hz = VOICE_RATE_HZ
        self.now = 0
        self._decoder = Pcm16Decoder()
        self._resampler: Resampler | None = None
        self._buffer = AudioBuffer()
        self._raw: deque[bytes] = deque()
        self._raw_samples = 0
        # The stretch that is resampled as one: where it began on the clock, and how much has come of it, as it came.
        self._base = 0
        self._came = 0

    @property
    def start(self) -> int:
        """The first sample that can still be had."""
        return self._buffer.start

    @property
    def end(self) -> int:
        """The sample after the last that is decoded."""
        return self._buffer.end

    @property
    def raw_bytes(self) -> int:
        """What has come and is not decoded yet."""
        return 2 * self._raw_samples

    def append(self, pcm: bytes) -> None:
        """s16le mono at ``rate_hz``, any length; an odd byte waits for its other half."""
        pcm = self._decoder.whole(pcm)
        if not pcm:
            return
        # Most silence is digital, and a server of many holds much of it.
        silence = _silence(len(pcm))
        self._raw.append(silence if pcm == silence else pcm)
        self._raw_samples += len(pcm) >> 1
        self._came += len(pcm) >> 1
        self.now = self._moment(self._came)

    def digest(self) -> None:
        """Decode all that has come. ``end`` stays a few milliseconds behind ``now``: see ``Resampler``."""
        if not self._raw:
            return
        pcm = self._raw[0] if len(self._raw) == 1 else b"".join(self._raw)
        self._raw.clear()
        self._raw_samples = 0
        if self._resampler is None:
            self._resampler = Resampler(self.rate_hz, SESSION_RATE_HZ)
        self._buffer.push(self._resampler.push(to_float(np.frombuffer(pcm, "<i2"))))

    def flush(self) -> None:
        """All that has come is had, what the resampler held back included: ``end`` is ``now``."""
        self.digest()
        if self._resampler is not None:
            self._buffer.push(self._resampler.flush())
            self._resampler = None
        # The resampler rounds by itself; the clock does not go back.
        self._buffer.push(np.zeros(max(0, self.now - self.end), np.float32))
        self._base = self.now = self._buffer.end
        self._came = 0

    def change_rate(self, rate_hz: int) -> None:
        """What comes from now on has another rate."""
        if rate_hz != self.rate_hz:
            self.flush()
            self.rate_hz = rate_hz

    def slice(self, start: int, end: int) -> Float32:
        """float32 [n] at 16 kHz between two moments, as far as it is kept. Not to be written to."""
        if end > self._buffer.end:
            self.digest()
        return self._buffer.slice(start, end)

    def drop_before(self, sample: int) -> None:
        """Nothing before ``sample`` will be asked for. What has come in one piece is forgotten in one piece."""
        self._buffer.drop_before(sample)
        if sample <= self._buffer.end or not self._raw:
            return
        kept, samples = self._raw_samples, 0
        while self._raw and self._moment(self._came - kept + (samples := len(self._raw[0]) >> 1)) <= sample:
            self._raw.popleft()
            kept -= samples
        if kept < self._raw_samples:
            self._raw_samples = kept
            self._resampler = None
            self._buffer.skip_to(self._moment(self._came - kept))

    def _moment(self, came: int) -> int:
        return self._base + came * SESSION_RATE_HZ // self.rate_hz

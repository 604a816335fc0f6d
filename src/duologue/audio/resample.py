"""One stream of samples from one rate to another, as it arrives."""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple, Protocol

import numpy as np
import soxr

from duologue.audio.frame import Float32

# Of simple ratios all that an output is made of fits a small matrix; others (44.1 kHz) are for soxr.
MOST_PHASES = 3
# What is kept of the band below the lower rate's limit, and where what lies above is gone.
PASS, STOP = 0.875, 1.025
STOP_DB = 70.0
# Outputs are made so many groups at a time, by one product of matrices: more waste arithmetic on zeros, fewer take
# longer in calls.
GROUPS = 16


class _Stream(Protocol):
    def push(self, samples: Float32) -> Float32: ...

    def flush(self) -> Float32: ...


class Resampler:
    """float32 mono at ``from_hz`` -> float32 mono at ``to_hz``, in pieces of any size.

    From 24 kHz to 16 it holds back 1.9 ms, and keeps nothing but them. soxr, which other ratios go through, holds back
    2.5-20 ms at its quality LQ, in bursts, takes 170 kB, and has lost 10 dB at 6.9 kHz; HQ would hold back 21-37 ms,
    which every answer would be late by.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        step = math.gcd(from_hz, to_hz)
        up, down = to_hz // step, from_hz // step
        self._stream: _Stream | None
        if up == down:
            self._stream = None
        elif max(up, down) <= MOST_PHASES:
            self._stream = _Polyphase(_filter(up, down))
        else:
            self._stream = _Soxr(from_hz, to_hz)

    def push(self, samples: Float32) -> Float32:
        """What can be said of the stream so far. float32 [m]; m may be 0."""
        if self._stream is None or not len(samples):
            return samples
        return self._stream.push(samples)

    def flush(self) -> Float32:
        """What was held back, at the end of the stream. float32 [m]."""
        return np.zeros(0, np.float32) if self._stream is None else self._stream.flush()


class _Filter(NamedTuple):
    """A group of ``up`` outputs is made of ``span`` inputs, the next one of those that begin ``down`` later; ``before``
    of the first group's lie before the stream. ``matrix``: [span + (GROUPS - 1) * down, GROUPS * up]."""

    up: int
    down: int
    span: int
    before: int
    matrix: Float32


@cache
def _filter(up: int, down: int) -> _Filter:
    """A windowed sinc with Kaiser's window and his estimates of its length and shape ("Nonrecursive digital filter
    design using the I0-sinh window function", 1974), at ``up`` times the rate of the input, where the limit of the
    lower rate is 1 / (2 max(up, down)) of a cycle a sample."""
    limit = 0.5 / max(up, down)
    half = math.ceil((STOP_DB - 7.95) / (14.36 * (STOP - PASS) * limit) / 2 / up) * up
    at = np.arange(-half, half + 1)
    cutoff = limit * (PASS + STOP) / 2
    taps = 2 * cutoff * np.sinc(2 * cutoff * at) * np.kaiser(len(at), 0.1102 * (STOP_DB - 8.7))
    taps *= up / taps.sum()
    before = half // up
    last = ((up - 1) * down + half) // up
    span = before + 1 + last
    matrix = np.zeros((span + (GROUPS - 1) * down, GROUPS * up), np.float32)
    for output in range(GROUPS * up):
        for source in range(len(matrix)):
            # Output k lies at k * down on the finer grid, input n of the stream at n * up.
            tap = output * down - (source - before) * up
            if -half <= tap <= half:
                matrix[source, output] = taps[tap + half]
    return _Filter(up, down, span, before, matrix)


class _Polyphase:
    """A filter of finite length, at the outputs that are wanted (Crochiere and Rabiner, "Multirate digital signal
    processing", 1983): a row of inputs times a matrix is a row of outputs."""

    def __init__(self, filter_: _Filter) -> None:
        self._filter = filter_
        self._kept: Float32 = np.zeros(filter_.before, np.float32)
        self._came = self._made = 0

    def push(self, samples: Float32) -> Float32:
        self._came += len(samples)
        return self._make(samples)

    def flush(self) -> Float32:
        up, down, span, _, _ = self._filter
        left = -(-self._came * up // down) - self._made
        return self._make(np.zeros(span + down, np.float32))[:left]

    def _make(self, samples: Float32) -> Float32:
        up, down, span, _, matrix = self._filter
        kept, count = len(self._kept), len(self._kept) + len(samples)
        groups = max(0, (count - span) // down + 1)
        rows, width, hop = -(-groups // GROUPS), len(matrix), GROUPS * down
        heard = np.zeros(max(count, (rows - 1) * hop + width), np.float32)
        heard[:kept] = self._kept
        heard[kept:count] = samples
        self._kept = heard[groups * down : count].copy()
        self._made += groups * up
        # Rows that overlap, each copied out: the product is quick on what lies side by side.
        inputs = np.ndarray((rows, width), np.float32, heard, 0, (4 * hop, 4)).copy()
        result: Float32 = (inputs @ matrix).reshape(-1)[: groups * up]
        return result


class _Soxr:
    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="LQ")

    def push(self, samples: Float32) -> Float32:
        return np.asarray(self._stream.resample_chunk(samples), dtype=np.float32)

    def flush(self) -> Float32:
        return np.asarray(self._stream.resample_chunk(np.zeros(0, np.float32), last=True), dtype=np.float32)

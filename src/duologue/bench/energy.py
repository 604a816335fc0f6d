"""Where speech begins, pauses and ends in a recording, and where an answer becomes audible. Levels only, no model.

The rule for recordings: RMS over 10 ms. The threshold lies 30 dB under the 95th percentile of the levels, but at
least 8 dB over the 10th (the room; 15 dB under the 95th at most) and never under -60 dBFS. Speech begins and ends
with the first and last run of 30 ms above it; shorter runs are clicks. A pause is 200 ms or more below it in
between. On 78 clips of the test audio the end differs from the manifest's by 10 ms in the median, 60 ms at the
ninetieth percentile.

The rule for answers: an answer is audible from the first block of 5 ms with an RMS of -45 dBFS or more.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from duologue.audio.frame import VOICE_RATE_HZ, Float32, Int16, to_float

BLOCK_S = 0.01
UNDER_LOUD_DB = 30.0
OVER_ROOM_DB = 8.0
LOWEST_THRESHOLD_DBFS = -60.0
SHORTEST_RUN_S = 0.03
SHORTEST_PAUSE_S = 0.2
AUDIBLE_DBFS = -45.0
AUDIBLE_BLOCK_SAMPLES = VOICE_RATE_HZ * 5 // 1000

_SILENCE_DBFS = -120.0


def levels_dbfs(pcm: Int16, block_samples: int) -> Float32:
    """RMS level of each whole block: float32 [n // block_samples]; silence is -120."""
    whole = to_float(pcm[: len(pcm) // block_samples * block_samples]).reshape(-1, block_samples)
    rms = np.sqrt(np.mean(np.square(whole), axis=1))
    return np.asarray(20 * np.log10(np.maximum(rms, 10 ** (_SILENCE_DBFS / 20))), dtype=np.float32)


def speech_runs(pcm: Int16) -> list[tuple[float, float]]:
    """Stretches of sound in seconds, in order: 24 kHz int16 [n] in, [(start_s, end_s), ...] out."""
    levels = levels_dbfs(pcm, int(VOICE_RATE_HZ * BLOCK_S))
    if not len(levels) or float(levels.max()) <= LOWEST_THRESHOLD_DBFS:
        return []
    loud, room = float(np.percentile(levels, 95)), float(np.percentile(levels, 10))
    # In a clip without silence the 10th percentile is speech itself.
    over_room = min(room + OVER_ROOM_DB, loud - UNDER_LOUD_DB / 2)
    is_sound = (levels > max(loud - UNDER_LOUD_DB, over_room, LOWEST_THRESHOLD_DBFS)).astype(np.int8)
    edges = np.flatnonzero(np.diff(np.pad(is_sound, 1)))
    runs = [(float(a) * BLOCK_S, float(b) * BLOCK_S) for a, b in edges.reshape(-1, 2)]
    return [(a, b) for a, b in runs if b - a >= SHORTEST_RUN_S - 1e-9]


def speech_span(pcm: Int16) -> tuple[float, float] | None:
    """(start_s, end_s) of the speech in a recording, or None for silence."""
    runs = speech_runs(pcm)
    return (runs[0][0], runs[-1][1]) if runs else None


def inner_pauses(pcm: Int16, start_s: float, end_s: float) -> tuple[tuple[float, float], ...]:
    """Pauses of 200 ms or more between ``start_s`` and ``end_s``: ((start_s, end_s), ...)."""
    runs = [run for run in speech_runs(pcm) if run[1] > start_s and run[0] < end_s]
    gaps = [(before[1], after[0]) for before, after in pairwise(runs)]
    return tuple((a, b) for a, b in gaps if b - a >= SHORTEST_PAUSE_S - 1e-9)


class AudibleFinder:
    """Looks for the first audible block of one answer that comes in pieces."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, dtype=np.int16)
        self.is_found = False

    def feed(self, pcm: Int16) -> int | None:
        """Where the answer becomes audible, in samples from the start of ``pcm`` (negative: in an earlier
        piece's last, unfinished block), or None: not in this piece, or found before."""
        if self.is_found:
            return None
        joined = np.concatenate((self._rest, pcm))
        loud = np.flatnonzero(levels_dbfs(joined, AUDIBLE_BLOCK_SAMPLES) >= AUDIBLE_DBFS)
        if len(loud):
            self.is_found = True
            return int(loud[0]) * AUDIBLE_BLOCK_SAMPLES - len(self._rest)
        self._rest = joined[len(joined) // AUDIBLE_BLOCK_SAMPLES * AUDIBLE_BLOCK_SAMPLES :]
        return None

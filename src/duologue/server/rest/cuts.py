"""Where a long recording is cut, so that each piece is one that a transcriber takes and no word is cut through.

Pure: voice activity in, stretches of speech out. The longer a stretch already is, the shorter a pause will do; after
30 s without one it is cut all the same, where a voice is least to be heard. What is silent is left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import numpy as np

from duologue.audio.buffer import AudioBuffer
from duologue.audio.frame import SESSION_RATE_HZ, Float32, ms_to_samples
from duologue.engines.base import VAD_WINDOW_SAMPLES
from duologue.session.vad import Onset, Pause, SpeechGate

LONGEST_SAMPLES = 30 * SESSION_RATE_HZ
# Below the 0.5 of conversations: a word missed in a file is worse than a noise shown to the transcriber.
THRESHOLD = 0.4
# (so much of a stretch is there, a pause of so much ends it), in ms.
_LADDER = ((20_000, 200), (10_000, 400), (4_000, 700))
# A pause of this length always ends a stretch: what comes next is another matter.
_LONG_PAUSE = ms_to_samples(2_000)
# What is kept before the first voice and behind the last: weak beginnings and ends that the detector misses.
_MARGIN = ms_to_samples(300)
# Of the pauses of a stretch that is too long, those after its first third are preferred.
_PAUSE_FROM = 10 * SESSION_RATE_HZ
# A stretch without a pause is cut in its last third.
_HARD_CUT_FROM = 20 * SESSION_RATE_HZ

Span = tuple[int, int]


class Stretch(msgspec.Struct, frozen=True, eq=False):
    """A piece to transcribe. ``start``: its first sample in the recording; ``audio``: float32 [n] at 16 kHz, at most
    30 s; ``voiced``: where in ``audio`` a voice is, as samples from its start, in order."""

    start: int
    audio: Float32
    voiced: tuple[Span, ...]

    @property
    def end(self) -> int:
        """The sample after the last."""
        return self.start + len(self.audio)

    @property
    def voice_s(self) -> float:
        """How long somebody speaks in it."""
        return sum(end - start for start, end in self.voiced) / SESSION_RATE_HZ


@dataclass
class _Open:
    """The stretch that is being gathered; samples of the recording. ``begin``: nothing before it is taken."""

    begin: int = 0
    voiced: list[Span] = field(default_factory=list)

    @property
    def first(self) -> int:
        """Where its sound will begin."""
        return max(self.begin, self.voiced[0][0] - _MARGIN)


class Cutter:
    """Windows of sound with their probabilities of speech -> stretches, as soon as each is known."""

    def __init__(self) -> None:
        self._gate = SpeechGate(THRESHOLD)
        self._sound = AudioBuffer()
        self._open = _Open()
        # Where the voice that is heard now began.
        self._onset: int | None = None
        self._probs: list[float] = []
        self._probs_from = 0

    @property
    def position(self) -> int:
        """How many samples have come."""
        return self._sound.end

    def push(self, windows: Float32, probs: Float32) -> list[Stretch]:
        """``windows``: float32 [n, 512]; ``probs``: float32 [n], one a window."""
        stretches: list[Stretch] = []
        for window, prob in zip(windows, probs, strict=True):
            self._sound.push(window)
            self._probs.append(float(prob))
            stretches += self._step(float(prob))
        self._forget()
        return stretches

    def flush(self, end: int) -> list[Stretch]:
        """The rest, when the recording is over. ``end``: its length; the last window may be filled up beyond it."""
        if self._onset is not None:
            self._close_voice(self._gate.loud_until)
        if not self._open.voiced or self._open.voiced[0][0] >= end:
            return []
        return [self._take(end, end)]

    def _step(self, prob: float) -> Iterator[Stretch]:
        match self._gate.push(prob, self.position):
            case Onset(at):
                if self._open.voiced and self._ends_here(at - self._open.voiced[-1][1]):
                    yield self._cut_in(self._open.voiced[-1][1], at)
                self._onset = max(at, self._open.begin)
            case Pause(at):
                self._close_voice(at)
        if self._open.voiced and self._onset is None:
            quiet_from = self._open.voiced[-1][1]
            if self.position - quiet_from >= _LONG_PAUSE:
                yield self._cut_in(quiet_from, self.position)
        first = self._first()
        if first is not None and self.position - first >= LONGEST_SAMPLES - VAD_WINDOW_SAMPLES:
            yield self._cut_back(first)

    def _first(self) -> int | None:
        """Where the sound of the open stretch begins; None while nothing was said."""
        if self._open.voiced:
            return self._open.first
        return None if self._onset is None else max(self._open.begin, self._onset - _MARGIN)

    def _close_voice(self, at: int) -> None:
        if self._onset is not None and at > self._onset:
            self._open.voiced.append((self._onset, at))
        self._onset = None

    def _ends_here(self, pause: int) -> bool:
        length = self._open.voiced[-1][1] - self._open.first
        wanted = (ms for ladder_ms, ms in _LADDER if length >= ms_to_samples(ladder_ms))
        return pause >= min((ms_to_samples(ms) for ms in wanted), default=_LONG_PAUSE)

    def _cut_in(self, quiet_from: int, quiet_to: int) -> Stretch:
        """Cut in the middle of a pause."""
        middle = (quiet_from + quiet_to) // 2
        return self._take(middle, middle)

    def _cut_back(self, first: int) -> Stretch:
        """The stretch is as long as it may be: cut in its longest pause, or else where a voice is least heard."""
        if self._onset is not None:
            # The voice goes on, in the next stretch too.
            self._open.voiced.append((self._onset, self.position))
            self._onset = self.position
        pauses = self._pauses()
        late = [pause for pause in pauses if pause[1] >= first + _PAUSE_FROM]
        cut = max(late or pauses)[1] if pauses else self._quietest(first + _HARD_CUT_FROM)
        return self._take(cut, cut)

    def _pauses(self) -> list[tuple[int, int]]:
        """(length, middle) of each pause of the open stretch, that at its end included."""
        edges = [*self._open.voiced, (self.position, self.position)]
        pairs = ((before[1], after[0]) for before, after in itertools.pairwise(edges))
        return [(end - start, (start + end) // 2) for start, end in pairs if end > start]

    def _quietest(self, start: int) -> int:
        """The middle of the window from ``start`` on in which a voice is least likely."""
        begin = max(0, (start - self._probs_from) // VAD_WINDOW_SAMPLES)
        least = begin + int(np.argmin(self._probs[begin:]))
        return self._probs_from + least * VAD_WINDOW_SAMPLES + VAD_WINDOW_SAMPLES // 2

    def _take(self, cut: int, begin: int) -> Stretch:
        """The open stretch up to ``cut``; what is voiced behind it begins the next one, from ``begin`` on."""
        first, voiced = self._open.first, self._open.voiced
        mine = [(start, min(end, cut)) for start, end in voiced if start < cut]
        rest = [(max(start, cut), end) for start, end in voiced if end > cut]
        if self._onset is not None and rest and rest[-1][1] == self._onset:
            self._onset = rest.pop()[0]
        end = min(cut, mine[-1][1] + _MARGIN)
        self._open = _Open(begin, rest)
        return Stretch(first, self._sound.slice(first, end), tuple((a - first, b - first) for a, b in mine))

    def _forget(self) -> None:
        """Drop what no stretch will ask for any more."""
        first = self._first()
        # The gate dates an onset back by its windows; a margin before it is kept.
        needed = self.position - _MARGIN - 4 * VAD_WINDOW_SAMPLES if first is None else first
        needed = max(self._probs_from, needed // VAD_WINDOW_SAMPLES * VAD_WINDOW_SAMPLES)
        self._sound.drop_before(needed)
        del self._probs[: (needed - self._probs_from) // VAD_WINDOW_SAMPLES]
        self._probs_from = needed

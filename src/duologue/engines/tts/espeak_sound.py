"""What becomes of espeak-ng's sound on its way out: edges trimmed, words timed, 22.05 kHz made 24 kHz."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right

import numpy as np
import soxr
from numpy.typing import NDArray

from duologue.audio.frame import VOICE_RATE_HZ, Int16
from duologue.engines.base import SpeechChunk, WordTime

# -44 dB of full scale: below it espeak-ng's output is silence and decay.
_AUDIBLE = 200
_ONSET_MS = 2
_TAIL_MS = 70
# The first leaves early. Later ones are made 300 times faster than they sound, and each costs as much as it is sent.
_FIRST_SAMPLES = VOICE_RATE_HZ * 40 // 1000
_CHUNK_SAMPLES = VOICE_RATE_HZ * 100 // 1000
_LEVEL_MS = 5


def speakable(text: str) -> str:
    """``text`` with what cannot be said (control characters, arrows, pictures, joiners) made a space.

    Degrees, trade marks and other signs that have a name stay. Character by character, so that offsets stay
    what they were. espeak-ng takes commands after control characters; mark-up is not interpreted, because it is
    never asked for.
    """
    return "".join(" " if _is_unspeakable(char) else char for char in text)


def _is_unspeakable(char: str) -> bool:
    category = unicodedata.category(char)
    if category[0] == "C" or category == "Me" or "\ufe00" <= char <= "\ufe0f":
        return True
    is_arrow = "\u2190" <= char <= "\u21ff"
    return is_arrow or (category in {"So", "Sk"} and char > "\u21ff")


class EdgeTrim:
    """Streaming removal of silence: all at the beginning, what goes beyond 70 ms at the end; pauses stay."""

    def __init__(self, rate_hz: int) -> None:
        self._onset_samples = rate_hz * _ONSET_MS // 1000
        self._tail_samples = rate_hz * _TAIL_MS // 1000
        self._level_samples = rate_hz * _LEVEL_MS // 1000
        self._held = np.zeros(0, np.int16)
        self._is_started = False
        self._loud: list[int] = []
        self._seen = 0
        self.trimmed_samples = 0

    def push(self, pcm: Int16) -> Int16:
        """More sound in; the sound that is now known to be wanted out."""
        loud = ((pcm > _AUDIBLE) | (pcm < -_AUDIBLE)).nonzero()[0]
        self._remember(loud)
        self._seen += len(pcm)
        held: Int16 = np.concatenate([self._held, pcm])
        if len(loud) == 0:
            self._held = held
            return held[:0]
        start = 0
        if not self._is_started:
            self._is_started = True
            start = max(0, len(held) - len(pcm) + int(loud[0]) - self._onset_samples)
            self.trimmed_samples = start
        stop = len(held) - len(pcm) + int(loud[-1]) + 1
        self._held = held[stop:]
        return held[start:stop]

    def finish(self) -> Int16:
        """The tail that may stay."""
        return self._held[: self._tail_samples] if self._is_started else self._held[:0]

    def loud_until(self, sample: int) -> int:
        """Where the sound before ``sample`` ends: ``sample`` itself unless a pause of 10 ms comes before it."""
        place = bisect_right(self._loud, sample - 1)
        end = self._loud[place - 1] + 1 if place else 0
        return end if sample - end > 2 * self._level_samples else sample

    def _remember(self, loud: NDArray[np.intp]) -> None:
        """Keep the last loud sample of every 5 ms."""
        levels = loud // self._level_samples
        is_last = levels[:-1] != levels[1:]
        self._loud.extend((loud[:-1][is_last] + self._seen).tolist())
        if len(loud):
            self._loud.append(int(loud[-1]) + self._seen)


class WordTimes:
    """Marks "the word at this character begins now" -> times of every whitespace-separated word.

    espeak-ng skips words, merges them ("of the") and splits them ("25" is two), so a mark closes all words
    before the one that it points into; those that had no mark of their own share the time by their letters.
    """

    def __init__(self, text: str) -> None:
        self._spans = [match.span() for match in re.finditer(r"\S+", text)]
        self._starts = [start for start, _ in self._spans]
        self._weights = [sum(map(str.isalnum, text[start:stop])) for start, stop in self._spans]
        self._open = 0
        self._open_ms = 0.0

    def mark(self, character: int, at_ms: float, quiet_from_ms: float) -> list[WordTime]:
        """A word begins at ``at_ms``; the sound before it ended at ``quiet_from_ms``. The words that are over."""
        index = max(0, bisect_right(self._starts, character) - 1)
        if index <= self._open:
            return []
        closed = self._close(index, min(at_ms, max(quiet_from_ms, self._open_ms)))
        self._open_ms = at_ms
        return closed

    def finish(self, quiet_from_ms: float) -> list[WordTime]:
        """The phrase is over: all words that are left."""
        return self._close(len(self._spans), max(quiet_from_ms, self._open_ms))

    def _close(self, stop: int, end_ms: float) -> list[WordTime]:
        weights = self._weights[self._open : stop]
        total = sum(weights)
        closed: list[WordTime] = []
        start_ms = self._open_ms
        for index, weight in zip(range(self._open, stop), weights, strict=True):
            until_ms = start_ms + (end_ms - self._open_ms) * (weight / total if total else 1 / len(weights))
            closed.append(WordTime(*self._spans[index], start_ms=start_ms, end_ms=until_ms))
            start_ms = until_ms
        self._open, self._open_ms = stop, end_ms
        return closed


class PhraseSound:
    """One phrase: int16 sound and marks at espeak-ng's rate in, SpeechChunks at 24 kHz out."""

    def __init__(self, text: str, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._trim = EdgeTrim(rate_hz)
        self._times = WordTimes(text)
        # HQ: its delay of 21-37 ms is counted in sound, and 60 ms of sound take 0.2 ms to make.
        self._resampler = soxr.ResampleStream(rate_hz, VOICE_RATE_HZ, 1, dtype="int16", quality="HQ")
        self._ready = np.zeros(0, np.int16)
        self._given_samples = 0
        self._pushed_samples = 0
        self._words: list[WordTime] = []

    def push(self, pcm: Int16) -> None:
        """More sound."""
        self._pushed_samples += len(pcm)
        kept = self._trim.push(pcm)
        if len(kept):
            self._add(self._resampler.resample_chunk(kept))

    def mark(self, character: int, sample: int) -> None:
        """The word at ``character`` begins at ``sample``; the sound up to there has been pushed."""
        quiet_from_ms = self._ms(self._trim.loud_until(sample))
        self._words += self._times.mark(character, self._ms(sample), quiet_from_ms)

    def take(self) -> SpeechChunk | None:
        """The next 100 ms, of the first chunk 40 at least, where that much is ready."""
        if len(self._ready) < (_CHUNK_SAMPLES if self._given_samples else _FIRST_SAMPLES):
            return None
        return self._chunk(_CHUNK_SAMPLES, is_last=False)

    def finish(self) -> SpeechChunk:
        """The last chunk: what is left after ``take`` gave None, with the words that are left."""
        self._add(self._resampler.resample_chunk(self._trim.finish(), last=True))
        self._words += self._times.finish(self._ms(self._trim.loud_until(self._pushed_samples)))
        return self._chunk(len(self._ready), is_last=True)

    def _ms(self, sample: int) -> float:
        return max(0.0, (sample - self._trim.trimmed_samples) * 1000.0 / self._rate_hz)

    def _add(self, pcm: Int16) -> None:
        self._ready = np.concatenate([self._ready, pcm])

    def _chunk(self, samples: int, *, is_last: bool) -> SpeechChunk:
        pcm, self._ready = self._ready[:samples], self._ready[samples:]
        self._given_samples += len(pcm)
        given_ms = self._given_samples * 1000.0 / VOICE_RATE_HZ
        words = tuple(word for word in self._words if is_last or word.end_ms <= given_ms)
        self._words = self._words[len(words) :]
        return SpeechChunk(pcm=pcm, words=words)

"""When each word sounds, guessed: for synthesizers that give sound and say nothing of its words.

A word's share of the time is its letters, one more for the gap behind it, and four where a sign ends it, for the
pause. Against the true times of ten English sentences (espeak-ng) the ends of words are off by 0.09 s in the middle
and by 0.2 s at most in nine of ten, once the length of the whole is known; by letters alone, by 0.11 s.
"""

from __future__ import annotations

import re

from duologue.engines.base import WordTime

# Milliseconds of one share at the usual pace, before any phrase of a voice has been timed.
FIRST_GUESS_MS = 55.0
_SIGN_SHARES = 4
# How much one phrase moves the guess: short phrases vary by a tenth.
_LEARNING = 0.3


class Pace:
    """How long a share lasts in one voice, learnt from finished phrases."""

    def __init__(self) -> None:
        self.share_ms = FIRST_GUESS_MS

    def learn(self, shares: int, length_ms: float) -> None:
        """A phrase of ``shares`` took ``length_ms``."""
        if shares > 0 and length_ms > 0:
            self.share_ms += _LEARNING * (length_ms / shares - self.share_ms)


class GuessedTimes:
    """Times of the words of one phrase. All of them are estimates."""

    def __init__(self, text: str, share_ms: float) -> None:
        self._spans = [match.span() for match in re.finditer(r"\S+", text)]
        last = len(self._spans) - 1
        self._shares = [_shares(text[start:stop], n == last) for n, (start, stop) in enumerate(self._spans)]
        self._share_ms = share_ms
        self._next = 0
        self._at_ms = 0.0

    @property
    def shares(self) -> int:
        """Of the whole phrase."""
        return sum(self._shares)

    def until(self, given_ms: float) -> tuple[WordTime, ...]:
        """The words that are over by ``given_ms`` at the expected pace; never the last, which ends with the sound."""
        words: list[WordTime] = []
        for index in range(self._next, len(self._spans) - 1):
            end_ms = self._at_ms + self._shares[index] * self._share_ms
            if end_ms > given_ms:
                break
            words.append(self._close(index, end_ms))
        return tuple(words)

    def finish(self, length_ms: float) -> tuple[WordTime, ...]:
        """The words that are left share what is left of the sound."""
        left = sum(self._shares[self._next :])
        share_ms = max(0.0, length_ms - self._at_ms) / left if left else 0.0
        return tuple(
            self._close(index, self._at_ms + self._shares[index] * share_ms)
            for index in range(self._next, len(self._spans))
        )

    def _close(self, index: int, end_ms: float) -> WordTime:
        word = WordTime(*self._spans[index], start_ms=self._at_ms, end_ms=end_ms)
        self._next, self._at_ms = index + 1, end_ms
        return word


def _shares(word: str, is_last: bool) -> int:
    letters = sum(map(str.isalnum, word))
    pauses = not is_last and word[-1] in ",;:.!?\u2026"
    return letters + 1 + (_SIGN_SHARES if pauses else 0)

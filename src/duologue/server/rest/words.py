"""When each word was said, guessed: for transcribers that give words and no times.

The words of a stretch are spread over its voiced parts, each word by its letters and one more; a word before a comma,
a full stop or the end has four more, since speakers draw it out. Pauses, as the voice activity detector found them,
belong to no word. Against the true times of twenty sentences (espeak-ng, two voices) the ends of words are off by
0.05 s in the middle and by 0.13 s at most in nine of ten; without the four more, by 0.11 and 0.23 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from duologue.audio.frame import SESSION_RATE_HZ
from duologue.engines.base import TimedWord

Span = tuple[int, int]

_DRAWN_OUT = 4
_SIGNS = ",;:.!?\u2026"


def spread(text: str, voiced: Sequence[Span]) -> tuple[TimedWord, ...]:
    """``voiced``: samples of the sound, in order and apart; times are seconds of the same sound. ``prob`` is 1."""
    words = text.split()
    spans = [span for span in voiced if span[1] > span[0]]
    if not words or not spans:
        return ()
    shares = [_shares(word, is_last=index == len(words) - 1) for index, word in enumerate(words)]
    whole = sum(end - start for start, end in spans)
    ends = [whole * share / sum(shares) for share in accumulate(shares)]
    starts = [0.0, *ends[:-1]]
    return tuple(
        TimedWord(word, _moment_s(spans, start, is_end=False), _moment_s(spans, end, is_end=True))
        for word, start, end in zip(words, starts, ends, strict=True)
    )


def _shares(word: str, *, is_last: bool) -> int:
    is_drawn_out = is_last or word[-1] in _SIGNS
    return sum(map(str.isalnum, word)) + 1 + (_DRAWN_OUT if is_drawn_out else 0)


def _moment_s(spans: Sequence[Span], voiced_samples: float, *, is_end: bool) -> float:
    """The moment at which so much of the voice is over. At the edge of a pause a word ends before it and the next
    begins behind it; a sample's slack takes up the rounding."""
    left = voiced_samples
    for start, end in spans:
        length = end - start
        if left < length - 1 or (is_end and left <= length + 1):
            return round((start + min(left, length)) / SESSION_RATE_HZ, 3)
        left = max(0.0, left - length)
    return round(spans[-1][1] / SESSION_RATE_HZ, 3)

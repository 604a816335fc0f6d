"""When each word was said, guessed: for transcribers that give words and no times.

The words of a stretch are spread over its voiced parts, each word by its letters and one more. Pauses, as the voice
activity detector found them, belong to no word. See ``docs/howto/transcribe-and-speak.md`` for how far off this is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from duologue.audio.frame import SESSION_RATE_HZ
from duologue.engines.base import TimedWord

Span = tuple[int, int]


def spread(text: str, voiced: Sequence[Span]) -> tuple[TimedWord, ...]:
    """``voiced``: samples of the sound, in order and apart; times are seconds of the same sound. ``prob`` is 1."""
    words = text.split()
    spans = [span for span in voiced if span[1] > span[0]]
    if not words or not spans:
        return ()
    shares = [sum(map(str.isalnum, word)) + 1 for word in words]
    whole = sum(end - start for start, end in spans)
    ends = [whole * share / sum(shares) for share in accumulate(shares)]
    starts = [0.0, *ends[:-1]]
    return tuple(
        TimedWord(word, _moment_s(spans, start, is_end=False), _moment_s(spans, end, is_end=True))
        for word, start, end in zip(words, starts, ends, strict=True)
    )


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

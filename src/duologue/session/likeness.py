"""How much of the words heard is what the assistant has just been saying: echo that the waveform does not show.

Both are aligned word by word, in order, as far as they go together best (local alignment, Smith and Waterman 1981,
with the letters of a word for its weight). A recogniser hears echo badly, so that words may differ in some letters
(edit distance, Levenshtein 1966), and stand apart or together.
"""

from __future__ import annotations

import re
from functools import lru_cache

# Two words are the same word misheard where no more than so much of them differs.
_MOST_DIFFERENT = 0.4
# For every word of the answer that was passed over: echo is heard in one piece, and "the" stands everywhere.
_SKIPPED = 1.0
# What is heard is of the last quarter of a minute of an answer, and no more than is said in three seconds: a recogniser
# that makes up words does not stop. Both bound the time, which is 1 to 4 ms.
_LAST_WORDS, _MOST_HEARD = 40, 12
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def said_share(heard: str, said: str) -> float:
    """0 to 1: the share of ``heard``, weighed by letters, that stands in ``said`` in the same order. A single short
    word, "yes" or "right", stands in many an answer: it says little."""
    mine, theirs = _words(heard)[-_MOST_HEARD:], _words(said)[-_LAST_WORDS:]
    letters = sum(len(word) for word in mine)
    if not letters or not theirs:
        return 0.0
    return max(0.0, min(1.0, _best(mine, theirs) / letters))


def _words(text: str) -> list[str]:
    return [word.replace("'", "").replace("’", "") for word in _WORD.findall(text.casefold())]


def _best(mine: list[str], theirs: list[str]) -> float:
    """The most letters that go together, less what was passed over."""
    # scores[i][j]: of alignments that end before mine[i] and theirs[j].
    scores = [[0.0] * (len(theirs) + 1) for _ in range(len(mine) + 1)]
    best = 0.0
    for i in range(1, len(mine) + 1):
        for j in range(1, len(theirs) + 1):
            together = scores[i - 1][j - 1] + _alike(mine[i - 1], theirs[j - 1])
            score = max(0.0, together, scores[i - 1][j], scores[i][j - 1] - _SKIPPED)
            if i > 1:
                score = max(score, scores[i - 2][j - 1] + _alike(mine[i - 2] + mine[i - 1], theirs[j - 1]))
            if j > 1:
                score = max(score, scores[i - 1][j - 2] + _alike(mine[i - 1], theirs[j - 2] + theirs[j - 1]))
            scores[i][j] = score
            best = max(best, score)
    return best


@lru_cache(maxsize=8192)
def _alike(mine: str, theirs: str) -> float:
    """How many letters of ``mine`` are right, if it is ``theirs`` misheard; else 0."""
    if mine == theirs:
        return float(len(mine))
    longest = max(len(mine), len(theirs))
    most = _MOST_DIFFERENT * longest
    shared = sum(min(mine.count(letter), theirs.count(letter)) for letter in set(mine))
    if longest - shared > most:
        return 0.0
    wrong = _distance(mine, theirs)
    return len(mine) * (1 - wrong / longest) if wrong <= most else 0.0


def _distance(mine: str, theirs: str) -> int:
    """Letters to be put in, left out or changed."""
    row = list(range(len(theirs) + 1))
    for i, letter in enumerate(mine, 1):
        corner, row[0] = row[0], i
        for j, other in enumerate(theirs, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (letter != other))
    return row[-1]

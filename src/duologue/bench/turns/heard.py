"""Which words of an answer a listener heard, and which of them the server remembers. Pure but for the word clock.

An answer's text comes in phrases, each just before its first sound, so the client knows exactly where in the sound a
phrase begins. Where in the phrase a word is, the same synthesizer tells that speaks the phrase once more in this
process; where it is not at hand, letters are taken to last equally long.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, NamedTuple

import msgspec

# [(text start, text end, start ms, end ms)] of a phrase's words, and the length of the whole phrase in ms.
PhraseTimes = Callable[[str], Awaitable[tuple[list[tuple[int, int, float, float]], float]]]
# Where no phrase has come whole: 170 words a minute, six letters a word with its space.
MS_PER_LETTER = 59.0
LAST_WORDS = 5

_WORD = re.compile(r"\S+")


class Phrase(NamedTuple):
    """``text``, which begins to sound ``starts_ms`` into the item's sound."""

    text: str
    starts_ms: float


class Said(msgspec.Struct):
    """All that came of one item: its phrases, and the length of its sound. ``is_whole``: no more will come."""

    phrases: list[Phrase] = []
    sent_ms: float = 0.0
    is_whole: bool = False

    @property
    def text(self) -> str:
        return "".join(phrase.text for phrase in self.phrases)


class Word(NamedTuple):
    """One word of an item, and when it sounds in the item's sound."""

    text: str
    starts_ms: float
    ends_ms: float


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """An interrupted answer: ``words`` in all that came, of which ``begun`` had begun to sound and ``ended`` were over
    when the listener's speaker fell silent at ``heard_ms``; the server remembers ``kept``. ``unheard``: kept, but not
    even begun; ``lost``: over, but not kept. ``is_prefix`` False: what is kept is not how the answer began. ``heard``
    and ``remembered``: the last words of both, for those who want to look closer."""

    item_id: str
    heard_ms: float
    words: int
    begun: int
    ended: int
    kept: int
    unheard: int
    lost: int
    is_prefix: bool
    by: Literal["synthesizer", "estimate"]
    account: str
    heard: str
    remembered: str


async def word_times(said: Said, clock: PhraseTimes | None) -> list[Word]:
    """The words of an item in order."""
    words: list[Word] = []
    for phrase, length_ms in _with_lengths(said):
        if clock is None:
            words += _estimate(phrase, length_ms)
        else:
            words += _scaled(phrase, *await clock(phrase.text), length_ms)
    return words


def judge(
    words: Sequence[Word], kept: str, heard_ms: float, *, item_id: str, account: str, is_estimate: bool
) -> Memory:
    """Compare what is remembered with what was heard; a word being spoken may be in or out."""
    begun = sum(word.starts_ms < heard_ms for word in words)
    ended = sum(word.ends_ms <= heard_ms for word in words)
    remembered = kept.split()
    return Memory(
        item_id=item_id,
        heard_ms=round(heard_ms, 1),
        words=len(words),
        begun=begun,
        ended=ended,
        kept=len(remembered),
        unheard=max(0, len(remembered) - begun),
        lost=max(0, ended - len(remembered)),
        is_prefix=remembered == [word.text for word in words[: len(remembered)]],
        by="estimate" if is_estimate else "synthesizer",
        account=account,
        heard=" ".join(word.text for word in words[max(0, begun - LAST_WORDS) : begun]),
        remembered=" ".join(remembered[-LAST_WORDS:]),
    )


def _with_lengths(said: Said) -> list[tuple[Phrase, float | None]]:
    """Each phrase with its length in ms, None where its end has not come."""
    starts = [phrase.starts_ms for phrase in said.phrases]
    ends = [*starts[1:], said.sent_ms] if said.is_whole else starts[1:]
    lengths: list[float | None] = [end - start for start, end in zip(starts, ends, strict=False)]
    return list(zip(said.phrases, [*lengths, None], strict=False))


def _scaled(
    phrase: Phrase, times: Sequence[tuple[int, int, float, float]], made_ms: float, length_ms: float | None
) -> list[Word]:
    """The words of a phrase by its synthesizer, stretched to the length that the phrase really had."""
    stretch = length_ms / made_ms if length_ms and made_ms else 1.0
    words, last_ms = [], 0.0
    for match in _WORD.finditer(phrase.text):
        mine = [time for time in times if time[0] < match.end() and time[1] > match.start()]
        start_ms = min((time[2] for time in mine), default=last_ms) * stretch
        end_ms = max((time[3] for time in mine), default=last_ms) * stretch
        words.append(Word(match[0], phrase.starts_ms + start_ms, phrase.starts_ms + end_ms))
        last_ms = end_ms / stretch
    return words


def _estimate(phrase: Phrase, length_ms: float | None) -> list[Word]:
    """The words of a phrase where all letters last equally long."""
    each_ms = length_ms / max(1, len(phrase.text)) if length_ms else MS_PER_LETTER
    return [
        Word(match[0], phrase.starts_ms + match.start() * each_ms, phrase.starts_ms + match.end() * each_ms)
        for match in _WORD.finditer(phrase.text)
    ]

"""Passages -> subtitles, as SubRip (.srt) or WebVTT (https://www.w3.org/TR/webvtt1/)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from duologue.engines.base import TimedWord
from duologue.server.rest.long_audio import Passage

# Two lines of 42 characters, as broadcasters have them; nobody reads more in one go.
_LINE_CHARS = 42
_CUE_CHARS = 2 * _LINE_CHARS
_LONGEST_CUE_S = 7.0
# A sentence that ends before so much stands in a cue does not end the cue.
_SHORT_CUE_CHARS = 28
_GAP_S = 1.5
_ENDS = (".", "?", "!", "\u2026", "\u3002", "\uff01", "\uff1f")


class Cue(NamedTuple):
    """What stands on the screen, and when; seconds."""

    start_s: float
    end_s: float
    text: str


def cues_of(passages: Sequence[Passage]) -> list[Cue]:
    """Cues of a size to read, cut between words where their times are known."""
    return [cue for passage in passages for cue in _cues_of(passage)]


def srt(passages: Sequence[Passage]) -> str:
    """A SubRip file."""
    return "".join(
        f"{number}\n{_moment(cue.start_s, ',')} --> {_moment(cue.end_s, ',')}\n{_lines(cue.text)}\n\n"
        for number, cue in enumerate(cues_of(passages), 1)
    )


def vtt(passages: Sequence[Passage]) -> str:
    """A WebVTT file."""
    cues = (
        f"{_moment(cue.start_s, '.')} --> {_moment(cue.end_s, '.')}\n{_escaped(_lines(cue.text))}\n\n"
        for cue in cues_of(passages)
    )
    return "WEBVTT\n\n" + "".join(cues)


def _cues_of(passage: Passage) -> Iterator[Cue]:
    if not passage.words:
        yield Cue(passage.start_s, passage.end_s, passage.text)
        return
    held: list[TimedWord] = []
    for word in passage.words:
        if held and _is_over(held, word):
            yield _cue(held)
            held = []
        held.append(word)
    yield _cue(held)


def _is_over(held: Sequence[TimedWord], word: TimedWord) -> bool:
    """Whether ``word`` begins the next cue."""
    chars = _chars(held)
    return (
        chars + 1 + len(word.text) > _CUE_CHARS
        or word.end_s - held[0].start_s > _LONGEST_CUE_S
        or word.start_s - held[-1].end_s > _GAP_S
        or (held[-1].text.endswith(_ENDS) and chars >= _SHORT_CUE_CHARS)
    )


def _chars(words: Sequence[TimedWord]) -> int:
    return sum(len(word.text) for word in words) + len(words) - 1


def _cue(words: Sequence[TimedWord]) -> Cue:
    return Cue(words[0].start_s, words[-1].end_s, " ".join(word.text for word in words))


def _lines(text: str) -> str:
    return "\n".join(textwrap.wrap(text, _LINE_CHARS, break_long_words=False, break_on_hyphens=False))


def _escaped(text: str) -> str:
    """An arrow would end a cue's text, and signs of markup begin some."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _moment(seconds: float, point: str) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"

"""Text -> what a search finds it by.

The index splits text at blanks; Chinese, Japanese, Thai and their like have none. There each sign stands alone, and
what is searched for has to come as one stretch: so any piece of a sentence is found, if it has but one sign. Elsewhere
a word is found by its beginning. Case, accents, and the vowel points of Hebrew and Arabic make no difference.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple

# What nobody types; a page asks anew with each letter.
MOST_QUERY_CHARS, MOST_QUERY_WORDS = 200, 12
SNIPPET_CHARS = 120
# Scripts that are written without blanks: from, to.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x9FFF),  # Han
    (0xF900, 0xFAFF),
    (0x1B000, 0x1B16F),  # Kana of old
    (0x20000, 0x3FFFF),  # more Han
)
# Letters that Unicode does not take for another one with an accent; people without their keys do.
_PLAIN = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
)
# Classes of combining marks that people leave out: points of Hebrew and Arabic; accents above and below.
_POINTS, _FIRST_ACCENT = range(10, 36), 200


class Token(NamedTuple):
    """A word, or a sign of a script without blanks, as the index has it, and where it was in the text."""

    spelled: str
    start: int
    end: int


def composed(text: str) -> str:
    """``text`` with one code for each sign, as `tokens` counts places in it."""
    return unicodedata.normalize("NFKC", text)


def tokens(text: str) -> list[Token]:
    """The words of a `composed` text, in order."""
    found: list[Token] = []
    start, is_alone = -1, False

    def end_at(place: int) -> None:
        if start >= 0 and (spelled := _fold(text[start:place])):
            found.append(Token(spelled, start, place))

    for place, char in enumerate(text):
        kind = _kind(char)
        if kind == "mark" and start >= 0:
            continue
        if kind == "word" and start >= 0 and not is_alone:
            continue
        end_at(place)
        start = place if kind in ("word", "alone") else -1
        is_alone = kind == "alone"
    end_at(len(text))
    return found


def spell(text: str) -> str:
    """What goes into the index for ``text``."""
    return " ".join(token.spelled for token in tokens(composed(text)))


def terms(query: str) -> list[list[str]]:
    """What has to be found, each somewhere: tokens in a row, the last of which may go on. No words, no terms."""
    words = composed(query[:MOST_QUERY_CHARS]).split()
    spelled = [[token.spelled for token in tokens(word)] for word in words]
    return [term for term in spelled if term][:MOST_QUERY_WORDS]


def match(term: list[str]) -> str:
    """A term in the language of FTS5. Tokens hold letters, digits and marks only, so that nothing needs escaping."""
    return f'"{" ".join(term)}" *'


def snippet(text: str, term: list[str]) -> str | None:
    """The part of ``text`` around the first place where ``term`` is; None where it is not."""
    text = composed(text)
    words = tokens(text)
    for index in range(len(words) - len(term) + 1):
        row = [word.spelled for word in words[index : index + len(term)]]
        if row[:-1] == term[:-1] and row[-1].startswith(term[-1]):
            return _around(text, words[index].start)
    return None


def title_of(text: str, most_chars: int = 60) -> str:
    """The first words of ``text``."""
    text = " ".join(text.split())
    if len(text) <= most_chars:
        return text
    cut = text[: most_chars - 1]
    whole = cut.rpartition(" ")[0] if not text[most_chars - 1].isspace() else cut
    return f"{(whole or cut).rstrip(' ,;:.-')}…"


def _around(text: str, place: int) -> str:
    """Two thirds of the snippet come after ``place``."""
    first = max(min(place - SNIPPET_CHARS // 3, len(text) - SNIPPET_CHARS), 0)
    if first:
        blank = text.find(" ", first, place)
        first = blank + 1 if blank >= 0 else first
    last = min(first + SNIPPET_CHARS, len(text))
    if last < len(text):
        blank = text.rfind(" ", place + 1, last)
        last = blank if blank > place else last
    shown = " ".join(text[first:last].split())
    return f"{'…' if first else ''}{shown}{'…' if last < len(text) else ''}"


@lru_cache(maxsize=16_384)
def _kind(char: str) -> str:
    category = unicodedata.category(char)
    if category[0] == "M":
        return "mark"
    if category[0] not in "LN":
        return ""
    code = ord(char)
    return "alone" if any(first <= code <= last for first, last in _UNSPACED) else "word"


def _fold(word: str) -> str:
    apart = unicodedata.normalize("NFD", word.casefold().translate(_PLAIN))
    left = "".join(char for char in apart if not _is_left_out(unicodedata.combining(char)))
    return unicodedata.normalize("NFC", left)


def _is_left_out(combining: int) -> bool:
    return combining >= _FIRST_ACCENT or combining in _POINTS

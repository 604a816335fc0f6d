"""Word error rate, and the spelling that both sides are brought to first.

The same steps go over the reference, the transcript and the baseline: lower case; dotted or spaced letters become
one word ("U.S.", "u s" -> "us"); clock times ("2:30 p.m.", "2.30 pm" -> "two thirty pm"); numbers, ordinals,
per cent and dollars in words (num2words; years from 1100 to 2099 as years); "and" inside numbers is dropped; "Mr"
and its like are written out; punctuation goes, hyphens part words, apostrophes join them ("what's" -> "whats").
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import msgspec

from duologue.errors import ConfigError

_TITLES = {"mr": "mister", "mrs": "missus", "ms": "miss", "dr": "doctor", "ok": "okay", "st": "saint"}
_DOTTED = re.compile(r"\b(?:[a-z]\.){2,}")
_CLOCK = re.compile(r"\b(\d{1,2})[:.](\d{2})(?=\s*(?:[ap]\.?m\b)|\b(?<=:\d\d))")
_ORDINAL = re.compile(r"\b(\d+)(?:st|nd|rd|th)\b")
_DOLLARS = re.compile(r"\$(\d+(?:\.\d+)?)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_LETTERS = re.compile(r"\b[a-z](?: [a-z])+\b")
_LONE_WORDS = frozenset("aio")


class WordErrors(msgspec.Struct, frozen=True, kw_only=True):
    """``wer`` = (substitutions + deletions + insertions) / reference words, over all turns together, so that long
    turns weigh more; ``turns`` were counted. None where nothing could be counted."""

    wer: float | None = None
    errors: int = 0
    words: int = 0
    turns: int = 0


def normalise(text: str) -> str:
    """Words in the spelling described above, one blank between two."""
    text = unicodedata.normalize("NFKD", text.lower()).replace("’", "'")
    text = _DOTTED.sub(lambda match: match[0].replace(".", "") + " ", text)
    text = _CLOCK.sub(lambda match: f"{int(match[1])} {_minutes(match[2])}", _THOUSANDS.sub("", text))
    text = _DOLLARS.sub(lambda match: f"{_spell(match[1], 'cardinal')} dollars", text).replace("%", " percent")
    text = _ORDINAL.sub(lambda match: _spell(match[1], "ordinal"), text)
    text = _NUMBER.sub(_number, text).replace("'", "")
    text = "".join(char if char.isalnum() else " " for char in text if not unicodedata.combining(char))
    joined = _LETTERS.sub(_join_letters, " ".join(text.split()))
    return " ".join(_TITLES.get(word, word) for word in joined.split())


def word_errors(pairs: Iterable[tuple[str, str]]) -> WordErrors:
    """Errors of (reference, transcript) pairs. Raises ConfigError where jiwer is not installed."""
    try:
        import jiwer
    except ImportError:
        raise ConfigError('counting words needs jiwer: pip install "jiwer>=4"') from None
    ready = [(normalise(reference), normalise(heard)) for reference, heard in pairs]
    ready = [(reference, heard) for reference, heard in ready if reference]
    if not ready:
        return WordErrors()
    counts = jiwer.process_words([reference for reference, _ in ready], [heard for _, heard in ready])
    errors = counts.substitutions + counts.deletions + counts.insertions
    words = sum(len(reference.split()) for reference, _ in ready)
    return WordErrors(wer=round(errors / words, 4), errors=errors, words=words, turns=len(ready))


def _minutes(digits: str) -> str:
    return "" if digits == "00" else f"oh {int(digits)}" if digits[0] == "0" else digits


def _number(match: re.Match[str]) -> str:
    digits = match[0]
    is_year = len(digits) == 4 and digits.isdigit() and (1100 <= int(digits) < 2000 or 2010 <= int(digits) < 2100)
    return f" {_spell(digits, 'year' if is_year else 'cardinal')} "


def _spell(digits: str, kind: str) -> str:
    from num2words import num2words

    value = float(digits) if "." in digits else int(digits)
    return str(num2words(value, to=kind)).replace(" and ", " ").replace(",", "")


def _join_letters(match: re.Match[str]) -> str:
    """ "u s" -> "us", but "i a" stays: those are words of their own."""
    letters = match[0].split()
    return match[0] if set(letters) <= _LONE_WORDS else "".join(letters)

"""Kokoro's alphabet: what its symbols are, how IPA is written in it, and their numbers.

The alphabet is IPA with one letter for each diphthong and affricate: A (eɪ), I (aɪ), O (oʊ), Q (əʊ), W (aʊ), Y (ɔɪ),
S (sː), ʤ, ʧ, ʣ, ʦ, T (the American tapped t), ᵊ (a schwa hardly heard), ᵻ (between ɪ and ə). misaki's
``EN_PHONES.md`` (https://github.com/hexgrad/misaki) describes it; espeak-ng's IPA is described in its
``docs/phonemes.md``. Stress marks stand before the vowel in both.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from duologue.errors import EngineUnavailable

MARKS = frozenset(";:,.!?—…()“”")
_OPENING = frozenset("(“—")

# espeak-ng marks words that it says in another language's way: "(en)laptop(hi)".
_LANGUAGE_FLAG = re.compile(r"\([^)]*\)")
_SYLLABIC = "\u0329"
_NASAL = "\u0303"

_DIPHTHONGS = {"a^ɪ": "I", "a^ʊ": "W", "e^ɪ": "A", "ɔ^ɪ": "Y", "d^ʒ": "ʤ", "t^ʃ": "ʧ"}
_ANY = _DIPHTHONGS | {"d^z": "ʣ", "t^s": "ʦ", "o^ʊ": "O", "ə^ʊ": "Q", "s^s": "S", "-": "", "^": "", "g": "ɡ"}
_ENGLISH = _DIPHTHONGS | {
    f"ʔn{_SYLLABIC}": "tn", "ʔ": "t", "ɾ": "T", "ə^l": "ᵊl", f"l{_SYLLABIC}": "ᵊl", f"n{_SYLLABIC}": "ᵊn",
    f"m{_SYLLABIC}": "ᵊm", "ɚ": "əɹ", "ɐ": "ə", "r": "ɹ", "x": "k", "ç": "k", "ɬ": "l", "ʲ": "", _NASAL: "", "g": "ɡ",
}  # fmt: skip
_AMERICAN = _ENGLISH | {
    "o^ʊ": "O", "ɜː^ɹ": "ɜɹ", "ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪə": "iə", "ɪ^ə": "iə", "e": "A", "o": "ɔ", "ː": "", "^": "",
}  # fmt: skip
_BRITISH = _ENGLISH | {
    "ə^ʊ": "Q", "e^ə": "ɛː", "i^ə": "ɪə", "iə": "ɪə", "ʊ^ə": "ʊə", "e": "A", "o": "ɔ", "^": "", "ɾ": "ɹ",
}  # fmt: skip


class Sound(NamedTuple):
    """How ``text[start:end]`` sounds, in Kokoro's symbols. A space or mark of its own has no extent."""

    symbols: str
    start: int
    end: int


def spaced(sounds: Iterable[Sound]) -> list[Sound]:
    """Words and marks with a space before every word and opening mark but the first; empty ones left out."""
    result: list[Sound] = []
    for sound in sounds:
        is_closing = sound.symbols in MARKS and sound.symbols not in _OPENING
        if not sound.symbols or (is_closing and not result):
            continue
        is_opened = bool(result) and result[-1].symbols in {"(", "“"}
        if result and not is_closing and not is_opened:
            result.append(Sound(" ", sound.start, sound.start))
        result.append(sound)
    return result


class _Rewriting:
    """Strings for strings, the longest first, in one pass."""

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self._pairs = pairs
        self._pattern = re.compile("|".join(re.escape(old) for old in sorted(pairs, key=len, reverse=True)))

    def __call__(self, text: str) -> str:
        return self._pattern.sub(lambda found: self._pairs[found[0]], text)


_REWRITE = {"american": _Rewriting(_AMERICAN), "british": _Rewriting(_BRITISH), "any": _Rewriting(_ANY)}


def american(ipa: str) -> str:
    """espeak-ng's American English in Kokoro's symbols."""
    return _REWRITE["american"](_LANGUAGE_FLAG.sub("", ipa))


def british(ipa: str) -> str:
    """espeak-ng's British English in Kokoro's symbols."""
    return _REWRITE["british"](_LANGUAGE_FLAG.sub("", ipa))


def other(ipa: str) -> str:
    """espeak-ng's IPA of any other language in Kokoro's symbols."""
    return _REWRITE["any"](_LANGUAGE_FLAG.sub("", ipa))


class Vocabulary:
    """Symbols -> the network's numbers."""

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._numbers = numbers

    @classmethod
    def read(cls, folder: Path) -> Vocabulary:
        """From a model's folder: ``vocab`` in config.json, or the tokenizer.json of the ONNX conversion.

        Raises EngineUnavailable.
        """
        for name, way in (("config.json", ("vocab",)), ("tokenizer.json", ("model", "vocab"))):
            numbers: Any = _json(folder / name)
            for key in way:
                numbers = numbers.get(key, {}) if isinstance(numbers, dict) else {}
            if numbers:
                return cls(numbers)
        raise EngineUnavailable(
            f"no list of phonemes in config.json or tokenizer.json in {folder}: pull the model again"
        )

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._numbers

    def numbers(self, symbols: str) -> list[int]:
        """One number a symbol; accented letters are taken apart, and what the network does not know is left out."""
        numbers = [self._numbers.get(symbol) for symbol in self._known(symbols)]
        return [number for number in numbers if number is not None]

    def _known(self, symbols: str) -> str:
        return "".join(char if char in self._numbers else unicodedata.normalize("NFD", char) for char in symbols)


def _json(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}

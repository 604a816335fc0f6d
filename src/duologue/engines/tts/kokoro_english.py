"""English text -> Kokoro's phonemes: words read out, looked up, and fitted to their neighbours."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from duologue.engines.tts.kokoro_heteronyms import reading
from duologue.engines.tts.kokoro_lexicon import VOWELS, Lexicon, demote, stress_fully, stress_lightly
from duologue.engines.tts.kokoro_symbols import MARKS, Sound, spaced
from duologue.engines.tts.kokoro_written import Reader

Unknown = Callable[[Sequence[str]], list[str]]

# What ends a stretch of speech for the words before it; quotation marks and brackets do not.
_PAUSES = frozenset(";:,.!?—…")
_CONSONANTS = frozenset("bdfhjklmnpstvwzðŋɡɹɾʃʒʤʧθT")
# Word -> how it sounds before a vowel, before a consonant, before a pause.
_WEAK: Mapping[str, tuple[str, str, str]] = {
    "the": ("ði", "ðə", "ðə"),
    "a": ("ɐ", "ɐ", "ˈA"),
    "an": ("ɐn", "ɐn", "ɐn"),
    "to": ("tʊ", "tə", "tu"),
    "in": ("ɪn", "ɪn", "ˈɪn"),
    "am": ("ɐm", "ɐm", "æm"),
}
# A text of capitals alone is shouting, not abbreviations, when it is longer than "USA, UK, EU".
_SHOUT_CHARS = 15
_LETTERS_AND_ENDING = re.compile(r"([A-Z]{2,})(['’]?s)?")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_UNSAYABLE = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")


class English:
    """One variety of English. ``unknown``: says how words in no lexicon sound, in Kokoro's symbols."""

    def __init__(self, lexicon: Lexicon, unknown: Unknown, *, is_british: bool) -> None:
        self._lexicon = lexicon
        self._unknown = unknown
        self._reader = Reader(is_british=is_british)

    def sounds(self, text: str) -> list[Sound]:
        """The sounds of ``text``, spaces and marks between them."""
        is_shouted = len(text) >= _SHOUT_CHARS and text.upper() == text and len(text.lower()) == len(text)
        said = self._reader.read(text.lower() if is_shouted else text)
        words = [item.word for item in said]
        alone = [None if word in MARKS else self._alone(words, place) for place, word in enumerate(words)]
        self._ask(words, alone)
        fitted = zip(said, _fitted(words, alone), strict=True)
        return spaced(
            Sound(symbols, item.start, item.start if item.word in MARKS else item.end) for item, symbols in fitted
        )

    def _alone(self, words: Sequence[str], place: int) -> str | None:
        """The word by itself; None for one in no lexicon."""
        word = words[place]
        if "." in word:
            return self._lexicon.spell(word.replace(".", ""))
        if len(word) == 1 and word.lower() != "a":
            return "ˌI" if word == "I" else self._lexicon.spell(word) or None
        capitals = _LETTERS_AND_ENDING.fullmatch(word)
        if capitals is not None and self._is_spelled(capitals[1]):
            spelled = self._lexicon.spell(capitals[1])
            return self._lexicon.plural(spelled) if capitals[2] else spelled
        entry = self._lexicon.entry(word)
        tag = reading(words, place, entry if isinstance(entry, dict) else {})
        if "ˈ" in tag:
            return tag
        sounds = self._lexicon.pronounce(*((tag[1:], "") if tag.startswith("=") else (word, tag)))
        if sounds is None:
            return self._compound(word)
        if word == word.lower():
            return sounds
        return stress_fully(sounds) if word == word.upper() and len(word) > 1 else stress_lightly(sounds)

    def _is_spelled(self, letters: str) -> bool:
        """Whether capitals are said by name: "US", "GPU"; not "NASA", "STOP"."""
        exact = self._lexicon.entry(letters) if self._lexicon.is_checked(letters) else None
        if exact is not None:
            return isinstance(exact, dict) and exact.get("NOUN", "") is None
        if self._lexicon.is_checked(letters.lower()):
            return False
        return len(letters) <= 5

    def _compound(self, word: str) -> str | None:
        """A word in pieces ("self-taught", "OpenAI"), where all of them are known."""
        pieces = [piece for piece in re.split("-", word) if piece]
        if len(pieces) == 1:
            pieces = _HUMP.split(word)
        if len(pieces) == 1:
            return None
        sounds = [self._alone([piece], 0) for piece in pieces]
        known = [sound for sound in sounds if sound]
        return _joined(known) if len(known) == len(sounds) else None

    def _ask(self, words: Sequence[str], alone: list[str | None]) -> None:
        """Fill in what no lexicon has."""
        places = [place for place, word in enumerate(words) if alone[place] is None and word not in MARKS]
        if places:
            askable = [_UNSAYABLE.sub(" ", words[place]) for place in places]
            for place, sounds in zip(places, self._unknown(askable), strict=True):
                alone[place] = sounds


def _fitted(words: Sequence[str], alone: Sequence[str | None]) -> list[str]:
    """Little words as what follows them wants: "the end", "the start", "Come in." """
    fitted = []
    is_vowel_next: bool | None = None
    for place in range(len(words) - 1, -1, -1):
        word, sounds = words[place], alone[place] or ""
        weak = _WEAK.get(word.lower()) if word not in MARKS else None
        if weak is not None and not (word == "A" and not _begins(words, place)):
            before_vowel, before_consonant, before_pause = weak
            sounds = {True: before_vowel, False: before_consonant, None: before_pause}[is_vowel_next]
        elif word == "A":
            sounds = "ˈA"
        fitted.append(word if word in MARKS else sounds.replace("ɾ", "T").replace("ʔ", "t"))
        is_vowel_next = None if word in _PAUSES else _starts_with_vowel(sounds, is_vowel_next)
    return fitted[::-1]


def _begins(words: Sequence[str], place: int) -> bool:
    """Whether a sentence may begin here."""
    return place == 0 or words[place - 1] in MARKS


def _starts_with_vowel(sounds: str, otherwise: bool | None) -> bool | None:
    return next((char in VOWELS for char in sounds if char in VOWELS or char in _CONSONANTS), otherwise)


def _joined(pieces: Sequence[str]) -> str:
    """One word of several: of their main stresses the lighter half is made light."""
    stressed = [index for index, piece in enumerate(pieces) if "ˈ" in piece]
    if len(stressed) < 2:
        return "".join(pieces)
    by_weight = sorted(stressed, key=lambda index: (_weight(pieces[index]), index))
    light = set(by_weight[: len(stressed) // 2])
    return "".join(demote(piece) if index in light else piece for index, piece in enumerate(pieces))


def _weight(sounds: str) -> int:
    """Length, a diphthong or affricate counting double."""
    return sum(2 if char in "AIOQWYʤʧ" else 1 for char in sounds)

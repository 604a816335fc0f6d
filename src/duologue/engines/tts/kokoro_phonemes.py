"""Text -> Kokoro's phonemes, in the nine languages of its voices, without a network.

English goes by misaki's lexicons (``kokoro_english``), with espeak-ng for words that they lack, and by espeak-ng alone
where the ``misaki`` wheel is not installed. Spanish, French, Hindi, Italian and Portuguese go by espeak-ng, as in
Kokoro's own pipeline. Japanese and Chinese go by misaki's converters, whose packages are not part of any extra.
"""

from __future__ import annotations

import functools
import importlib.util
import threading
from collections.abc import Callable, Sequence

from duologue.engines.tts import kokoro_symbols as symbols
from duologue.engines.tts.espeak_phonemes import EspeakPhonemes
from duologue.engines.tts.espeak_sound import speakable
from duologue.engines.tts.kokoro_clauses import clauses, convert, items, whole
from duologue.engines.tts.kokoro_english import English
from duologue.engines.tts.kokoro_lexicon import Lexicon
from duologue.engines.tts.kokoro_symbols import Sound, Vocabulary
from duologue.engines.tts.kokoro_written import Reader
from duologue.errors import EngineUnavailable

# First letter of a voice -> espeak-ng's name of the language, and how its IPA is rewritten.
_BY_ESPEAK: dict[str, tuple[str, Callable[[str], str]]] = {
    "a": ("en-us", symbols.american),
    "b": ("en", symbols.british),
    "e": ("es", symbols.other),
    "f": ("fr", symbols.other),
    "h": ("hi", symbols.other),
    "i": ("it", symbols.other),
    "p": ("pt-br", symbols.other),
}
LANGUAGES = {
    "a": "American English", "b": "British English", "e": "Spanish", "f": "French", "h": "Hindi", "i": "Italian",
    "j": "Japanese", "p": "Brazilian Portuguese", "z": "Chinese",
}  # fmt: skip
# What misaki's converters import, and what brings it. unidic-lite carries its dictionary; unidic downloads one.
_NEEDS = {
    "j": (
        ("misaki", "pyopenjtalk", "fugashi", "jaconv", "mojimoji", "unidic_lite"),
        "pip install misaki pyopenjtalk-plus fugashi jaconv mojimoji unidic-lite",
    ),
    "z": (("misaki", "pypinyin", "cn2an", "jieba"), 'pip install "misaki[zh]"'),
}
_WORDS_KEPT = 4096


class Phonemes:
    """What any thread may ask for the sounds of a text. Languages are made ready when first asked for."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._espeak = EspeakPhonemes()
        self._lock = threading.Lock()
        self._english: dict[str, English | None] = {}
        self._converters: dict[str, Callable[[str], str]] = {}
        self._word = functools.lru_cache(_WORDS_KEPT)(self._one_word)

    def sounds(self, text: str, language: str) -> list[Sound]:
        """The sounds of ``text`` in the language of this letter, spaces and marks between them; [] for none.

        Raises EngineLost, and EngineUnavailable for Japanese and Chinese without their packages.
        """
        clean = speakable(text)
        if language in _NEEDS:
            return whole(clauses(items(clean)), clean, self._converter(language))
        if language not in "ab":
            return convert(clauses(items(clean)), functools.partial(self._lines, language))
        english = self._english_of(language)
        if english is not None:
            return english.sounds(clean)
        said = Reader(is_british=language == "b").read(clean)
        return convert(clauses(said), functools.partial(self._lines, language))

    def close(self) -> None:
        """End espeak-ng's process."""
        self._espeak.close()

    def _english_of(self, language: str) -> English | None:
        """None without the misaki wheel."""
        with self._lock:
            if language not in self._english:
                is_british = language == "b"
                try:
                    lexicon = Lexicon(is_british=is_british)
                except EngineUnavailable:
                    self._english[language] = None
                else:
                    unknown = functools.partial(self._unknown, language)
                    self._english[language] = English(lexicon, unknown, is_british=is_british)
            return self._english[language]

    def _lines(self, language: str, lines: Sequence[str]) -> list[str]:
        name, rewrite = _BY_ESPEAK[language]
        return [rewrite(ipa) for ipa in self._espeak.ipa(name, lines)]

    def _unknown(self, language: str, words: Sequence[str]) -> list[str]:
        return [self._word(language, word) for word in words]

    def _one_word(self, language: str, word: str) -> str:
        return self._lines(language, [word])[0]

    def _converter(self, language: str) -> Callable[[str], str]:
        with self._lock:
            if language not in self._converters:
                why_not = missing(language)
                if why_not:
                    raise EngineUnavailable(why_not)
                self._converters[language] = _misaki(language, self._vocabulary)
            return self._converters[language]


def missing(language: str) -> str:
    """What keeps the language of this letter from being spoken here, and what to do; "" if nothing does."""
    if language in _BY_ESPEAK:
        return ""
    if language not in _NEEDS:
        return f'there is no language "{language}": the first letter of a voice is one of {" ".join(LANGUAGES)}'
    packages, remedy = _NEEDS[language]
    absent = [package for package in packages if importlib.util.find_spec(package) is None]
    return f"{LANGUAGES[language]} needs {', '.join(absent)}: run: {remedy}" if absent else ""


def _misaki(language: str, vocabulary: Vocabulary) -> Callable[[str], str]:
    """misaki's converter. Raises EngineUnavailable where a package that it wants is missing."""
    try:
        if language == "j":
            from misaki.ja import JAG2P

            converter = JAG2P()
        else:
            from misaki.zh import ZHG2P

            # Kokoro 1.1-zh was trained on bopomofo, and has it in its alphabet; 1.0 on IPA.
            converter = ZHG2P(version="1.1" if "ㄅ" in vocabulary else None)
    except ImportError as error:
        _, remedy = _NEEDS[language]
        raise EngineUnavailable(f"{LANGUAGES[language]} needs {error.name}: run: {remedy}") from error
    return lambda clause: str(converter(clause)[0])

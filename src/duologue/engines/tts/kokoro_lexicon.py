"""English words -> Kokoro's phonemes, from the lexicons inside the ``misaki`` wheel.

Kokoro was trained on the output of misaki (Apache-2.0): its symbols are described in misaki's ``EN_PHONES.md``
(https://github.com/hexgrad/misaki). Only its four JSON files are used: 90,000 checked entries ("gold") and as many
unchecked ones ("silver") for each of American and British English. The package itself is not imported: it wants
spaCy, and spaCy a model that it downloads when constructed. What it does with the lexicons is done here: case,
regular endings, stress of words in capitals, letters one by one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path

import msgspec

from duologue.engines.weights import packaged_file

VOWELS = frozenset("AIOQWYaiuæɑɒɔəɛɜɪʊʌᵻɐᵊ")
_PRIMARY, _SECONDARY = "ˈ", "ˌ"
_VOICELESS = frozenset("ptkfθʃsʧ")
_SIBILANTS = frozenset("szʃʒʧʤ")
# Vowels after which American English taps a t: "waited", "waiting".
_TAPPING = frozenset("AIOWYiuæɑəɛɪɹʊʌ")
# What an apostrophe may be followed by, where the whole is not in the lexicon: "Anna'll", "there've".
_CLITICS = {"ll": "ᵊl", "ve": "əv", "re": "əɹ", "m": "m", "em": "əm"}

_MAX_APOSTROPHES = 2

# A pronunciation, or several by part of speech with "DEFAULT" among them, and "None" before a pause.
Entry = str | dict[str, str | None]


class Lexicon:
    """One variety of English. Immutable once made, so any thread may ask."""

    def __init__(self, *, is_british: bool) -> None:
        """Read the lexicons: 0.15 s and 40 MB. Raises EngineUnavailable without the misaki wheel."""
        variety = "gb" if is_british else "us"
        self._is_british = is_british
        self._gold: Mapping[str, Entry] = _read(packaged_file("misaki", f"data/{variety}_gold.json"))
        self._silver: Mapping[str, Entry] = _read(packaged_file("misaki", f"data/{variety}_silver.json"))
        self._reduced = "ɪ" if is_british else "ᵻ"

    def entry(self, word: str) -> Entry | None:
        """What the lexicons have for ``word``, in its own case or, for a capitalised one, in small letters."""
        for name in (word, word.lower(), word.capitalize()):
            found = self._gold.get(name)
            if found is None:
                found = self._silver.get(name)
            if found is not None:
                return found
        return None

    def is_checked(self, word: str) -> bool:
        """Whether ``word``, just as it is, has a checked entry."""
        return word in self._gold

    def pronounce(self, word: str, tag: str) -> str | None:
        """``word`` as the part of speech ``tag``; None where neither it nor its stem is known.

        ``tag``: "NOUN", "VERB", "ADJ", "ADV", "VBD", "VBN", "DT", "None" before a pause, else "".
        """
        word = plain_letters(word)
        found = self.entry(word)
        if found is not None:
            return _chosen(found, tag)
        return self._with_clitic(word, tag) if "'" in word else self._with_ending(word, tag)

    def spell(self, letters: str) -> str:
        """The names of ``letters`` in a row, stressed on the last: "GPU"."""
        names = "".join(_chosen(self._gold.get(letter.upper(), ""), "") for letter in plain_letters(letters))
        lowered = demote(names)
        head, mark, tail = lowered.rpartition(_SECONDARY)
        return head + _PRIMARY + tail if mark else lowered

    def plural(self, sounds: str) -> str:
        """With the ending -s, whatever it means."""
        if sounds[-1:] in _SIBILANTS:
            return sounds + self._reduced + "z"
        return sounds + ("s" if sounds[-1:] in _VOICELESS else "z")

    def _past(self, sounds: str) -> str:
        last = sounds[-1:]
        if last == "d":
            return sounds + self._reduced + "d"
        if last == "t":
            is_tapped = not self._is_british and sounds[-2:-1] in _TAPPING
            return (sounds[:-1] + "ɾ" if is_tapped else sounds) + self._reduced + "d"
        return sounds + ("t" if last in _VOICELESS else "d")

    def _progressive(self, sounds: str) -> str:
        if self._is_british and sounds[-1:] in {"ə", "ː"}:
            return sounds + "ɹɪŋ"
        is_tapped = not self._is_british and sounds[-1:] == "t" and sounds[-2:-1] in _TAPPING
        return (sounds[:-1] + "ɾ" if is_tapped else sounds) + "ɪŋ"

    def _with_clitic(self, word: str, tag: str) -> str | None:
        stem, _, ending = word.rpartition("'")
        # "I'd've" has two; what has many is no word, and each is a call within a call.
        sounds = self.pronounce(stem, tag) if stem and stem.count("'") < _MAX_APOSTROPHES else None
        if sounds is None:
            return None
        if ending == "" or ending.lower() == "s":
            return self.plural(sounds) if ending or sounds[-1:] not in _SIBILANTS else sounds
        if ending.lower() == "d":
            return sounds + ("əd" if sounds[-1:] in "td" else "d")
        clitic = _CLITICS.get(ending.lower())
        return None if clitic is None else sounds + clitic

    def _with_ending(self, word: str, tag: str) -> str | None:
        lower = word.lower()
        if lower.endswith("s") and not lower.endswith("ss"):
            stem = self._stem(word, "s", tag)
            return None if stem is None else self.plural(stem)
        if lower.endswith("ed"):
            stem = self._stem(word, "ed", "VERB")
            return None if stem is None else self._past(stem)
        if lower.endswith("ing"):
            stem = self._stem(word, "ing", "VERB")
            return None if stem is None else self._progressive(stem)
        return None

    def _stem(self, word: str, ending: str, tag: str) -> str | None:
        """What ``word`` without ``ending`` sounds like, the spelling's changes undone: tries, hoped, planning."""
        for stem in _stems(word[: -len(ending)], ending):
            found = self.entry(stem) if len(stem) > 2 else None
            if found is not None:
                return _chosen(found, tag)
        return None


def plain_letters(word: str) -> str:
    """Straight apostrophes, and letters without their accents: the lexicons have "cafe"."""
    straight = word.replace("’", "'").replace("‘", "'")
    return "".join(char for char in unicodedata.normalize("NFKD", straight) if not unicodedata.combining(char))


def demote(sounds: str) -> str:
    """The main stress made a light one, light ones gone; where there is no main one nothing changes."""
    return sounds.replace(_SECONDARY, "").replace(_PRIMARY, _SECONDARY) if _PRIMARY in sounds else sounds


def stress_lightly(sounds: str) -> str:
    """A light stress on the first vowel where there is no stress: capitalised function words."""
    return sounds if _PRIMARY in sounds or _SECONDARY in sounds else _stressed_from_start(sounds, _SECONDARY)


def stress_fully(sounds: str) -> str:
    """A main stress where there is none: words in capitals."""
    if _PRIMARY in sounds:
        return sounds
    if _SECONDARY in sounds:
        return sounds.replace(_SECONDARY, _PRIMARY)
    return _stressed_from_start(sounds, _PRIMARY)


def _stems(bare: str, ending: str) -> list[str]:
    if ending == "s":
        if bare.endswith("ie"):
            return [bare, bare[:-2] + "y"]
        return [bare, bare[:-1]] if bare.endswith("e") else [bare]
    if ending == "ed" and bare.endswith("i"):
        return [bare[:-1] + "y"]
    stems = [bare, bare + "e"] if ending == "ing" else [bare + "e", bare]
    return [*stems, bare[:-1]] if bare[-1:] == bare[-2:-1] else stems


def _stressed_from_start(sounds: str, mark: str) -> str:
    place = next((index for index, char in enumerate(sounds) if char in VOWELS), None)
    return sounds if place is None else sounds[:place] + mark + sounds[place:]


def _chosen(entry: Entry, tag: str) -> str:
    if isinstance(entry, str):
        return entry
    parent = "VERB" if tag.startswith("VB") else tag
    return entry.get(tag) or entry.get(parent) or entry["DEFAULT"] or ""


def _read(path: Path) -> dict[str, Entry]:
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Entry])

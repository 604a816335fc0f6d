"""Written English -> the words that are said, each with its place in the text.

"$3.50 at 9:05" is said "three dollars and fifty cents at nine oh five". The words of an expansion share the place of
what they were made of, so that a word of the text can be timed by all that was said for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from duologue.engines.tts.kokoro_abbreviations import (
    FRACTION_SIGNS,
    ROMAN,
    ROMAN_LETTERS,
    SHORT_TITLES,
    SIGNS,
    TITLES,
    UNITS,
)
from duologue.engines.tts.kokoro_numbers import MONTHS, Numbers, magnitude, month, spelled
from duologue.engines.tts.kokoro_symbols import MARKS


class Said(NamedTuple):
    """A word, or a mark of ``MARKS``; from ``text[start:end]``. "U.S.", with its dots, is said letter by letter."""

    word: str
    start: int
    end: int


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
_ADDRESS = (
    r"(?:https?://)?(?:[\w+-]+(?:\.[\w+-]+)*@)?(?:[\w-]+\.)+(?:com|org|net|edu|gov|io|ai|dev|app|info|uk)\b"
    r"(?:/[\w/.?=&%#-]*[\w/])?"
)
_MAGNITUDE = "thousand|million|billion|trillion|lakh|crore|bn|tn|[kKmMbB]"
_MONTH_NAMES = "|".join(f"{name}|{name[:3]}\\.?" for name in MONTHS) + r"|Sept\.?"
_YEAR_COMES_AFTER = _words("in since by from until till of year before after during circa around mid late early")
_ABBREVIATIONS = "|".join(["dr", "st", "no", "sept", *TITLES, *(name[:3].lower() for name in MONTHS)])
_UNIT_NAMES = "|".join(re.escape(name) for name in sorted(UNITS, key=len, reverse=True))
_FRACTIONS = "½⅓⅔¼¾⅕⅛⅜⅝"
_COUNTED = _words("war chapter part act volume type phase book level section stage appendix rocky version")


class Reader:
    """Reads one variety of English aloud, in words."""

    def __init__(self, *, is_british: bool) -> None:
        self._numbers = Numbers(is_british=is_british)
        # Tried in order. The first two are the commonest, and save trying the others.
        rules: list[tuple[str, Callable[[re.Match[str], list[Said]], str]]] = [
            (r"(?<!\d)[A-Za-z]+(?=[ ,;!?]|$)", self._word),
            (r"(?<!\d) (?=\w)", lambda *_: ""),
            (_ADDRESS, self._address),
            (rf"([$£€¥₹])\s?({_NUMBER})(?:\s?({_MAGNITUDE})\b)?", self._money),
            (r"(\d{4})-(\d\d?)-(\d\d?)(?![\d-])", self._iso_date),
            (r"(\d\d?)/(\d\d?)/(\d{4}|\d\d)(?![\d/])", self._slash_date),
            (r"(\d\d?):([0-5]\d)(?::([0-5]\d))?(?=(\s?[ap]\.?m\b)?)(?![\d:])", self._time),
            (r"(?:\+?\d{1,3}[ .-])?\(?\d{3}\)?[ .-]\d{3}[.-]\d{4}(?!\d)|\d{3}-\d{4}(?!\d)", self._telephone),
            (r"(?<=\d)(?:-|\s?–\s?)(?=[$£€]?\d)", lambda *_: "to"),
            (r"(?<=[\d)])\s+[-−]\s+(?=[(\d])", lambda *_: "minus"),
            (r"(?<=\d)\s*[*x×]\s*(?=\d)", lambda *_: "times"),
            (r"(?<=\d)\s*>\s*(?=\d)", lambda *_: "is greater than"),
            (r"(?<=\d)\s*<\s*(?=\d)", lambda *_: "is less than"),
            (r"(\d+)/(\d+)(?![\d/])", self._fraction),
            (rf"[{_FRACTIONS}]", self._fraction_sign),
            (r"(\d[\d,]*)(?:st|nd|rd|th)\b", lambda found, _: self._numbers.ordinal(found[1])),
            (r"['’]?(\d\d|\d{4})['’]?s\b", lambda found, _: self._numbers.decade(found[1])),
            (r"v?(\d+(?:\.\d+){2,})\b", self._version),
            (r"(?<=\d)\s?([APap])[Mm]\b", lambda found, _: dotted(found[1] + "m")),
            (rf"(?<=\d)(?:\s|-)?({_UNIT_NAMES})(?![\w²³])", self._unit),
            (r"[248]K\b", self._mixed),
            (r"(?<=\d)(k|K|M|bn|B)\b", lambda found, _: magnitude(found[1])),
            (rf"(?<![\w.])[-−]?(?>{_NUMBER})(?![^\W{_FRACTIONS}])|(?<!\w)\.\d+\b", self._number),
            (rf"{_NUMBER}(?=(?:{_UNIT_NAMES}|k|K|M|bn|B)\b)", self._number),
            (r"(?:[A-Za-z]\.){2,}", self._initials),
            (rf"(?i:(?:{_ABBREVIATIONS})\.)(?=\s|$)", self._abbreviation),
            (r"[A-Za-z]*\d\w*", self._mixed),
            (r"['’](?:em|til|tis|twas|cause|bout|round|n)\b", lambda found, _: found[0]),
            (r"[^\W\d_]+(?:['’][^\W\d_]+)*(?:-[^\W\d_]+(?:['’][^\W\d_]+)*)*", self._word),
            (r"\.{3,}|…", lambda *_: "…"),
            (r"#(?=\d)", lambda *_: "number"),
            (r"\s*(?:--+|—|–)\s*|(?<=\s)-(?=\s)", lambda *_: "—"),
            (r"[.!?;:,()]", lambda found, _: found[0]),
            (r'["“”«»]', self._quote),
            (r"\s*\n\s*(?:[-*•]\s+|#+\s+)?", lambda _, said: "," if said and said[-1].word not in MARKS else ""),
            (r"\s+", lambda *_: ""),
            (r"[%&@+=×÷±≈≤≥≠~§µπ√∞°$£€¥₹]", lambda found, _: SIGNS[found[0]]),
        ]
        self._rules = [(re.compile(pattern), say) for pattern, say in rules]

    def read(self, text: str) -> list[Said]:
        """``text`` as words and marks in order. What has no sound is left out."""
        said: list[Said] = []
        place = 0
        while place < len(text):
            for pattern, say in self._rules:
                found = pattern.match(text, place)
                if found is not None and found.end() > place:
                    said.extend(_placed(say(found, said), found))
                    place = found.end()
                    break
            else:
                place += 1
        return said

    def _address(self, found: re.Match[str], _: list[Said]) -> str:
        bare = re.sub(r"^https?://(www\.)?", "", found[0])
        names = {".": "dot", "@": "at", "/": "slash", "-": "dash", "_": "underscore"}
        return " ".join(names.get(part, part) for part in re.findall(r"[A-Za-z]+|\d|[.@/_-]", bare))

    def _money(self, found: re.Match[str], _: list[Said]) -> str:
        return self._numbers.money(found[1], found[2], found[3] or "")

    def _iso_date(self, found: re.Match[str], _: list[Said]) -> str:
        return self._numbers.date(found[1], int(found[2]), int(found[3])) or spelled(re.sub(r"\D", "", found[0]))

    def _slash_date(self, found: re.Match[str], _: list[Said]) -> str:
        first, second = int(found[1]), int(found[2])
        day_first = self._numbers.is_day_first() if max(first, second) <= 12 else first > 12
        day, month_number = (first, second) if day_first else (second, first)
        year = found[3] if len(found[3]) == 4 else f"20{found[3]}"
        return self._numbers.date(year, month_number, day) or spelled(re.sub(r"\D", "", found[0]))

    def _time(self, found: re.Match[str], _: list[Said]) -> str:
        said = self._numbers.clock(int(found[1]), int(found[2]), int(found[3]) if found[3] else None)
        is_oclock_clear = found[4] is not None or re.match(r"\s?o['’]clock", found.string[found.end() :])
        return said.removesuffix(" o'clock") if is_oclock_clear else said

    def _telephone(self, found: re.Match[str], _: list[Said]) -> str:
        return " , ".join(spelled(group) for group in re.findall(r"\d+", found[0]))

    def _fraction(self, found: re.Match[str], said: list[Said]) -> str:
        return _after_whole(self._numbers.fraction(int(found[1]), int(found[2])), found, said)

    def _fraction_sign(self, found: re.Match[str], said: list[Said]) -> str:
        return _after_whole(self._numbers.fraction(*FRACTION_SIGNS[found[0]]), found, said)

    def _version(self, found: re.Match[str], _: list[Said]) -> str:
        return " point ".join(self._numbers.count(part) for part in found[1].split("."))

    def _unit(self, found: re.Match[str], said: list[Said]) -> str:
        name = UNITS[found[1]]
        if not said or said[-1].word != "one" or (len(said) > 1 and said[-2].word == "point"):
            return name
        first, _, rest = name.partition(" ")
        singular = {"feet": "foot", "inches": "inch", "degrees": "degree"}.get(first, first.removesuffix("s"))
        return f"{singular} {rest}".strip() if first not in {"hertz", "percent"} else name

    def _number(self, found: re.Match[str], said: list[Said]) -> str:
        written, before, after = found[0], said[-1].word if said else "", found.string[found.end() :]
        if re.fullmatch(r"\d\d?", written) and 1 <= int(written) <= 31:
            if month(before):
                return self._numbers.ordinal(written)
            if re.match(rf"\s+(?:{_MONTH_NAMES})(?!\w)", after):
                return ("" if before == "the" else "the ") + self._numbers.ordinal(written) + " of"
        if written == "911":
            return spelled(written)
        return self._numbers.year(written) if _is_year(written, said, after) else self._numbers.count(written)

    def _initials(self, found: re.Match[str], _: list[Said]) -> str:
        known = {"e.g.": "for example", "i.e.": "that is", "a.k.a.": "also known as"}
        said = known.get(found[0].lower()) or found[0].upper()
        return said + (" ." if not found.string[found.end() :].strip() else "")

    def _abbreviation(self, found: re.Match[str], said: list[Said]) -> str:
        word, after = found[0][:-1], found.string[found.end() :].lstrip()
        lower = word.lower()
        is_name_next = after[:1].isupper()
        if word.islower() and (is_name_next or not after) and lower not in {"vs", "etc"}:
            return f"{word} ."
        choices = {
            "dr": "doctor" if is_name_next else "drive",
            "st": "saint" if is_name_next and not (said and said[-1].word[:1].isupper()) else "street",
        }
        known = choices.get(lower) or TITLES.get(lower) or (month(word) if word not in MONTHS else "")
        if lower == "no" and after[:1].isdigit():
            known = "number"
        is_end = not after or (is_name_next and lower in {"etc", "inc", "ltd", "co", "corp", "ave", "blvd", "rd"})
        return f"{known} ." if known and is_end else known or f"{word} ."

    def _mixed(self, found: re.Match[str], _: list[Said]) -> str:
        parts = re.findall(r"\d+|[^\W\d_]+", found[0])
        return " ".join(self._numbers.count(part) if part.isdigit() else _letters(part) for part in parts)

    def _word(self, found: re.Match[str], said: list[Said]) -> str:
        word = found[0]
        before = said[-1].word if said else ""
        if word in SHORT_TITLES:
            return SHORT_TITLES[word]
        is_number = word in ROMAN or (word in ROMAN_LETTERS and before.lower() in _COUNTED)
        if is_number and before[:1].isupper():
            number = str(ROMAN.get(word) or ROMAN_LETTERS[word])
            is_counted = before.lower() in _COUNTED
            return self._numbers.count(number) if is_counted else "the " + self._numbers.ordinal(number)
        return word

    def _quote(self, found: re.Match[str], _: list[Said]) -> str:
        if found[0] != '"':
            return {"«": "“", "»": "”"}.get(found[0], found[0])
        before = found.string[: found.start()][-1:]
        return "“" if not before or before.isspace() or before in "([{-—" else "”"


def _placed(said: str, found: re.Match[str]) -> Iterator[Said]:
    """The words of ``said`` at the place of ``found``, less the spaces around it."""
    start = found.start() + len(found[0]) - len(found[0].lstrip())
    end = found.end() - len(found[0]) + len(found[0].rstrip())
    return (Said(word, start, max(start, end)) for word in said.split())


def _after_whole(fraction: str, found: re.Match[str], said: list[Said]) -> str:
    """ "1 1/2" has an "and"."""
    is_mixed = re.search(r"\d\s?$", found.string[: found.start()]) is not None and bool(said)
    return f"and {fraction}" if is_mixed else fraction


def _is_year(written: str, said: list[Said], after: str) -> bool:
    if re.fullmatch(r"1[1-9]\d\d|20[1-9]\d", written) is None:
        return False
    before = said[-1].word.lower() if said else ""
    if before in _YEAR_COMES_AFTER or month(before) or before == ",":
        return True
    return re.match(r"\s+(?:[a-z]+\s+)?(?:[a-z]+s|people|children|men|women|percent)\b", after) is None


def _letters(part: str) -> str:
    """Up to three capitals are said by name; a word stays a word."""
    return dotted(part) if part.isupper() and len(part) < 4 else part


def dotted(letters: str) -> str:
    """ "am" as "A.M.": what is said letter by letter."""
    return "".join(f"{letter.upper()}." for letter in letters)

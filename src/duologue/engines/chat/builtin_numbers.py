"""Numbers as people say them: words to exact fractions, and back to words."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

UNITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = (
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}

# Above this a number read out word by word is noise; it is said as "about ... times ten to the power of ...".
LARGEST_SPOKEN = 10**15
_MAX_DIGITS = 30

_SMALL = {word: i for i, word in enumerate(UNITS + TEENS)} | {
    "nought": 0,
    "nil": 0,
    "oh": 0,
    "a": 1,
    "an": 1,
    "fourty": 40,
    **{word: 10 * (i + 2) for i, word in enumerate(TENS)},
}
_DENOMINATORS = {
    "half": 2,
    "halves": 2,
    "third": 3,
    "quarter": 4,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "ninth": 9,
    "tenth": 10,
    "hundredth": 100,
}
_DENOMINATORS |= {word + "s": n for word, n in _DENOMINATORS.items() if not word.startswith("hal")}
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}


def say_int(n: int) -> str:
    """British words for a whole number: 121 is "one hundred and twenty-one"."""
    if n < 0:
        return "minus " + say_int(-n)
    if n < 20:
        return (UNITS + TEENS)[n]
    if n < 100:
        tens = TENS[n // 10 - 2]
        return tens if n % 10 == 0 else f"{tens}-{UNITS[n % 10]}"
    if n < 1000:
        rest = f" and {say_int(n % 100)}" if n % 100 else ""
        return f"{UNITS[n // 100]} hundred{rest}"
    name = [word for word, size in SCALES.items() if size <= n][-1]
    scale = SCALES[name]
    tail = n % scale
    joint = " and " if 0 < tail < 100 else " "
    return f"{say_int(n // scale)} {name}" + (joint + say_int(tail) if tail else "")


def say_ordinal(n: int) -> str:
    """ "twenty-first" for 21. For 1 to 99."""
    words = say_int(n)
    head, _, last = words.rpartition("-")
    regular = last[:-1] + "ieth" if last.endswith("y") else last + "th"
    last = _ORDINALS.get(last, regular)
    return f"{head}-{last}" if head else last


def say_year(year: int) -> str:
    """ "twenty twenty-six" for 2026."""
    if year % 1000 < 10 or not 1000 <= year <= 9999:
        return say_int(year)
    tail = year % 100
    ending = "hundred" if tail == 0 else f"oh {UNITS[tail]}" if tail < 10 else say_int(tail)
    return f"{say_int(year // 100)} {ending}"


def say_number(value: Fraction) -> str:
    """Words for any fraction: whole, decimal of up to six places, simple fraction, else rounded to four."""
    if abs(value) >= LARGEST_SPOKEN:
        return _say_huge(value)
    if value < 0:
        return "minus " + say_number(-value)
    if value.denominator == 1:
        return say_int(value.numerator)
    if (value * 10**6).denominator == 1:
        return _say_decimal(value, 6)
    whole, rest = divmod(value, 1)
    if rest.denominator <= 10:
        parts = _say_simple_fraction(rest)
        return f"{say_int(int(whole))} and {parts}" if whole else parts
    return "about " + _say_decimal(_to_figures(value, 4), 30)


def _say_simple_fraction(rest: Fraction) -> str:
    name = next(word for word, n in _DENOMINATORS.items() if n == rest.denominator)
    return f"{say_int(rest.numerator)} {name}{'s' if rest.numerator > 1 else ''}"


def _to_figures(value: Fraction, figures: int) -> Fraction:
    """Round to so many places, and to as many figures where the value is smaller than that shows."""
    places = figures
    while places < 24 and abs(value) * 10**places < 10 ** (figures - 2):
        places += 1
    return round(value, places)


def _say_decimal(value: Fraction, places: int) -> str:
    whole, rest = divmod(value, 1)
    digits = str(int(rest * 10**places)).rjust(places, "0").rstrip("0")
    if not digits:
        return say_int(int(whole))
    return f"{say_int(int(whole))} point {' '.join(UNITS[int(d)] for d in digits)}"


def _say_huge(value: Fraction) -> str:
    sign = "minus " if value < 0 else ""
    size = abs(value)
    exponent = len(str(int(size))) - 1
    leading = _say_decimal(round(size / 10**exponent, 2), 2)
    return f"about {sign}{leading} times ten to the power of {say_int(exponent)}"


def read_number(words: Sequence[str], start: int = 0, *, join_and: bool = True) -> tuple[Fraction, int] | None:
    """Read the longest number that begins at ``words[start]``; give it and the index after it.

    ``join_and`` lets "one hundred and five" be one number.
    """
    whole = _read_whole(words, start, join_and=join_and)
    if whole is None:
        return _read_bare_fraction(words, start)
    value, at = whole
    value, at = _read_point(words, value, at)
    return _read_fraction_tail(words, value, at, start)


def _digits(word: str) -> Fraction | None:
    plain = word.replace(",", "")
    if len(plain) > _MAX_DIGITS or not plain.isascii() or not plain.replace(".", "", 1).isdigit():
        return None
    return Fraction(plain.strip(".") or "0")


def _read_whole(words: Sequence[str], start: int, *, join_and: bool) -> tuple[Fraction, int] | None:
    total, current, room, at = Fraction(0), Fraction(0), 10**18, start
    limit: float = 10**18
    while at < len(words):
        word = words[at]
        digits = _digits(word)
        small = digits if digits is not None else _read_small(words, at)
        if small is not None and small < limit:
            current, limit, at = current + small, _next_limit(word, small), at + 1
        elif word == "hundred" and 0 < current < 100:
            current, limit, at = current * 100, 100, at + 1
        elif word in SCALES and current > 0 and SCALES[word] < room:
            room = SCALES[word]
            total, current, limit, at = total + current * room, Fraction(0), 1000, at + 1
        elif word == "and" and join_and and words[at - 1] in {"hundred", *SCALES} and _is_small(words, at + 1):
            at += 1
        else:
            break
    return (total + current, at) if at > start else None


def _read_small(words: Sequence[str], at: int) -> Fraction | None:
    word = words[at]
    if word in {"a", "an"}:
        following = words[at + 1] if at + 1 < len(words) else ""
        return Fraction(1) if following == "hundred" or following in SCALES or following in _DENOMINATORS else None
    return Fraction(_SMALL[word]) if word in _SMALL else None


def _is_small(words: Sequence[str], at: int) -> bool:
    return at < len(words) and words[at] not in {"a", "an"} and (words[at] in _SMALL or words[at].isdigit())


def _next_limit(word: str, small: Fraction) -> float:
    """What may follow within the same number: after "twenty" only one to nine, after "seven" nothing."""
    return 10 if word in TENS and small % 10 == 0 else 0


def _read_point(words: Sequence[str], value: Fraction, at: int) -> tuple[Fraction, int]:
    if at >= len(words) or words[at] != "point":
        return value, at
    scale, after = Fraction(1, 10), at + 1
    while after < len(words) and after - at <= 12:
        word = words[after]
        if word in _SMALL and _SMALL[word] < 10 and word not in {"a", "an"}:
            value, scale = value + _SMALL[word] * scale, scale / 10
        elif word.isascii() and word.isdigit() and len(word) <= 12:
            value, scale = value + int(word) * scale * 10 / 10 ** len(word), scale / 10 ** len(word)
        else:
            break
        after += 1
    return (value, after) if after > at + 1 else (value, at)


def _read_bare_fraction(words: Sequence[str], start: int) -> tuple[Fraction, int] | None:
    """ "half of", "third of": a fraction without a number before it needs the "of" to count as one."""
    if start + 1 < len(words) and words[start] in _DENOMINATORS and words[start + 1] in {"of", "the", "a", "that"}:
        return Fraction(1, _DENOMINATORS[words[start]]), start + 1
    return None


def _read_fraction_tail(words: Sequence[str], value: Fraction, at: int, start: int) -> tuple[Fraction, int]:
    if at < len(words) and words[at] in _DENOMINATORS:
        return value / _DENOMINATORS[words[at]], at + 1
    if list(words[at : at + 2]) == ["and", "a"] and at + 2 < len(words) and words[at + 2] in {"half", "quarter"}:
        return value + Fraction(1, _DENOMINATORS[words[at + 2]]), at + 3
    return value, max(at, start + 1)

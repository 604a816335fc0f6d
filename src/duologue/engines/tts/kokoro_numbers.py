"""English numbers, dates, times and sums of money as they are said."""

from __future__ import annotations

import re

from num2words import num2words

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_MONTH_OF = {name[:length].lower(): name for name in MONTHS for length in (3, len(name))} | {"sept": "September"}
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# More digits than this are read one by one.
_LONGEST_COUNT = 15
_MAGNITUDES = {
    "k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion", "tn": "trillion",
    "thousand": "thousand", "million": "million", "billion": "billion", "trillion": "trillion", "hundred": "hundred",
    "crore": "crore", "lakh": "lakh",
}  # fmt: skip
# Sign -> (one, many, a hundredth of one, hundredths).
_MONEY = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "", ""),
    "₹": ("rupee", "rupees", "paisa", "paise"),
}
_FRACTIONS = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 8: "eighth", 10: "tenth", 16: "sixteenth"}


class Numbers:
    """How one variety of English says numbers: British with "and" ("one hundred and one"), American without."""

    def __init__(self, *, is_british: bool) -> None:
        self._is_british = is_british

    def count(self, written: str) -> str:
        """A cardinal number, with commas, a point and a sign if need be: "-1,200.50"."""
        sign, number = ("minus ", written[1:]) if written[:1] in "-−" else ("", written)
        whole, point, decimals = number.replace(",", "").partition(".")
        if len(whole) > _LONGEST_COUNT or (len(whole) > 1 and whole.startswith("0") and not point):
            return sign + spelled(whole)
        said = self._words(num2words(int(whole))) if whole else ""
        return f"{sign}{said} point {spelled(decimals)}".strip() if decimals else sign + said

    def ordinal(self, written: str) -> str:
        """ "3" and "1,000" as "third" and "one thousandth"."""
        number = written.replace(",", "")
        return self._words(num2words(int(number), to="ordinal")) if len(number) <= _LONGEST_COUNT else spelled(number)

    def year(self, written: str) -> str:
        """ "1987" as "nineteen eighty seven", "1905" as "nineteen oh five"."""
        number = int(written)
        if number % 1000 < 10 or not 1000 <= number <= 9999:
            return self.count(written)
        century, rest = divmod(number, 100)
        if rest == 0:
            return self.count(str(century)) + " hundred"
        return self.count(str(century)) + (" oh " if rest < 10 else " ") + self.count(str(rest))

    def decade(self, written: str) -> str:
        """ "1990", "80" as "nineteen nineties", "eighties"."""
        *head, last = (self.year(written) if len(written) == 4 else self.count(written)).split()
        return " ".join([*head, last[:-1] + "ies" if last.endswith("y") else last + "s"])

    def clock(self, hour: int, minute: int, second: int | None = None) -> str:
        """ "9:05" as "nine oh five", "7:00" as "seven o'clock" (its caller takes that off before "a m")."""
        said = self.count(str(hour))
        if minute == 0 and second is None:
            said += " o'clock" if 1 <= hour <= 12 else " hundred hours"
        else:
            said += f" oh {self.count(str(minute))}" if minute < 10 else f" {self.count(str(minute))}"
        return said if second is None else f"{said} and {self.count(str(second))} second" + "s" * (second != 1)

    def money(self, sign: str, amount: str, magnitude: str = "") -> str:
        """ "$", "3.50" as "three dollars and fifty cents"; "£", "2.5", "m" as "two point five million pounds"."""
        one, many, hundredth, hundredths = _MONEY[sign]
        if magnitude:
            return f"{self.count(amount)} {_MAGNITUDES[magnitude.lower()]} {many}"
        whole, _, decimals = amount.replace(",", "").partition(".")
        if not hundredth or len(decimals) not in {0, 2}:
            return f"{self.count(amount)} {one if amount == '1' else many}"
        parts = []
        if int(whole or 0) or not int(decimals or 0):
            parts.append(f"{self.count(whole or '0')} {one if int(whole or 0) == 1 else many}")
        if int(decimals or 0):
            parts.append(f"{self.count(str(int(decimals)))} {hundredth if int(decimals) == 1 else hundredths}")
        return " and ".join(parts)

    def fraction(self, over: int, under: int) -> str:
        """ "3/4" as "three quarters"; what is no usual fraction as its two numbers: "24/7"."""
        if under not in _FRACTIONS or over >= under:
            return f"{self.count(str(over))} {self.count(str(under))}"
        if over == 1:
            return ("one " if under != 2 else "a ") + _FRACTIONS[under]
        return f"{self.count(str(over))} {_FRACTIONS[under]}s"

    def date(self, year: str, month: int, day: int) -> str:
        """ "2025", 3, 4 as "March fourth, ..." or "the fourth of March, ..."; "" for a day that is none."""
        if not (1 <= month <= 12 and 1 <= day <= 31):
            return ""
        name, ordinal = MONTHS[month - 1], self.ordinal(str(day))
        said = f"the {ordinal} of {name}" if self._is_british else f"{name} {ordinal}"
        return f"{said} , {self.year(year)}" if year else said

    def is_day_first(self) -> bool:
        """Whether 3/4 is in April."""
        return self._is_british

    def _words(self, said: str) -> str:
        plain = said.replace("-", " ").replace(",", "")
        return plain if self._is_british else re.sub(r"\band ", "", plain)


def magnitude(written: str) -> str:
    """ "bn" as "billion"; "" for what is none."""
    return _MAGNITUDES.get(written.lower(), "")


def month(written: str) -> str:
    """ "Sept." as "September"; "" for what is no month."""
    return _MONTH_OF.get(written.rstrip(".").lower(), "")


def spelled(digits: str) -> str:
    """Digit by digit."""
    return " ".join(_DIGITS[int(digit)] for digit in digits)

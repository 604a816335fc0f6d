from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.engines.tts.kokoro_symbols import MARKS
from duologue.engines.tts.kokoro_written import Reader

AMERICAN = Reader(is_british=False)
BRITISH = Reader(is_british=True)


def said(text: str, reader: Reader = AMERICAN) -> str:
    return " ".join(item.word for item in reader.read(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Money.
        ("$3.50", "three dollars and fifty cents"),
        ("$1", "one dollar"),
        ("$0.99", "ninety nine cents"),
        ("£2.5m", "two point five million pounds"),
        ("£1.01", "one pound and one penny"),
        ("€1,200", "one thousand two hundred euros"),
        ("$5 million", "five million dollars"),
        ("¥500", "five hundred yen"),
        # Times and dates.
        ("9:05", "nine oh five"),
        ("7:00 am", "seven A.M."),
        ("7:00", "seven o'clock"),
        ("12:00 o'clock", "twelve o'clock"),
        ("10:30pm", "ten thirty P.M."),
        ("18:45", "eighteen forty five"),
        ("March 3, 2025", "March third , twenty twenty five"),
        ("4 July 1776", "the fourth of July seventeen seventy six"),
        ("Sept. 5th", "September fifth"),
        ("2025-03-04", "March fourth , twenty twenty five"),
        ("12/25/2024", "December twenty fifth , twenty twenty four"),
        ("99/99/2024", "nine nine nine nine two zero two four"),
        # Years, decades, counts.
        ("in 1987", "in nineteen eighty seven"),
        ("1905", "nineteen oh five"),
        ("2007", "two thousand seven"),
        ("1500 people", "one thousand five hundred people"),
        ("1990s", "nineteen nineties"),
        ("the '80s", "the eighties"),
        ("3500", "three thousand five hundred"),
        ("1,000,000", "one million"),
        ("-5", "minus five"),
        ("3.14", "three point one four"),
        (".75", "point seven five"),
        ("007", "zero zero seven"),
        ("12345678901234567", "one two three four five six seven eight nine zero one two three four five six seven"),
        ("3rd", "third"),
        ("1,000th", "one thousandth"),
        # Units.
        ("5 km", "five kilometers"),
        ("1 km", "one kilometer"),
        ("1.1 km", "one point one kilometers"),
        ("20 °C", "twenty degrees Celsius"),
        ("1°F", "one degree Fahrenheit"),
        ("60mph", "sixty miles per hour"),
        ("1 ft", "one foot"),
        ("50%", "fifty percent"),
        ("16 GB", "sixteen gigabytes"),
        ("10k", "ten thousand"),
        ("4K", "four K."),
        # Ranges, fractions, sums.
        ("10-15", "ten to fifteen"),
        ("2020–2024", "twenty twenty to twenty twenty four"),
        ("1/2 cup", "a half cup"),
        ("1 1/2 cups", "one and a half cups"),
        ("2½", "two and a half"),
        ("3/4", "three quarters"),
        ("24/7", "twenty four seven"),
        ("2 + 2 = 4", "two plus two equals four"),
        ("5 - 3", "five minus three"),
        ("3 * 4", "three times four"),
        # Letters and digits.
        ("555-123-4567", "five five five , one two three , four five six seven"),
        ("GPT-4", "GPT four"),
        ("H200", "H. two hundred"),
        ("B2B", "B. two B."),
        ("Python 3.11.7", "Python three point eleven point seven"),
        ("bob@example.org", "bob at example dot org"),
        ("https://www.example.com/docs", "example dot com slash docs"),
        # Abbreviations.
        ("Dr. Smith", "doctor Smith"),
        ("Elm Dr. is", "Elm drive is"),
        ("St. Louis", "saint Louis"),
        ("Main St. is", "Main street is"),
        ("e.g. this", "for example this"),
        ("at 5 a.m.", "at five A.M. ."),
        ("No. 5", "number five"),
        ("I said no.", "I said no ."),
        ("the fig. Then", "the fig . Then"),
        ("in May. Then", "in May . Then"),
        ("etc.", "et cetera ."),
        ("World War II", "World War two"),
        ("World War I", "World War one"),
        ("Mr Jones vs Dr Li", "mister Jones versus doctor Li"),
        ("call 911", "call nine one one"),
        ("Henry VIII", "Henry the eighth"),
        # Marks.
        ('"Hello," she said -- then left...', "“ Hello , ” she said — then left …"),
        ("First\n- second", "First , second"),
        ("*bold* _line_ `code`", "bold line code"),
        ("well-known rock 'n' roll", "well-known rock 'n roll"),
        ("#1 & more", "number one and more"),
    ],
)
def test_american_reading(text: str, expected: str) -> None:
    assert said(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("101", "one hundred and one"),
        ("3/4/2025", "the third of April , twenty twenty five"),
        ("1,234", "one thousand two hundred and thirty four"),
    ],
)
def test_british_reading(text: str, expected: str) -> None:
    assert said(text, BRITISH) == expected


def test_words_keep_their_place() -> None:
    text = "It's $3.50, on March 3."
    places = [(item.word, text[item.start : item.end]) for item in AMERICAN.read(text)]
    assert places == [
        ("It's", "It's"),
        *((word, "$3.50") for word in ("three", "dollars", "and", "fifty", "cents")),
        (",", ","),
        ("on", "on"),
        ("March", "March"),
        ("third", "3"),
        (".", "."),
    ]


@given(st.text(alphabet=st.sampled_from("aAbIV 019.,:-–/'’$€%°½&@#\n\"(…é東म\U0001f600"), max_size=40))
def test_any_text_is_read_in_order_and_without_digits(text: str) -> None:
    items = AMERICAN.read(text)
    assert all(0 <= item.start <= item.end <= len(text) for item in items)
    assert all(item.start < item.end for item in items if item.word not in MARKS)
    assert [item.start for item in items] == sorted(item.start for item in items)
    assert not any(re.search(r"[0-9]", item.word) for item in items)
    assert all(item.word in MARKS or re.search(r"\w|[°%$€@&]", item.word) for item in items)

"""One spelling for both sides, and the rate that comes of it."""

from __future__ import annotations

import sys

import pytest

from duologue.bench.words import normalise, word_errors
from duologue.errors import ConfigError


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("2:30 p.m.", "two thirty pm"),
        ("2.30 p.m.", "2:30 PM"),
        ("at 10:05", "at ten oh five"),
        ("U.S. Investment", "u s investment"),
        ("Hong Kong-based", "hong kong based"),
        ("What's the weather like?", "whats the weather like"),
        ("Mr. Quilter", "mister quilter"),
        ("105", "one hundred and five".replace(" and", "")),
        ("the 21st", "the twenty first"),
        ("$1,200", "one thousand two hundred dollars"),
        ("3.5%", "three point five percent"),
        ("in 1990", "in nineteen ninety"),
        ("Café", "cafe"),
    ],
)
def test_spellings_meet(written: str, spoken: str) -> None:
    assert normalise(written) == normalise(spoken)


def test_small_words_are_not_glued_together() -> None:
    assert normalise("Am I a dog?") == "am i a dog"


def test_errors_are_counted_over_all_words() -> None:
    counted = word_errors([("a b c d e f g h i", "a b c d e f g h"), ("two people", "Two people!"), ("", "noise")])
    assert counted.turns == 2
    assert counted.errors == 1
    assert counted.wer == round(1 / counted.words, 4)


def test_nothing_to_count_is_no_rate() -> None:
    assert word_errors([]).wer is None


def test_without_jiwer_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jiwer", None)
    with pytest.raises(ConfigError, match="pip install"):
        word_errors([("a", "a")])

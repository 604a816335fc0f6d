"""Sums in words and digits, against Python's own arithmetic."""

from __future__ import annotations

import operator
import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from num2words import num2words

from duologue.engines.chat.builtin_numbers import read_number, say_int, say_number, say_year
from duologue.engines.chat.builtin_sums import solve

WORDS = {"plus": operator.add, "minus": operator.sub, "times": operator.mul}
SIGNS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "x": operator.mul}


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("what is seventeen times four", "Seventeen times four is sixty-eight."),
        ("What is 17 times for?", "Seventeen times four is sixty-eight."),
        ("12 plus 30 minus 2", "Twelve plus thirty minus two is forty."),
        ("12 + 30 - 2", "Twelve plus thirty minus two is forty."),
        ("What's half of 90?", "Half of ninety is forty-five."),
        ("15 percent of 80", "Fifteen percent of eighty is twelve."),
        ("15% of 80", "Fifteen percent of eighty is twelve."),
        ("100 plus 15 percent", "One hundred plus fifteen percent is one hundred and fifteen."),
        ("the square root of 81", "The square root of eighty-one is nine."),
        ("square root of two", "The square root of two is about one point four one four two."),
        ("three quarters of 20", "Three quarters of twenty is fifteen."),
        ("um double 40", "Twice forty is eighty."),
        ("2 to the power of 10", "Two to the power of ten is one thousand and twenty-four."),
        ("five squared", "Five squared is twenty-five."),
        ("add five and six", "Five plus six is eleven."),
        ("subtract 3 from 10", "Ten minus three is seven."),
        ("multiply six by seven", "Six times seven is forty-two."),
        ("divide 10 by four", "Ten divided by four is two point five."),
        ("10 divided by 3", "Ten divided by three is three and one third."),
        ("1 divided by 17", "One divided by seventeen is about zero point zero five eight eight."),
        ("how many times does 7 go into 42", "Forty-two divided by seven is six."),
        ("What is one hundred and five plus a thousand?", "One hundred and five plus one thousand is "),
        ("What's 1,000 divided by 8?", "One thousand divided by eight is one hundred and twenty-five."),
        ("what is 5 and 5", "Five plus five is ten."),
        ("Can you tell me what two plus three times four is?", "Two plus three times four is fourteen."),
        ("12x4", "Twelve times four is forty-eight."),
        ("twenty-five minus thirty", "Twenty-five minus thirty is minus five."),
        ("what is minus three plus five", "Minus three plus five is two."),
        ("(2 + 3) * 4", "That is twenty."),
        ("ten divided by zero", "Nobody can divide by zero"),
        ("zero to the power of minus one", "Nobody can divide by zero"),
        ("square root of minus four", "A negative number has no square root"),
        ("9 to the power of 999999999", "That number is too large"),
        ("2 to the power of 100", "Two to the power of one hundred is about one point two seven times ten to "),
    ],
)
def test_works_out(said: str, answer: str) -> None:
    found = solve(said)
    assert found is not None
    assert found.spoken.startswith(answer)


@pytest.mark.parametrize(
    "said",
    [
        "hello",
        "what time is it",
        "I told you three times already",
        "nine to five",
        "five",
        "minus five",
        "times two",
        "half of the people",
        "one of them",
        "count to twenty",
        "I have two dogs and three cats",
        "2 plus",
        "3 divided by 0 plus",
        "9" * 5000 + " plus 1",
        "",
    ],
)
def test_is_no_sum(said: str) -> None:
    assert solve(said) is None


def test_goes_on_from_the_last_result() -> None:
    said = ["times two", "and plus five", "double that", "what is half of that", "divided by 3"]
    assert [found.value for text in said if (found := solve(text, Fraction(20)))] == [
        40,
        25,
        40,
        10,
        Fraction(20, 3),
    ]


@given(st.integers(0, 99_999), st.sampled_from(sorted(WORDS)), st.integers(0, 99_999), st.booleans())
@settings(max_examples=150, deadline=None)
def test_agrees_with_python_in_words(one: int, word: str, other: int, is_spoken: bool) -> None:
    left, right = (num2words(one), num2words(other)) if is_spoken else (str(one), f"{other:,}")
    found = solve(f"Um, what is {left} {word} {right}?")
    assert found is not None
    assert found.value == WORDS[word](one, other)


@given(st.lists(st.tuples(st.sampled_from(sorted(SIGNS)), st.integers(0, 500)), min_size=1, max_size=6))
@settings(max_examples=100, deadline=None)
def test_agrees_with_python_in_chains(terms: list[tuple[str, int]]) -> None:
    """Products before sums, worked out here as a list of products to add."""
    products, sign = [Fraction(7)], 1
    signs = [1]
    for mark, number in terms:
        if mark in "*x":
            products[-1] *= number
        else:
            sign = 1 if mark == "+" else -1
            products.append(Fraction(number))
            signs.append(sign)
    found = solve("7 " + " ".join(f"{mark} {number}" for mark, number in terms))
    assert found is not None
    assert found.value == sum(s * p for s, p in zip(signs, products, strict=True))


@given(st.integers(0, 10**14))
def test_numbers_survive_being_said(n: int) -> None:
    words = re.sub(r"-", " ", say_int(n)).split()
    assert read_number(words) == (n, len(words))


@given(st.fractions(max_denominator=10**6))
@settings(deadline=None)
def test_any_fraction_can_be_said(value: Fraction) -> None:
    assert re.fullmatch(r"[a-z]+(?:[ -][a-z]+)*", say_number(value))


@given(st.text(alphabet="0123456789+-*/^%() x.and of to root percent", max_size=40))
@settings(max_examples=300, deadline=None)
def test_never_fails_on_what_resembles_a_sum(said: str) -> None:
    found = solve(said, Fraction(3))
    assert found is None or re.search("[a-z]", found.spoken)


@pytest.mark.parametrize(
    ("year", "said"),
    [
        (2026, "twenty twenty-six"),
        (1999, "nineteen ninety-nine"),
        (2000, "two thousand"),
        (1905, "nineteen oh five"),
    ],
)
def test_says_years(year: int, said: str) -> None:
    assert say_year(year) == said

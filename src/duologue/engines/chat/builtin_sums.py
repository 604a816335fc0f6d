"""Sums asked in speech: "what is seventeen times four", "15 percent of 80". Exact fractions, no ``eval``.

The words become tokens, the longest stretch of tokens that is a complete sum is parsed by recursive descent
(powers and "of" before products, products before additions), and the answer is said in words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

from duologue.engines.chat.builtin_numbers import read_number, say_number

Token = Fraction | str

_WORDS = re.compile(r"\d[\d,]*(?:\.\d+)?|[a-z]+|[-+*/^%()=]")
_PHRASES = (
    (r"[×·]", "*"),
    (r"÷", "/"),
    (r"[−–—]", "-"),
    (r"√", " root "),
    (r"(\d)\s*x\s*(?=\d)", r"\1 * "),
    (r"([a-z])-(?=[a-z])", r"\1 "),
    (r"\bper cent\b", "percent"),
    (r"\bsquare root(?: of)?\b|\broot of\b|\bsqrt(?: of)?\b", " root "),
    (r"\b(?:multiplied|times'd) by\b", " * "),
    (r"\bdivided (?:by|into)\b", " / "),
    (r"\btake away\b|\bsubtracted by\b", " minus "),
    (r"\badded to\b", " plus "),
    (r"\b(?:raised )?to the power(?: of)?\b", " ^ "),
    (r"\bto the (second|third) power\b", lambda m: " squared " if m[1] == "second" else " cubed "),
    (r"\b(?:double|twice)(?: of)?\b", " 2 of "),
    (r"\btriple(?: of)?\b", " 3 of "),
    (r"\bdozen\b", " 12 "),
    (r"\bthe (?:result|answer|total)\b", " that "),
)
_OPERATORS = {
    "plus": "+",
    "minus": "-",
    "less": "-",
    "negative": "-",
    "times": "*",
    "x": "*",
    "over": "/",
    "percent": "%",
    "squared": "squared",
    "cubed": "cubed",
    "root": "root",
    "of": "of",
    "and": "and",
    "that": "that",
    "it": "that",
} | {sign: sign for sign in "+-*/^%()"}
# What a small transcriber writes where a number was said; only believed straight after an operator.
_SOUNDS_LIKE = {"for": "four", "fore": "four", "to": "two", "too": "two", "won": "one", "ate": "eight"}
_REWRITES = (
    (re.compile(r"\badd (.+?) (?:and|to) (.+)"), r"\1 plus \2"),
    (re.compile(r"\bsubtract (.+?) from (.+)"), r"\2 minus \1"),
    (re.compile(r"\b(?:take|takes) (.+?) from (.+)"), r"\2 minus \1"),
    (re.compile(r"\bmultiply (.+?) (?:by|and|with) (.+)"), r"\1 * \2"),
    (re.compile(r"\bdivide (.+?) by (.+)"), r"\1 / \2"),
    (re.compile(r"\bsum of (.+?) and (.+)"), r"\1 plus \2"),
    (re.compile(r"\bproduct of (.+?) and (.+)"), r"\1 * \2"),
    (re.compile(r"\bdifference between (.+?) and (.+)"), r"\1 minus \2"),
    (re.compile(r"\bdoes (.+?) (?:go|goes|fit) into (.+)"), r": \2 / \1"),
    (re.compile(r"\b(?:add|plus) (?=[\w. ]+$)"), "plus "),
)
_SAID = {"+": "plus", "-": "minus", "*": "times", "/": "divided by", "^": "to the power of", "%": "percent"}
_FOLLOW_UP = re.compile(r"^(?:and |now |then |so |okay |ok |what about |what is |and what is )*")
_BINARY = frozenset("+-*/^")
_COUNTS_AS_SUM = _BINARY | {"of", "squared", "cubed", "root"}

_MAX_TOKENS = 60
_MAX_BITS = 4000


@dataclass(frozen=True)
class Sum:
    """A sum that was heard. ``value`` is None where it has none; ``spoken`` is the answer in words."""

    value: Fraction | None
    spoken: str


class _NotASumError(Exception):
    """These tokens are no complete sum."""


class _NoAnswerError(Exception):
    """A sum, but one without an answer here; the message is speakable."""


def solve(text: str, last: Fraction | None = None) -> Sum | None:
    """Find and work out a sum in ``text``; None where there is none.

    ``last`` is the result that "that" means, and that "times two" on its own goes on from.
    """
    written = _prepare(text)
    for candidate in _candidates(written, last):
        try:
            return _work_out(candidate, last)
        except _NotASumError:
            continue
    return None


def _prepare(text: str) -> str:
    written = text.lower().replace("’", "'")
    written = re.sub(r"\b(what|that|how)'s\b", r"\1 is", written)
    for pattern, replacement in _PHRASES:
        written = re.sub(pattern, replacement, written)
    return re.sub(r"\s+", " ", written).strip()


def _candidates(written: str, last: Fraction | None) -> Iterator[list[Token]]:
    for pattern, replacement in _REWRITES:
        rewritten, found = pattern.subn(replacement, written, count=1)
        if found:
            yield from _stretches(rewritten, last, join_and=True)
    yield from _stretches(written, last, join_and=True)
    if re.search(r"\b(?:what is|how much is)\b", written):
        yield from _additions_by_and(written)


def _stretches(written: str, last: Fraction | None, *, join_and: bool) -> Iterator[list[Token]]:
    """Runs of tokens without a foreign word between them, the longest first."""
    continued = _FOLLOW_UP.sub("", written)
    tokens = _tokens(written, join_and=join_and)
    runs: list[list[Token]] = [[]]
    for token in tokens:
        if token == "?":
            runs.append([])
        else:
            runs[-1].append(token)
    if last is not None:
        follow = _tokens(continued, join_and=join_and)
        if follow and (follow[0] in _BINARY) and "what is" not in written[: len(written) - len(continued)]:
            yield ["that", *follow]
    for run in sorted(runs, key=len, reverse=True):
        yield from _trimmed(run)


def _trimmed(run: list[Token]) -> Iterator[list[Token]]:
    """The run, and the same without words at its ends that belong to the sentence, not to the sum."""
    if len(run) > _MAX_TOKENS:
        return
    loose = {"and", "of", "that", "=", "*"}
    first, after = 0, len(run)
    while first < after and run[first] in loose - {"that"}:
        first += 1
    while after > first and run[after - 1] in loose - {"that"}:
        after -= 1
    yield run[first:after]
    while after > first and run[after - 1] in loose:
        after -= 1
    yield run[first:after]
    while first < after and run[first] in loose:
        first += 1
    yield run[first:after]


def _additions_by_and(written: str) -> Iterator[list[Token]]:
    tokens = [token for token in _tokens(written, join_and=True) if token != "?"]
    if len(tokens) == 3 and tokens[1] == "and":
        yield [tokens[0], "+", tokens[2]]


def _tokens(written: str, *, join_and: bool) -> list[Token]:
    """Numbers as fractions, operators as their sign, every other word as "?"."""
    words = _WORDS.findall(written)
    tokens: list[Token] = []
    at = 0
    while at < len(words):
        after_operator = bool(tokens) and tokens[-1] in _BINARY
        if after_operator and words[at] in _SOUNDS_LIKE:
            words[at] = _SOUNDS_LIKE[words[at]]
        number = read_number(words, at, join_and=join_and)
        if number is not None:
            tokens.append(number[0])
            at = number[1]
            continue
        tokens.append(_OPERATORS.get(words[at], "?"))
        at += 1
    return tokens


def _work_out(tokens: Sequence[Token], last: Fraction | None) -> Sum:
    operators = [token for token in tokens if token in _COUNTS_AS_SUM]
    if not operators or tokens == ["that"]:
        raise _NotASumError
    known = [last if token == "that" and last is not None else token for token in tokens]
    if "that" in known or (len(operators) == 1 and operators[0] == "-" and known[0] == "-"):
        raise _NotASumError
    parser = _Parser(known)
    question = _say(known)
    try:
        value = parser.whole()
    except _NoAnswerError as problem:
        return Sum(None, str(problem))
    answer = say_number(value)
    about = "" if parser.is_exact or answer.startswith("about") else "about "
    return Sum(value, f"{question[0].upper()}{question[1:]} is {about}{answer}.")


def _say(tokens: Sequence[Token]) -> str:
    if "(" in tokens:
        return "that"
    words: list[str] = []
    for at, token in enumerate(tokens):
        follower = tokens[at + 1] if at + 1 < len(tokens) else None
        if isinstance(token, Fraction):
            words.append(_say_share(token) if follower == "of" else say_number(token))
        elif token == "root":
            words.append("the square root of")
        elif not (token == "of" and words[-1] == "twice"):
            words.append(_SAID.get(token, token))
    return " ".join(words)


def _say_share(value: Fraction) -> str:
    """What stands before "of": "half", "three quarters", "twice"."""
    if value == 2:
        return "twice"
    if value == Fraction(1, 2):
        return "half"
    return "three quarters" if value == Fraction(3, 4) else say_number(value)


class _Parser:
    """Recursive descent over one stretch of tokens. ``is_exact`` turns false at a root that does not come out."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self.is_exact = True

    def whole(self) -> Fraction:
        """The value of all the tokens."""
        self._check_shape()
        value = self._addition()
        if self._at != len(self._tokens):
            raise _NotASumError
        return value

    def _check_shape(self) -> None:
        """Refuse before any arithmetic, so that a broken sum is never answered with "cannot divide by zero"."""
        depth, wants_value = 0, True
        for token in self._tokens:
            if isinstance(token, Fraction) or token in {"(", "root"} or (token == "-" and wants_value):
                if not wants_value:
                    raise _NotASumError
                wants_value = not isinstance(token, Fraction)
                depth += token == "("
            elif wants_value:
                raise _NotASumError
            elif token == ")":
                depth -= 1
            elif token not in {"%", "squared", "cubed"}:
                wants_value = True
            if depth < 0:
                raise _NotASumError
        if depth or wants_value:
            raise _NotASumError

    def _peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, *wanted: str) -> str | None:
        token = self._peek()
        if isinstance(token, str) and token in wanted:
            self._at += 1
            return token
        return None

    def _addition(self) -> Fraction:
        value = self._product()
        while sign := self._take("+", "-"):
            start = self._at
            term = self._product()
            if self._at - start == 2 and self._tokens[self._at - 1] == "%":
                term *= value  # "100 plus 15 percent" is meant as a share of the hundred
            value = value + term if sign == "+" else value - term
        return value

    def _product(self) -> Fraction:
        value = self._power()
        while sign := self._take("*", "/"):
            factor = self._power()
            if sign == "/" and factor == 0:
                raise _NoAnswerError("Nobody can divide by zero, I am afraid, and neither can I.")
            value = value * factor if sign == "*" else value / factor
        return value

    def _power(self) -> Fraction:
        if self._take("-"):
            return -self._power()
        value = self._share()
        return _raise(value, self._power()) if self._take("^") else value

    def _share(self) -> Fraction:
        value = self._postfix()
        return value * self._share_or_negative() if self._take("of") else value

    def _share_or_negative(self) -> Fraction:
        return -self._share_or_negative() if self._take("-") else self._share()

    def _postfix(self) -> Fraction:
        value = self._atom()
        while sign := self._take("%", "squared", "cubed"):
            if sign == "%":
                value /= 100
            else:
                value = _raise(value, Fraction(2 if sign == "squared" else 3))
        return value

    def _atom(self) -> Fraction:
        if self._take("root"):
            return self._root(self._share_or_negative())
        if self._take("("):
            value = self._addition()
            if not self._take(")"):
                raise _NotASumError
            return value
        token = self._peek()
        if not isinstance(token, Fraction):
            raise _NotASumError
        self._at += 1
        return token

    def _root(self, value: Fraction) -> Fraction:
        if value < 0:
            raise _NoAnswerError("A negative number has no square root that I could say.")
        top, bottom = isqrt(value.numerator), isqrt(value.denominator)
        if Fraction(top * top, bottom * bottom) == value:
            return Fraction(top, bottom)
        self.is_exact = False
        scale = 10**8
        return round(Fraction(isqrt(value.numerator * scale**2 // value.denominator), scale), 4)


def _raise(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        raise _NoAnswerError("I can only work out whole powers.")
    size = base.numerator.bit_length() + base.denominator.bit_length()
    if abs(exponent) * size > _MAX_BITS:
        raise _NoAnswerError("That number is too large for me to say.")
    if base == 0 and exponent < 0:
        raise _NoAnswerError("Nobody can divide by zero, I am afraid, and neither can I.")
    return Fraction(base ** int(exponent))

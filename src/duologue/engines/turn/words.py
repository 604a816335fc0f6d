"""End of turn from the words alone: no weights, microseconds.

It knows how written English ends. A full stop from a transcriber is weak evidence, because transcribers close
every pause with one; a word that cannot end a sentence is strong evidence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from duologue.engines.base import TurnRequest, TurnResult

UNKNOWN_PROB = 0.5

# Words that ask for another one. Those that often do end a turn ("that", "this", "so", "in") are left out.
_OPEN_WORDS = re.compile(
    r"an?|and|any|as|at|because|but|by|every|for|from|how|if|into|its|my|of|or|our|than|the|their|they|to"
    r"|we|when|where|whether|which|while|who|with|your|(i|you|we|they)'(m|ll|d|re)|(he|she|let)'s|gonna|wanna"
)
_HESITATIONS = re.compile(r"u+m+|u+h+|e+r+m*|h+m+|mm+")
# Short questions end in these all the same: "what for?", "where to?".
_CLOSED_BY_QUESTION = re.compile(r"for|to|at|from|of|with|how|who|where|when|which|by")

_TRAILING_QUOTES = "\"'”’)]»"
_WORD_EDGES = ".,;:!?…-–—\"'“”‘’()[]«»"


def finished_prob(text: str) -> float:
    """How likely ``text``, the words of a turn so far, is a whole turn: a probability in [0, 1].

    0.5 for an empty text, which says nothing either way.
    """
    stripped = text.strip().rstrip(_TRAILING_QUOTES).rstrip()
    if not stripped:
        return UNKNOWN_PROB
    for prob, matches in _RULES:
        if matches(stripped, _last_word(stripped)):
            return prob
    return 0.55


def _last_word(text: str) -> str:
    for word in reversed(text.split()):
        bare = word.strip(_WORD_EDGES).lower().replace("’", "'")
        if bare:
            return bare
    return ""


def _is_open(text: str, word: str) -> bool:
    is_question = text.endswith("?") and _CLOSED_BY_QUESTION.fullmatch(word)
    return _OPEN_WORDS.fullmatch(word) is not None and not is_question


# The first that holds decides; each sees the text and its last word.
_RULES: tuple[tuple[float, Callable[[str, str], bool]], ...] = (
    (0.01, lambda _, word: _HESITATIONS.fullmatch(word) is not None),
    (0.01, lambda text, _: text.endswith(("...", "…", "-", "–", "—"))),
    (0.05, lambda text, _: text.endswith((";", ":"))),
    (0.01, _is_open),
    # A transcriber ends short commands in a comma ("Today,", "No,") as often as clauses.
    (0.4, lambda text, _: text.endswith(",")),
    (0.85, lambda text, _: text.endswith(("?", "!", "？", "！"))),
    (0.7, lambda text, _: text.endswith((".", "。"))),
)


class WordsTurn:
    """TurnDetector that reads ``TurnRequest.text`` and does not listen."""

    name = "words"
    max_batch = 64
    device = "cpu"
    is_realtime = False

    def load(self) -> None:
        """Nothing to bring in."""

    def step(self, requests: Sequence[TurnRequest]) -> list[TurnResult]:
        """One probability a request, from its text."""
        return [TurnResult(end_of_turn_prob=finished_prob(request.text)) for request in requests]

    def close(self) -> None:
        """Nothing to give back."""

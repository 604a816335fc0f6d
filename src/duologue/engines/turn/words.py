"""End of turn from the words alone: no model, microseconds.

English speech as a recogniser writes it. Its full stop says nothing, because it closes every pause with one; what
tells is how the text ends ("the", "I want to" ask for more; "please", "for me" do not), how long the last sentence
is, and whether it is a question, a request without its object, or a clause that waits for another.

Each of these marks adds its weight, in log-odds: a logistic regression. The marks are readable and few, so that the
weights can be argued with.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from duologue.engines.base import TurnRequest, TurnResult
from duologue.engines.turn.endings import ASKING, DIGITS, KIND_OF_ENDING, OPENERS, REQUEST, SUBORDINATORS, VERBS

UNKNOWN_PROB = 0.5
# Hesitations and broken-off words: nobody ends a turn so.
HESITATING_PROB = 0.01
# No text is surer than this: of those that end best, one in ten went on all the same.
LEAST_PROB, MOST_PROB = 0.01, 0.95

_HESITATES = "hesitation"
# In log-odds. Fitted on the user's turns of Schema-Guided Dialogue and Taskmaster-4 (cut where people pause), on the
# pauses of meetings with word times (ICSI, by way of MRDA) and on Switchboard, whole turns and cut ones weighing the
# same. Ends of meeting turns in a hanging word are left out: nobody takes the floor from a caller. On dialogues and
# meetings apart from those, a whole turn got more than a cut one in 79 of 100 pairs,
# and of dialogues that espeak-ng spoke and Moonshine heard in 78.
_WEIGHTS = {
    "always": -1.6,
    "leading on": -3.0,
    "preposition": -1.7,
    "conjunction": -2.7,
    "subject": -2.1,
    "auxiliary": -0.2,
    "wish": -0.7,
    "lacks its object": -0.3,
    "degree": 0.6,
    "hedge": -1.0,
    "demonstrative": 0.3,
    "answer": 2.1,
    "last word": 3.0,
    "courtesy": 2.3,
    "adverb": 2.0,
    "object": 1.3,
    "other ending": 1.2,
    "hesitated lately": -0.4,
    "lone phrase": 0.8,
    "long request": 0.2,
    "number or letter": -0.9,
    "possessive": -1.1,
    "question": 0.3,
    "request + 1": -1.0,
    "request + 2": -0.7,
    "request + 3": -0.5,
    "request alone": 0.5,
    "short question": -0.8,
    "verb inside": -0.2,
    "verb last": -0.4,
    "words: 2": 0.0,
    "words: 22": 0.1,
    "words: 3": 0.6,
    "words: 4": 1.0,
    "words: 6": 1.3,
    # Set by hand: these corpora have few short answers to an assistant, few numbers that are read out, and none of a
    # recogniser's signs. The signs are after what Moonshine writes: a full stop at nearly every pause, a question mark
    # at 5 ends for 4 pauses of made speech and 2 for 1 of recordings, a comma or nothing rather at pauses.
    "greeting": 1.7,
    "words: 1": -0.1,
    "number or letter alone": 0.0,
    "clause that waits": -1.8,
    "being read out": 0.0,
    "stranded preposition": 2.6,
    "ends in ?": 0.6,
    "ends in ？": 0.6,
    "ends in !": 0.5,
    "ends in ！": 0.5,
    "ends in ,": -0.4,
    "ends in ;": -2.0,
    "ends in :": -2.0,
    "ends in no sign": -0.8,
}

_HESITATION = re.compile(r"u+[mh]+|e+r+m*|a+h+m+|h+m+|mm+")
_BROKEN_OFF = ("...", "…", "-", "–", "—")
_WORD = re.compile(r"[^\W_]+(?:['.:][^\W_]+)*")
_AM_PM = re.compile(r"\b([ap])\.?\s?m\b\.?")
_SENTENCE_END = re.compile(r"(?<=[.?!])\s+")
_TRAILING_QUOTES = "\"'”’)]»"
# More than this of a long turn does not change how it ends.
_TAIL_CHARS = 300

_LENGTHS = (1, 2, 3, 4, 6, 22)
_LATELY_WORDS = 6
_LONGEST_PHRASE = max(len(phrase.split()) for phrase in KIND_OF_ENDING)
_MARKS_OF_REQUEST = {0: "request alone", 1: "request + 1", 2: "request + 2", 3: "request + 3", 4: "request + 3"}


def finished_prob(text: str) -> float:
    """How likely ``text``, the words of a turn so far, is a whole turn: a probability in [0, 1].

    Of texts that get 0.9, nine in ten are whole, where whole ones and others are equally many: so its log-odds may
    be added to other evidence as they are. 0.5 for a text without words, which says nothing either way.
    """
    stripped = text.strip().rstrip(_TRAILING_QUOTES).rstrip()
    marks = _marks(stripped)
    if not marks:
        return UNKNOWN_PROB
    if _HESITATES in marks or stripped.endswith(_BROKEN_OFF):
        return HESITATING_PROB
    odds = sum(_WEIGHTS.get(mark, 0.0) for mark in ("always", *marks, _last_sign(stripped)))
    return min(max(1 / (1 + math.exp(-odds)), LEAST_PROB), MOST_PROB)


def _marks(text: str) -> list[str]:
    """What is to be noticed of the text, as names in ``_WEIGHTS``; none where it has no words."""
    tail = _AM_PM.sub(r"\1m.", text[-_TAIL_CHARS:].lower().replace("’", "'"))
    sentence = _SENTENCE_END.split(tail)[-1]
    words = _WORD.findall(tail)
    if not words:
        return []
    marks = _marks_of_end(words)
    if marks[0] == _HESITATES:
        return marks
    said = _WORD.findall(sentence) or words
    marks += _marks_of_sentence(_without_openers(said), marks[0])
    if any(_HESITATION.fullmatch(word) for word in said[-_LATELY_WORDS:]):
        marks.append("hesitated lately")
    if marks[0] not in ("wish", "leading on") and (request := REQUEST.match(sentence)):
        marks.append(_MARKS_OF_REQUEST.get(len(_WORD.findall(sentence[request.end() :])), "long request"))
    return marks


def _marks_of_end(words: Sequence[str]) -> list[str]:
    """How the text ends: the kind first."""
    kind = "being read out" if _is_being_read_out(words) else _kind_of_end(words)
    if kind is not None:
        return [kind]
    last = words[-1]
    if _HESITATION.fullmatch(last):
        return [_HESITATES]
    marks = ["other ending"]
    if last.isdigit() or last in DIGITS or len(last) == 1:
        marks.append("number or letter" if len(words) > 1 else "number or letter alone")
    elif last.endswith("'s"):
        marks.append("possessive")
    return marks


def _kind_of_end(words: Sequence[str]) -> str | None:
    for length in range(min(_LONGEST_PHRASE, len(words)), 0, -1):
        if kind := KIND_OF_ENDING.get(" ".join(words[-length:])):
            return kind
    return None


def _is_being_read_out(words: Sequence[str]) -> bool:
    """Digits and letters, one by one, and fewer than a telephone number has."""
    count = 0
    for word in reversed(words):
        if word not in DIGITS and not (len(word) == 1 and word not in "ai" and word.isascii()):
            break
        count += 1
    return 2 <= count < 7


def _without_openers(words: list[str]) -> list[str]:
    start = 0
    while start < len(words) - 1 and (words[start] in OPENERS or _HESITATION.fullmatch(words[start])):
        start += 1
    return words[start:]


def _marks_of_sentence(words: Sequence[str], kind: str) -> list[str]:
    """What the last sentence is, without "okay, so" before it."""
    if not words:
        return []
    count = len(words)
    marks = [f"words: {max(least for least in _LENGTHS if least <= count)}"]
    if any(word in VERBS for word in words[1:-1]):
        marks.append("verb inside")
    elif words[-1] in VERBS:
        marks.append("verb last")
    elif kind == "other ending" and count <= 3:
        marks.append("lone phrase")
    if words[0] in SUBORDINATORS and (count < 2 or words[1] not in ASKING):
        return [*marks, "clause that waits"] if count < 8 else marks
    if words[0] in ASKING:
        marks.append("question" if count > 3 else "short question")
        if kind == "preposition":
            marks.append("stranded preposition")
    return marks


def _last_sign(text: str) -> str:
    return f"ends in {text[-1]}" if not text[-1].isalnum() else "ends in no sign"


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

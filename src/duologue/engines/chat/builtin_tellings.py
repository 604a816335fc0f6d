"""Long answers that a listener may cut short: stories and counting, and going on where they broke off."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from duologue.engines.base import ChatMessage
from duologue.engines.chat.builtin_heard import make_plain
from duologue.engines.chat.builtin_numbers import read_number, say_int
from duologue.engines.chat.builtin_small_talk import ANOTHER_STORY
from duologue.engines.chat.builtin_stories import STORIES, heard_until, plain_words, rest_of, story_of

LONGEST_COUNT = 100

ASKS_STORY = re.compile(
    r"\b(?:tell|read|hear|want|know|like|give|do|got|have)\b.*\b(?:story|stories|tale|fairytale)\b|^(?:a "
    r"|the )?(?:\w+ )?story(?: time)?$"
    r"|^(?:another|the next|one more|a different|a new) story$"
)
ASKS_GO_ON = re.compile(
    r"^(?:okay |ok |yes |yeah |no |sorry |and |so |all right |alright )*(?:please )?(?:(?:can|could|would) you )?"
    r"(?:go on|go ahead|go|continue|carry on|keep going|keep on|proceed|resume|what happened next"
    r"|what happens next|and then"
    r"|then what|what then|what next|finish (?:it|the story|that)|where were (?:we|you))"
    r"(?: (?:with )?(?:the |that |your )?(?:story|tale|counting|telling|it|now|then|reading))*$"
)
_COUNT = re.compile(r"\bcount(?:ing)?\b(?P<rest>.*)$")
_GO_ON = "Going on, then: "


@dataclass(frozen=True)
class Telling:
    """A long answer: all of its text, and how many of its words the listener has heard."""

    full: str
    words_over: int
    is_story: bool

    @property
    def is_over(self) -> bool:
        """True once only the closing question, or nothing, is left."""
        closing = len(plain_words(ANOTHER_STORY)) if self.is_story else 0
        return self.words_over >= len(plain_words(self.full)) - closing


def story_text(number: int) -> str:
    """A story with the question that closes it."""
    return f"{STORIES[number]} {ANOTHER_STORY}"


def next_story(messages: Sequence[ChatMessage]) -> str:
    """The story that was told longest ago, or not at all."""
    told: list[int] = []
    for message in messages:
        number = story_of(message.content) if message.role == "assistant" else None
        if number is not None:
            told = [n for n in told if n != number] + [number]
    fresh = [n for n in range(len(STORIES)) if n not in told]
    return story_text(fresh[0] if fresh else told[0])


def last_telling(messages: Sequence[ChatMessage]) -> Telling | None:
    """The long answer that "go on" means: the last one begun, with the place where it broke off."""
    telling: Telling | None = None
    asked = ""
    for message in messages:
        if message.role == "user":
            asked = message.content
            counted = count_text(make_plain(asked))
            if counted is not None and "," in counted:
                telling = Telling(counted, 0, False)
        elif message.role == "assistant":
            telling = _after(telling, asked, message.content)
    return telling


def _after(telling: Telling | None, asked: str, answer: str) -> Telling | None:
    number = story_of(answer)
    if number is not None:
        full = story_text(number)
        return Telling(full, heard_until(full, answer), True)
    plain = make_plain(asked)
    if telling is None or not (ASKS_GO_ON.match(plain) or count_text(plain) is not None):
        return telling
    return Telling(telling.full, heard_until(telling.full, answer, telling.words_over), telling.is_story)


def go_on(messages: Sequence[ChatMessage]) -> str | None:
    """The rest of the last telling; None where there is nothing to go on with."""
    telling = last_telling(messages)
    if telling is None:
        return None
    if telling.is_over:
        return f"That was the end of it. {ANOTHER_STORY}" if telling.is_story else "I was done counting."
    return _GO_ON + rest_of(telling.full, telling.words_over)


def count_text(plain: str) -> str | None:
    """What to say to "count to twenty"; None where no counting is asked for."""
    found = _COUNT.search(plain)
    if found is None or not re.search(r"\b(?:to|two|2|till|until|from|down|backwards?|back)\b", found["rest"]):
        return "I can. Say, for instance, count to ten." if re.search(r"\bcan you count$", plain) else None
    bounds = _read_bounds(found["rest"])
    if bounds is None:
        return None
    first, last, step = bounds
    if max(first, last) > 10**9 or abs(last - first) // step >= LONGEST_COUNT:
        return f"That would keep us here too long. I can count over {say_int(LONGEST_COUNT)} numbers at most."
    numbers = range(first, last + 1, step) if last >= first else range(first, last - 1, -step)
    said = ", ".join(say_int(n) for n in numbers) + "."
    return said[0].upper() + said[1:]


def _read_bounds(rest: str) -> tuple[int, int, int] | None:
    """First, last and step of a count, from the words after "count"."""
    begin = _number_after(rest, r"from|at")
    end = _number_after(rest.replace("up to", "to"), r"to|till|until|(?<=^ )two|(?<=^ )2")
    step = _number_after(rest, r"by|steps of|in") or next((n for word, n in _NAMED_STEPS.items() if word in rest), 1)
    if re.search(r"\b(?:down|backwards?|back)\b", rest):
        first = begin if begin is not None else end if end is not None else 10
        last = end if begin is not None and end is not None else 1 if first >= 1 else 0
        return max(first, last), min(first, last), max(step, 1)
    if end is None:
        return None
    return (begin if begin is not None else step if step > 1 else 1), end, max(step, 1)


_NAMED_STEPS = {"twos": 2, "threes": 3, "fives": 5, "tens": 10}


def _number_after(rest: str, markers: str) -> int | None:
    found = re.search(rf"\b(?:{markers})\b (?P<words>.+)", rest)
    if found is None:
        return None
    number = read_number(found["words"].split())
    return int(number[0]) if number is not None and number[0].denominator == 1 else None

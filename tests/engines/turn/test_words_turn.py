from __future__ import annotations

import numpy as np
import pytest

from duologue.engines.base import TurnRequest
from duologue.engines.turn.words import WordsTurn, finished_prob

WHOLE = [
    "Book a room.",
    "Yes please.",
    "No, thank you.",
    "At 3 p.m.",
    "It is five p.m.",
    "That's all I need.",
    "(Of course.)",
    'He said "no."',
    "What's the weather like?",
    "What time is it?",
    "Did you come here by bike?",
    "Can you find me a restaurant?",
    "Hi, I'm Pete. Can you go forward, please?",
    "I don't know.",
    "You live here?",
]
OPEN = [
    "I would like the",
    "I would like the.",
    "And um,",
    "uhh",
    "Well, I'm",
    "It was...",
    "It was…",
    "Because",
    "we could go and",
    "Let’s",
    "But,",
    "What is the?",
    "There is a.",
    "Turn on the.",
    "I think.",
    "You know.",
    "Um, I was wondering if.",
]
# A stop proves nothing here either: each of these lacks what it leads to.
UNFINISHED = [
    "as follows:",
    "Can you.",
    "Can you find me.",
    "I want to.",
    "I want to book.",
    "Give me.",
    "Set a timer for.",
    "If it rains.",
    "When I get home.",
    "Five five five.",
    "My number is five five five.",
    "A B C.",
]
# Whole if they answer something, else perhaps not: left to the sound.
EITHER = ["Yes.", "No.", "Okay.", "Six.", "Today.", "Mountain view.", "Two people.", "Hello.", "Apples, oranges."]


@pytest.mark.parametrize("text", WHOLE)
def test_whole_turns_are_likely(text: str) -> None:
    assert finished_prob(text) >= 0.6


@pytest.mark.parametrize("text", OPEN)
def test_open_ends_are_unlikely(text: str) -> None:
    assert finished_prob(text) <= 0.06


@pytest.mark.parametrize("text", UNFINISHED)
def test_what_lacks_its_object_is_doubted(text: str) -> None:
    assert finished_prob(text) <= 0.4


@pytest.mark.parametrize("text", EITHER)
def test_short_answers_lean_to_neither_side(text: str) -> None:
    assert 0.4 < finished_prob(text) < 0.67


def test_a_full_stop_is_weaker_than_a_question_mark() -> None:
    """Transcribers close every pause with one."""
    assert 0.55 < finished_prob("You live here.") < finished_prob("You live here?")


@pytest.mark.parametrize("sign", [",", "", ";"])
def test_other_signs_are_weaker_than_a_full_stop(sign: str) -> None:
    assert finished_prob(f"I live in Berlin{sign}") < finished_prob("I live in Berlin.")


def test_the_object_makes_a_request_whole() -> None:
    texts = ["I want to book.", "I want to book a room.", "I want to book a room for two people."]
    probs = [finished_prob(text) for text in texts]
    assert probs == sorted(set(probs))


def test_a_telephone_number_is_whole_when_all_its_digits_are_there() -> None:
    assert finished_prob("Five five five one two three four.") > finished_prob("Five five five.")


@pytest.mark.parametrize("text", ["", "   ", '"', "...", "?"])
def test_no_words_say_nothing(text: str) -> None:
    assert finished_prob(text) == 0.5


def test_any_text_gives_a_probability() -> None:
    for text in ["...", "?", "\x00", "123", "ünïcødé", "a" * 10_000, "- - -", "你好。", "Hello. - ."]:
        assert 0.0 <= finished_prob(text) <= 1.0


def test_the_engine_reads_each_request() -> None:
    engine = WordsTurn()
    engine.load()
    audio = np.zeros(0, np.float32)
    texts = ["Hello.", "and", ""]
    results = engine.step([TurnRequest(audio=audio, text=text) for text in texts])
    assert [result.end_of_turn_prob for result in results] == [finished_prob(text) for text in texts]
    engine.close()

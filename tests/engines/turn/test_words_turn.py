from __future__ import annotations

import numpy as np
import pytest

from duologue.engines.base import TurnRequest
from duologue.engines.turn.words import WordsTurn, finished_prob


@pytest.mark.parametrize(
    "text",
    ["Hello.", "What's the weather like?", "Yes!", 'He said "no."', "What for?", "It is five p.m.", "(Of course.)"],
)
def test_whole_turns_are_likely(text: str) -> None:
    assert finished_prob(text) >= 0.7


def test_a_full_stop_is_weaker_than_a_question_mark() -> None:
    """Transcribers close every pause with one."""
    assert 0.55 < finished_prob("You live here.") < finished_prob("You live here?")


@pytest.mark.parametrize(
    "text",
    [
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
        "as follows:",
        "But,",
    ],
)
def test_open_ends_are_unlikely(text: str) -> None:
    assert finished_prob(text) <= 0.05


def test_a_comma_leans_to_more() -> None:
    assert 0.2 < finished_prob("Today,") < 0.5


@pytest.mark.parametrize("text", ["", "   ", '"'])
def test_no_words_say_nothing(text: str) -> None:
    assert finished_prob(text) == 0.5


def test_bare_words_lean_to_neither_side() -> None:
    assert 0.4 < finished_prob("book a room") < 0.7


def test_any_text_gives_a_probability() -> None:
    for text in ["...", "?", "\x00", "123", "ünïcødé", "a" * 10_000, "- - -"]:
        assert 0.0 <= finished_prob(text) <= 1.0


def test_the_engine_reads_each_request() -> None:
    engine = WordsTurn()
    engine.load()
    audio = np.zeros(0, np.float32)
    texts = ["Hello.", "and", ""]
    results = engine.step([TurnRequest(audio=audio, text=text) for text in texts])
    assert [result.end_of_turn_prob for result in results] == [finished_prob(text) for text in texts]
    engine.close()

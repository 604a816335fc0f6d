"""Words that are the assistant's own, as a recogniser hears them by way of the microphone, and words that are not."""

from __future__ import annotations

import pytest

from duologue.session.likeness import said_share

ANSWER = (
    "The weather in Paris today is sunny, with a high of twenty-four degrees. You won't need an umbrella, but it may "
    "be windy by the river in the evening. Would you like to know about tomorrow as well?"
)

ITS_OWN = [
    "with a high of twenty four degrees",
    "With a high off twenty-four degree",
    "the whether in Paris today is sunny",
    "you want need an umbrela but it maybe windy",
    "windy by the river in the evening",
    "sunny with high of twenty for degrees",
    "would you like to no about tomorrow",
    "you won’t need an umbrella",
    "UMBRELLA",
]
NOT_ITS_OWN = [
    "stop",
    "wait a second",
    "no I meant London",
    "what about the weekend",
    "actually can you tell me the time in Tokyo",
    "I don't need that thanks",
    "mm-hm",
    "is it going to be cold in the mountains",
    "could you say that again in French please",
]


@pytest.mark.parametrize("heard", ITS_OWN)
def test_its_own_words_are_known_again(heard: str) -> None:
    assert said_share(heard, ANSWER) >= 0.75


@pytest.mark.parametrize("heard", NOT_ITS_OWN)
def test_what_somebody_else_says_is_not_its_own(heard: str) -> None:
    assert said_share(heard, ANSWER) <= 0.45


def test_the_same_words_in_another_order_are_others() -> None:
    assert said_share("degrees four twenty of high a with", ANSWER) < 0.5


def test_somebody_who_talks_over_it_is_heard_in_part() -> None:
    share = said_share("with a high of twenty four no stop I want to ask something else", ANSWER)
    assert 0.3 < share < 0.7


@pytest.mark.parametrize(("heard", "said"), [("", ANSWER), ("hello", ""), ("", ""), ("...", ANSWER), ("hello", "- -")])
def test_no_words_are_like_nothing(heard: str, said: str) -> None:
    assert said_share(heard, said) == 0.0


def test_what_is_said_word_for_word_is_all_its_own() -> None:
    assert said_share(ANSWER, ANSWER) == 1.0


def test_other_scripts_are_words_too() -> None:
    assert said_share("погода в париже", "Сегодня погода в Париже хорошая.") == 1.0

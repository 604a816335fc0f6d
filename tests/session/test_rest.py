"""What an interruption cut off: said after all, or not."""

from __future__ import annotations

import pytest

from duologue.session.given import Unheard
from duologue.session.rest import Rest
from duologue.session.writing import Writing

pytestmark = pytest.mark.anyio


def _left() -> Unheard:
    return Unheard(Writing.of("the rest of it"), 4)


@pytest.mark.parametrize(
    ("has_rest", "words", "is_over"),
    [
        (False, "", False),
        (False, "Mm-hmm.", True),
        (True, "", False),
        (True, "Mm-hmm.", False),
        (True, "Stop.", True),
    ],
)
async def test_what_takes_the_floor(has_rest: bool, words: str, is_over: bool) -> None:
    assert Rest([_left()] if has_rest else []).is_over(words) is is_over


async def test_who_says_yeah_to_the_last_word_has_answered() -> None:
    assert Rest([_left()], is_long=False).is_over("Yeah.")
    assert not Rest([_left()], is_long=False).is_over("")


async def test_of_two_the_earlier_stays() -> None:
    first, second = _left(), _left()
    rest = Rest([first]).or_else(Rest([second]))
    assert rest.take() == [first]
    assert second.writing.scope.cancel_called
    assert not first.writing.scope.cancel_called
    assert not rest


async def test_with_nothing_before_it_is_the_later() -> None:
    left = _left()
    rest = Rest().or_else(Rest([left]))
    rest.forget()
    assert left.writing.scope.cancel_called

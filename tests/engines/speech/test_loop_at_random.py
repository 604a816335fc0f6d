"""Many conversations that come, go on, are dropped and made again at random: each gets what it would get alone."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from tests.engines.speech.talk import Caller, Talk, alone, asked, noise, spoken

from duologue.engines.base import ChatMessage, SpeechRequest
from duologue.engines.speech.layout import Layout
from duologue.errors import EngineError, Overloaded

_SOUNDS = [spoken(noise(seed, 0.4 + 0.2 * seed)) for seed in range(6)]
_ENDS_AFTER = 12
_cached: dict[str, tuple[str, str]] = {}


@dataclass
class _Person:
    """One conversation: what was said, and the request that is under way."""

    name: str
    said: list[ChatMessage] = field(default_factory=list)
    turn: list[ChatMessage] = field(default_factory=list)
    caller: Caller | None = None
    request: SpeechRequest | None = None


def _expected(layout: Layout, request: SpeechRequest) -> tuple[str, str]:
    said = [(m.role, m.content, None if m.audio is None else len(m.audio)) for m in request.messages]
    name = repr((said, request.wants, request.max_tokens))
    if name not in _cached:
        fresh = alone(layout, request, end_after=_ENDS_AFTER)
        _cached[name] = (fresh.text, fresh.heard)
    return _cached[name]


def _begin(talk: Talk, person: _Person, dice: random.Random) -> None:
    wants = dice.choices(["both", "answer", "transcript", "nothing"], [5, 3, 1, 1])[0]
    person.turn = [dice.choice(_SOUNDS)]
    request = asked(*person.said, *person.turn, conversation=person.name, wants=wants, max_tokens=30)
    person.request, person.caller = request, talk.ask(request)


def _settle(layout: Layout, person: _Person) -> None:
    """The request has ended: compare, and go on in the history, with the turn as text."""
    assert person.caller is not None
    assert person.request is not None
    if person.caller.error is None:
        assert (person.caller.text, person.caller.heard) == _expected(layout, person.request)
        if person.caller.text:
            words = ChatMessage("user", person.caller.heard or "something")
            person.said = [*person.said, words, ChatMessage("assistant", person.caller.text)][-6:]
    else:
        assert isinstance(person.caller.error, Overloaded | EngineError)
    person.caller = None


@pytest.mark.parametrize("seed", range(6))
def test_nobody_notices_the_others(layout: Layout, seed: int) -> None:
    dice = random.Random(seed)
    talk = Talk(layout, rows=dice.choice([1, 2, 4, 8]), end_after=_ENDS_AFTER)
    people = [_Person(str(number)) for number in range(6)]
    for _ in range(250):
        person = dice.choice(people)
        if person.caller is None:
            _begin(talk, person, dice)
        elif person.caller.is_ended:
            _settle(layout, person)
        elif dice.random() < 0.3:
            person.caller.cancel()
            person.caller = None
        if dice.random() < 0.02:
            talk.model.break_next = RuntimeError
        _step(talk)
    talk.model.break_next = None
    talk.run()
    assert all(person.caller is None or person.caller.is_ended for person in people)
    assert not any(row.is_busy for row in talk.loop._rows)
    assert not talk.loop._arrivals.jobs
    again = talk.answer(asked(_SOUNDS[0], wants="both", max_tokens=30))
    assert (again.text, again.heard) == _expected(layout, asked(_SOUNDS[0], wants="both", max_tokens=30))


def _step(talk: Talk) -> None:
    try:
        talk.loop.step()
    except RuntimeError as failure:
        talk.loop.fail(failure)

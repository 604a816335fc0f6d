"""What is added to instructions for a voice."""

from __future__ import annotations

import pytest

from duologue.session.speakable import Speakable
from duologue.session.voice_prompt import VOICE_MANNER, for_voice


@pytest.mark.parametrize("own", ["You are a pirate.", "You are a pirate.\n\n", "Be brief.\nBe kind."])
def test_own_instructions_come_first_and_are_kept(own: str) -> None:
    assert for_voice(own) == f"{own.rstrip()}\n\n{VOICE_MANNER}"


@pytest.mark.parametrize("nothing", ["", " \n"])
def test_without_instructions_the_manner_stands_alone(nothing: str) -> None:
    assert for_voice(nothing) == VOICE_MANNER


def test_twice_is_once() -> None:
    assert for_voice(for_voice("Be kind.")) == for_voice("Be kind.")


def test_it_speaks_as_it_asks_for() -> None:
    speakable = Speakable()
    assert speakable.feed(VOICE_MANNER) + speakable.end() == VOICE_MANNER
    assert len(VOICE_MANNER.split()) < 100

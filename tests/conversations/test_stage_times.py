"""What is told of a turn's stages, for metrics and traces."""

from __future__ import annotations

import pytest

from duologue.engines.scripted import ScriptedChat, ScriptedSynthesizer
from duologue.events import (
    PlayoutCleared,
    PlayoutStopped,
    ReplyAudio,
    ReplyDone,
    ReplyStarted,
    ReplyTimed,
    TurnCommitted,
)
from duologue.items import SessionConfig
from tests.conversations.long_answer import long_answer_engines, until_heard
from tests.conversations.talk import engines, talk

pytestmark = pytest.mark.anyio


async def test_when_the_voice_was_asked_and_when_it_sounded() -> None:
    slow = engines(
        delays_s={"asr": 0.08, "turn": 0.02}, chat=ScriptedChat(first_s=0.06), tts=ScriptedSynthesizer(first_s=0.4)
    )
    async with talk(slow) as (person, _):
        await person.speak(1.0)
        await person.until(PlayoutStopped)
    [timed] = person.heard(ReplyTimed)
    assert timed.text_ms is not None
    assert timed.phrase_ms is not None
    assert timed.spoken_ms is not None
    assert timed.text_ms <= timed.phrase_ms <= timed.text_ms + 20
    assert timed.spoken_ms == pytest.approx(timed.phrase_ms + 400, abs=1)
    assert timed.given_ms >= timed.spoken_ms
    assert person.heard(PlayoutStopped)[0].underruns == 0


async def test_an_answer_in_writing_has_no_voice() -> None:
    async with talk(config=SessionConfig(modality="text")) as (person, _):
        await person.speak(1.0)
        await person.until(ReplyDone)
    [timed] = person.heard(ReplyTimed)
    assert (timed.phrase_ms, timed.spoken_ms) == (None, None)
    assert timed.text_ms is not None


@pytest.mark.parametrize("noises", [1, 2])
async def test_a_false_interruption_is_told_by_the_answer_that_goes_on(noises: int) -> None:
    async with talk(long_answer_engines([], delays_s={"asr": 0.5})) as (person, _):
        await until_heard(person, 2.0)
        for number in range(noises):
            # The second is there before it is known that the first has no words.
            await person.make_noise(0.5)
            await person.until(TurnCommitted, 2 + number)
        await person.until(ReplyAudio, len(person.heard(ReplyAudio)) + 10)
        # A later answer is none of this.
        await person.until(PlayoutStopped)
        await person.speak(1.0)
        await person.until(ReplyDone, len(person.heard(ReplyDone)) + 1)
    assert [event.is_rest for event in person.heard(ReplyStarted)] == [False, True, False]


async def test_a_true_interruption_is_no_false_one() -> None:
    async with talk(long_answer_engines([])) as (person, _):
        await until_heard(person, 2.0)
        await person.speak(1.0)
        await person.until(ReplyDone, 2)
    assert [event.is_rest for event in person.heard(ReplyStarted)] == [False, False]
    assert len(person.heard(PlayoutCleared)) == 1


async def test_how_long_an_interruption_took_to_stop_the_answer() -> None:
    async with talk(long_answer_engines([])) as (person, _):
        await until_heard(person, 2.0)
        await person.speak(1.0)
        await person.until(PlayoutCleared)
    [cleared] = person.heard(PlayoutCleared)
    assert cleared.stop_ms is not None
    assert 0 < cleared.stop_ms < 500

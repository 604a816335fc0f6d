"""What of an answer was heard: its echo in the microphone is nobody, and no word is remembered that was not heard."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncGenerator

import anyio
import numpy as np
import pytest

from duologue.engines.base import (
    SpeakRequest,
    SpeechChunk,
    WordTime,
)
from duologue.engines.scripted import ScriptedStream, ScriptedTranscriber
from duologue.events import (
    PlayoutCleared,
    PlayoutReached,
    PlayoutStarted,
    PlayoutStopped,
    ReplyDone,
    ReplyItemStarted,
    ReplyText,
    SpeechStarted,
)
from duologue.session.interruption import DECIDE_MS
from duologue.session.replies import Ways
from duologue.session.session import Session
from tests.conversations.long_answer import (
    WORD_S,
    long_answer_engines,
    next_turn_is_answered,
    until_heard,
)
from tests.conversations.over_answer import (
    ONSET_S,
    SHORT,
    SHORT_S,
    Ears,
    is_whole,
    verdicts,
)
from tests.conversations.talk import (
    RATE_HZ,
    SILENCE,
    VOICE,
    Person,
    Prompts,
    remembering,
    talk,
)

pytestmark = pytest.mark.anyio


# --- the answer comes back through the microphone -----------------------------------------------------------------


class VoiceLike(ScriptedStream[SpeakRequest, SpeechChunk]):
    """Noise with syllables, which is not like itself a moment later, as a tone is; ``WORD_S`` for each word."""

    voices: tuple[str, ...] = ("noise",)

    def __init__(self) -> None:
        self._random = np.random.default_rng(6)

    async def results(self, request: SpeakRequest) -> AsyncGenerator[SpeechChunk, None]:
        ends = [match.end() for match in re.finditer(r"\S+", request.text)]
        samples = round(len(ends) * WORD_S * RATE_HZ)
        noise = np.convolve(self._random.standard_normal(samples + 63), np.hanning(64) / 32, "valid")
        syllables = 0.55 + 0.45 * np.sin(np.arange(samples) * 2 * np.pi * 4.0 / RATE_HZ)
        sound = (0.25 * 32_767 * noise / np.abs(noise).max() * 3 * syllables).clip(-32_767, 32_767).astype(np.int16)
        times = tuple(
            WordTime(0 if i == 0 else ends[i - 1] + 1, end, i * WORD_S * 1000, (i + 1) * WORD_S * 1000)
            for i, end in enumerate(ends)
        )
        yield SpeechChunk(sound, times)


async def test_an_answer_that_comes_back_is_nobody(ways: Ways) -> None:
    prompts: Prompts = []
    # It hears other words than were said, and takes its time for it.
    asr, delays_s = ScriptedTranscriber("Nice weather it is."), {"asr": 0.1}
    client = long_answer_engines(prompts, asr=asr, tts=VoiceLike(), delays_s=delays_s)
    async with talk(client, ways=ways) as (person, _):
        person.echo_s = 0.12
        await until_heard(person, 1.0)
        await person.until(PlayoutStopped)
        assert is_whole(person)
        await anyio.sleep(4)
        assert len(person.heard(SpeechStarted)) == len(prompts) == 1
        assert set(verdicts(person)) <= {"echo"}
        await next_turn_is_answered(person)


@pytest.mark.parametrize("left_s", [1.0, 0.3, 0.15])
async def test_a_voice_out_of_silence_is_no_echo(ways: Ways, left_s: float) -> None:
    """A few milliseconds of anything can be made of an answer; some clients send exact zeros before them."""
    for later_s in (0.0, 0.04, 0.08, 0.12):
        prompts: Prompts = []
        client = long_answer_engines(prompts, SHORT, asr=Ears())
        async with talk(client, ways=ways) as (person, _):
            await until_heard(person, SHORT_S - left_s + later_s)
            await person.speak(0.8)
            await person.until(ReplyDone, 2)
        assert "echo" not in verdicts(person)
        assert prompts[-1][-1] == ("user", "Please stop.")


async def test_a_voice_is_heard_through_the_echo(ways: Ways) -> None:
    prompts: Prompts = []
    client = long_answer_engines(prompts, asr=Ears(), tts=VoiceLike())
    async with talk(client, ways=ways) as (person, _):
        person.echo_s = 0.12
        await until_heard(person, 3.0)
        onset_s = anyio.current_time()
        await person.speak(1.5)
        await person.until(ReplyDone, 2)
        await anyio.sleep(1)
    assert "interruption" in verdicts(person)
    assert person.times(SpeechStarted)[1] - onset_s <= DECIDE_MS / 1000 + ONSET_S
    # The turn is the user's, without what was echo before.
    assert person.heard(SpeechStarted)[1].at_ms / 1000 >= onset_s - 0.6
    assert prompts[-1][-1] == ("user", "Please stop.")


# --- what is remembered -----------------------------------------------------------------------------------------


async def _disturbances(person: Person, chance: random.Random) -> None:
    """Coughs, backchannels and bangs, for some time."""
    for _ in range(chance.randint(0, 2)):
        await anyio.sleep(chance.uniform(0.1, 0.5))
        act = chance.choice([person.murmur, person.make_noise])
        await act(chance.choice([0.06, 0.12, 0.3, 0.6]))


async def _report(person: Person, item_id: str) -> None:
    """A client that tells what it has played, a few times a second."""
    while True:
        await anyio.sleep(0.2)
        await person.tell(
            PlayoutReached(item_id=item_id, heard_ms=int(person.played_ms(item_id, anyio.current_time())))
        )


async def _interrupted(person: Person, session: Session, prompts: Prompts, chance: random.Random, lag_s: float) -> None:
    """A question, an answer that is disturbed and then interrupted, and what the model is told of it next."""
    asked, begun = len(prompts), len(person.heard(ReplyItemStarted))
    await person.speak(0.3)
    await person.until(ReplyItemStarted, begun + 1)
    item_id = person.heard(ReplyItemStarted)[-1].item.id
    async with anyio.create_task_group() as tasks:
        if lag_s:
            tasks.start_soon(_report, person, item_id)
        await _disturbances(person, chance)
        await anyio.sleep(chance.uniform(0.0, 1.5))
        person.voice = VOICE
        await person.until(PlayoutCleared, len(person.heard(PlayoutCleared)) + 1)
        tasks.cancel_scope.cancel()
    stopped_s = person.times(PlayoutCleared)[-1]
    await anyio.sleep(0.1)
    person.voice = SILENCE
    await person.until(PlayoutStarted, len(person.heard(PlayoutStarted)) + 1)
    assert len(prompts) > asked
    said = "".join(event.text for event in person.heard(ReplyText) if event.item_id == item_id).split()
    words = [word for word in _assistants(prompts[-1]) if _number(word) == _number(said[0])]
    heard_ms = person.played_ms(item_id, stopped_s)
    assert abs(len(words) - heard_ms / 1000 / WORD_S) <= 1, f"{len(words)} words of {heard_ms:.0f} ms"
    assert words == said[: len(words)]


def _numbered(prompt: int) -> str:
    """An answer of 40 words, like no other."""
    return " ".join(f"{prompt}:{word}" for word in range(40))


def _number(word: str) -> str:
    return word.partition(":")[0]


def _assistants(prompt: list[tuple[str, str]]) -> list[str]:
    return " ".join(text for role, text in prompt if role == "assistant").split()


@pytest.mark.parametrize("part", range(5))
@pytest.mark.parametrize("lag_s", [0.0, 0.6], ids=["prompt", "late"])
async def test_no_word_is_remembered_that_was_not_heard(ways: Ways, lag_s: float, part: int) -> None:
    """25 interruptions at random moments, of 500 in all."""
    chance = random.Random(f"{ways.holds_sound} {lag_s} {part}")
    for _ in range(5):
        prompts: Prompts = []
        client = long_answer_engines(prompts, chat=remembering(prompts, _numbered), asr=Ears(), delays_s={"asr": 0.05})
        async with talk(client, ways=ways) as (person, session):
            # Three frames at a time are no less true, and soon over.
            person.lag_s, person.frames = lag_s, 3
            for _ in range(5):
                await _interrupted(person, session, prompts, chance, lag_s)

"""Silence the other way, and other people's noise: whatever does not come, or does not stop, the session hears and
answers the next turn.

What is said while an answer is prepared stands in ``test_overlaps`` and ``test_interruptions``, words that come late
or never in ``test_failures``, and a monologue in ``test_rough_edges``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import numpy as np
import pytest

from duologue.engines.scripted import ScriptedChat, ScriptedSynthesizer, ScriptedTranscriber, ScriptedTurn, ScriptedVad
from duologue.events import (
    IdleTimeout,
    OverlapJudged,
    PlayoutStarted,
    PlayoutStopped,
    ReplyAudio,
    ReplyDone,
    ReplyStarted,
    SpeechStarted,
    SpeechStopped,
    TranscriptDone,
    TurnCommitted,
)
from duologue.items import SessionConfig, TurnDetection
from duologue.session.hearing import STALL_S
from duologue.session.prompts import SILENCE as NOTHING_SAID
from duologue.session.replies import IN_STAGES, Ways
from duologue.session.session import Session
from duologue.session.states import State
from tests.conversations.long_answer import (
    LONG,
    long_answer_engines,
    next_turn_is_answered,
    until_heard,
    words_of,
)
from tests.conversations.talk import (
    COUGH_S,
    MURMUR,
    NOISE,
    SILENCE,
    VOICE,
    Person,
    Prompts,
    UnsureVad,
    engines,
    hear_voices,
    remembering,
    talk,
)

pytestmark = pytest.mark.anyio
IDLE_S = 2.0
IDLE = SessionConfig(show_transcript=True, turn_detection=TurnDetection(idle_timeout_ms=int(IDLE_S * 1000)))


# --- nobody speaks ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def _idle_talk(prompts: Prompts, ways: Ways = IN_STAGES) -> AsyncIterator[Person]:
    """A talk whose first answer has just ended, and whose client wants the assistant to speak up after a while."""
    client = engines(
        chat=remembering(prompts, lambda n: f"Answer {n} is this one."),
        asr=hear_voices("Hello.", "Mm-hm."),
        tts=ScriptedSynthesizer(word_s=0.25),
    )
    async with talk(client, IDLE, ways=ways) as (person, _):
        await person.speak(1.0)
        await person.until(PlayoutStopped)
        yield person
        await person.until(PlayoutStopped, len(person.heard(ReplyStarted)))
        await next_turn_is_answered(person)


async def test_where_nobody_speaks_the_assistant_does() -> None:
    prompts: Prompts = []
    async with _idle_talk(prompts) as person:
        stopped_s = anyio.current_time()
        await person.until(IdleTimeout)
        assert anyio.current_time() - stopped_s == pytest.approx(IDLE_S, abs=0.05)
        await person.until(PlayoutStopped, 2)
        await person.until(IdleTimeout, 2)
        assert person.times(IdleTimeout)[1] - person.times(PlayoutStopped)[1] == pytest.approx(IDLE_S, abs=0.05)
        await person.until(ReplyDone, 3)
    assert prompts[1][-1] == ("user", NOTHING_SAID)
    assert [role for role, _ in prompts[2]] == ["user", "assistant", "user"], "the note is in no history"
    first, second = person.heard(IdleTimeout)[:2]
    assert first.start_ms == person.heard(SpeechStopped)[0].at_ms
    assert second.start_ms == first.end_ms


@pytest.mark.parametrize("sound", [VOICE, MURMUR, NOISE], ids=["voice", "murmur", "noise"])
async def test_sound_over_an_idle_prompt_leaves_the_timeout_armed(ways: Ways, sound: bytes) -> None:
    async with _idle_talk([], ways) as person:
        await person.until(IdleTimeout)
        await person.until(PlayoutStarted, 2)
        person.voice = sound
        await anyio.sleep(0.4)
        person.voice = SILENCE
        await anyio.sleep(0.5)
        await person.until(PlayoutStopped, 2)
        stopped_s = anyio.current_time()
        await person.until(IdleTimeout, 2)
        assert anyio.current_time() - stopped_s == pytest.approx(IDLE_S, abs=0.05)


async def test_who_speaks_is_not_asked_why_he_is_silent() -> None:
    async with _idle_talk([]) as person:
        await anyio.sleep(IDLE_S - 0.3)
        await person.speak(6.0)
        await person.until(ReplyStarted, 2)
        assert not person.heard(IdleTimeout)


@pytest.mark.parametrize("noise_s", [COUGH_S, 0.6])
async def test_a_noise_is_no_answer_to_silence(noise_s: float) -> None:
    async with _idle_talk([]) as person:
        await anyio.sleep(IDLE_S - 0.3)
        await person.make_noise(noise_s)
        await person.until(IdleTimeout, within_s=2 * IDLE_S)


# --- somebody never finishes ------------------------------------------------------------------------------------


async def test_who_cuts_in_and_never_finishes_is_answered_in_the_end(ways: Ways) -> None:
    prompts: Prompts = []
    async with talk(long_answer_engines(prompts), ways=ways) as (person, _):
        await until_heard(person, 1.0)
        # A second at a time is soon over.
        person.frames = 50
        await person.speak(125)
        person.frames = 1
        await person.until(ReplyDone, 2)
        await next_turn_is_answered(person)
    stops_ms = [stopped.at_ms for stopped in person.heard(SpeechStopped)]
    assert stops_ms[1] == pytest.approx(2_300 + 120_000, abs=1_500)


async def test_a_pause_at_each_word_is_one_turn_and_has_an_end() -> None:
    """The model never takes it for over, and each pause is a little longer."""
    client = engines(turn=ScriptedTurn(0.0), asr=hear_voices("and then I"))
    async with talk(client) as (person, _):
        for pause_s in (0.2, 0.3, 0.4, 0.5, 0.6):
            await person.speak(0.4)
            await anyio.sleep(pause_s)
        await person.until(ReplyDone)
        assert len(person.heard(TurnCommitted)) == 1
        await next_turn_is_answered(person)


async def test_a_noise_that_never_ends_leaves_words_in_it_audible(ways: Ways) -> None:
    """It begins over an answer, goes on past its end and past the longest turn."""
    prompts: Prompts = []
    async with talk(long_answer_engines(prompts), ways=ways) as (person, _):
        await until_heard(person, 1.0)
        person.voice = NOISE
        await person.until(PlayoutStopped)
        assert words_of(person, person.heard(ReplyStarted)[0].reply_id) == LONG.split()
        person.frames = 50
        await anyio.sleep(130)
        person.frames = 1
        await person.speak(1.0)
        person.voice = SILENCE
        await person.until(ReplyDone, 2)
        assert prompts[-1][-1] == ("user", "Please stop.")
        await next_turn_is_answered(person)


# --- two people -------------------------------------------------------------------------------------------------


def _both(first: bytes, second: bytes) -> bytes:
    mixed = np.frombuffer(first, "<i2").astype(np.int32) + np.frombuffer(second, "<i2")
    return bytes(mixed.clip(-32_768, 32_767).astype("<i2").tobytes())


async def test_a_second_voice_in_a_turn_is_in_the_turn() -> None:
    """It begins before the first has ended, and ends later."""
    async with talk(engines(asr=hear_voices())) as (person, _):
        for voice, seconds in ((VOICE, 0.8), (_both(VOICE, MURMUR), 0.5), (MURMUR, 1.5)):
            person.voice = voice
            await anyio.sleep(seconds)
        person.voice = SILENCE
        await person.until(ReplyDone)
        assert len(person.heard(SpeechStarted)) == len(person.heard(TurnCommitted)) == 1
        assert person.heard(SpeechStopped)[0].at_ms == pytest.approx(2_800, abs=60)
        await next_turn_is_answered(person)


async def test_a_second_voice_behind_a_turn_is_answered_with_it() -> None:
    """It begins when the first has ended and the answer is all but there: one answer, to both."""
    prompts: Prompts = []
    async with talk(engines(asr=hear_voices("Hello."), chat=remembering(prompts, "Yes.", first_s=1.5))) as (person, _):
        await person.speak(1.0)
        await anyio.sleep(0.5)
        await person.murmur(0.8)
        await person.until(ReplyDone)
        await next_turn_is_answered(person)
    assert len(person.heard(ReplyAudio)) > 0
    assert prompts[-1][0][1].startswith("Hello.")


@pytest.mark.parametrize("gap_s", [0.06, 0.2, 0.5])
async def test_two_people_who_talk_to_each_other_over_an_answer_are_answered_when_they_stop(
    ways: Ways, gap_s: float
) -> None:
    prompts: Prompts = []
    client = long_answer_engines(prompts, asr=hear_voices("Please stop.", "Who is that?"))
    async with talk(client, ways=ways) as (person, _):
        await until_heard(person, 1.0)
        for turn in range(8):
            await (person.speak if turn % 2 else person.murmur)(0.9)
            await anyio.sleep(gap_s)
        await person.until(PlayoutStopped)
        last = person.heard(PlayoutStopped)[0].reply_id
        assert last == person.heard(ReplyStarted)[-1].reply_id, "the last of what they said is answered"
        assert prompts[-1][-1][1].endswith("Please stop.")
        await next_turn_is_answered(person)
    assert person.heard(OverlapJudged)[0].verdict == "interruption"


# --- no words ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "   "])
async def test_a_turn_without_words_has_no_answer_and_the_next_one_has(text: str) -> None:
    heard = [text, text, "Hello."]
    asr = ScriptedTranscriber(hear=lambda _request: heard[min(2, len(person.heard(TurnCommitted)))])
    async with talk(engines(asr=asr)) as (person, _):
        for _ in range(2):
            await person.speak(1.0)
            await anyio.sleep(4)
        assert [done.text for done in person.heard(TranscriptDone)] == ["", ""]
        assert not person.heard(ReplyStarted)
        await next_turn_is_answered(person)


async def test_noise_upon_noise_is_no_turn_to_answer() -> None:
    prompts: Prompts = []
    async with talk(engines(asr=hear_voices(), chat=remembering(prompts, "Yes."))) as (person, _):
        for noise_s in (COUGH_S, 0.3, 0.6, 1.2, 2.4):
            await person.make_noise(noise_s)
            await anyio.sleep(0.7)
        await anyio.sleep(3)
        assert not prompts
        await next_turn_is_answered(person)


# --- no frames --------------------------------------------------------------------------------------------------


async def _bring_to(state: State, person: Person, delays_s: dict[str, float]) -> None:
    """The session into ``state``, by sound that goes on."""
    if state is State.USER or state is State.PAUSE:
        await person.speak(1.0)
        person.voice = SILENCE if state is State.PAUSE else VOICE
        await anyio.sleep(0.16)
    elif state is State.THINKING:
        delays_s["asr"] = 0.4
        await person.speak(1.0)
        await person.until(TurnCommitted)
    else:
        await until_heard(person, 1.0)
        delays_s["asr"] = 0.3
        person.voice = {State.SPEAKING: SILENCE, State.OVERLAPPED: NOISE, State.SUSPECTING: NOISE}.get(state, VOICE)
        await anyio.sleep({State.SUSPECTING: 0.08, State.CONTESTED: 0.3}.get(state, 0.7))


@pytest.mark.parametrize("off_s", [1.2, 40.0])
@pytest.mark.parametrize("state", [state for state in State if state is not State.IDLE])
async def test_frames_that_stop_coming(ways: Ways, state: State, off_s: float) -> None:
    delays_s = {"asr": 0.0}
    vad = UnsureVad() if state is State.SUSPECTING else ScriptedVad()
    client = long_answer_engines([], delays_s=delays_s, chat=ScriptedChat(LONG), vad=vad)
    async with talk(client, ways=ways) as (person, session):
        await _bring_to(state, person, delays_s)
        assert session._turns._machine.state is state
        person.is_sending = False
        await anyio.sleep(STALL_S + 0.6)
        assert _is_decided(session), "what stopped coming is waited for"
        await anyio.sleep(off_s - STALL_S - 0.6)
        delays_s["asr"] = 0.0
        person.voice, person.is_sending = SILENCE, True
        await next_turn_is_answered(person)
    if state in (State.OVERLAPPED, State.SUSPECTING):
        assert person.heard(ReplyDone)[0].status == "completed", "nobody cut in"


def _is_decided(session: Session) -> bool:
    """Nobody waits for the microphone: at most a turn that has paused is not known to be over yet."""
    return session._turns._machine.state in (State.PAUSE, State.THINKING, State.SPEAKING, State.IDLE)

"""Engines fail in mid-talk: the client is told, and the next turn is answered."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest

from duologue.engines.base import TranscribeRequest, TranscribeResult
from duologue.engines.scripted import ScriptedChat, ScriptedSynthesizer, ScriptedTranscriber, ScriptedTurn, ScriptedVad
from duologue.errors import EngineError, EngineLost, Overloaded
from duologue.events import ReplyAudio, ReplyDone, ReplyStarted, ReplyText, TranscriptFailed, TurnCommitted
from duologue.items import SessionConfig
from tests.conversations.broken import (
    BrokenBatch,
    BrokenStream,
    Manner,
    dies_midway,
    gives_nothing,
    hangs,
    hangs_midway,
    is_lost,
)
from tests.conversations.talk import Person, engines, talk

pytestmark = pytest.mark.anyio
SENTENCES = "The first sentence is here. The second sentence is here. The third one too."


async def _fails_then_works(person: Person, within_s: float = 60) -> ReplyDone:
    """Two turns; the end of the first one's reply. The second must be answered in full."""
    await person.speak(1.0)
    await person.until(ReplyDone, within_s=within_s)
    await anyio.sleep(4)
    await person.speak(1.0)
    await person.until(ReplyDone, 2)
    assert person.heard(ReplyDone)[1].status == "completed"
    assert person.heard(ReplyAudio)[-1].reply_id == person.heard(ReplyStarted)[1].reply_id
    return person.heard(ReplyDone)[0]


@pytest.mark.parametrize("error", [EngineError("failed"), EngineLost("gone"), Overloaded("late")])
async def test_a_transcriber_that_fails(error: EngineError) -> None:
    asr = BrokenBatch(ScriptedTranscriber(), error, lambda asked: asked == 0)
    async with talk(engines(asr=asr), SessionConfig()) as (person, _):
        done = await _fails_then_works(person)
    assert (done.status, done.error_code, done.error_message) == ("failed", error.code, error.message)


async def test_a_client_that_wants_transcripts_is_told_that_there_is_none() -> None:
    class FailsAtFirst(ScriptedTranscriber):
        def step(self, requests: Sequence[TranscribeRequest]) -> list[TranscribeResult]:
            if not person.heard(ReplyDone):
                raise EngineError("failed")
            return super().step(requests)

    async with talk(engines(asr=FailsAtFirst())) as (person, _):
        done = await _fails_then_works(person)
    assert done.status == "failed"
    assert [event.code for event in person.heard(TranscriptFailed)] == ["engine_error"]


async def test_a_transcriber_that_hangs() -> None:
    delays_s = {"asr": 3_600.0}
    async with talk(engines(delays_s=delays_s), SessionConfig()) as (person, _):
        await person.speak(1.0)
        await person.until(ReplyDone)
        assert person.times(ReplyDone)[0] < 1.0 + 15.0 + 0.5
        delays_s.clear()
        await person.speak(1.0)
        await person.until(ReplyDone, 2)
    assert [event.status for event in person.heard(ReplyDone)] == ["failed", "completed"]


@pytest.mark.parametrize(
    ("manner", "patience_s", "is_heard"),
    [(is_lost, 0, False), (hangs, 30, False), (dies_midway, 0, True), (hangs_midway, 30, True)],
)
async def test_a_chat_model_that_fails(manner: Manner, patience_s: float, is_heard: bool) -> None:
    chat = BrokenStream(ScriptedChat(SENTENCES), manner)
    async with talk(engines(chat=chat), SessionConfig()) as (person, _):
        done = await _fails_then_works(person)
    assert (done.status, done.error_code) == ("failed", "engine_lost")
    assert bool(done.output) == is_heard
    failed_s = person.times(ReplyDone)[0] - 1.0
    assert patience_s - 0.01 <= failed_s <= patience_s + 3


@pytest.mark.parametrize(
    ("manner", "times", "status"),
    [
        (gives_nothing, 1, "completed"),  # asked again, and nobody notices
        (is_lost, 1, "completed"),
        (hangs, 1, "completed"),
        (gives_nothing, 2, "failed"),
        (is_lost, 2, "failed"),
        (hangs, 2, "failed"),
        (dies_midway, 1, "failed"),
        (hangs_midway, 1, "failed"),
    ],
)
async def test_a_voice_that_fails(manner: Manner, times: int, status: str) -> None:
    tts = BrokenStream(ScriptedSynthesizer(), manner, times)
    async with talk(engines(tts=tts), SessionConfig()) as (person, _):
        done = await _fails_then_works(person)
    assert done.status == status


async def test_a_voice_that_dies_midway_leaves_what_was_said() -> None:
    tts = BrokenStream(ScriptedSynthesizer(), dies_midway)
    async with talk(engines(tts=tts, chat=ScriptedChat(SENTENCES)), SessionConfig()) as (person, _):
        done = await _fails_then_works(person)
    [item] = done.output
    assert item.status == "incomplete"
    assert item.parts[0].text == person.heard(ReplyText)[0].text == "The first sentence is here. "


async def test_an_end_of_turn_model_that_fails_is_done_without() -> None:
    turn = BrokenBatch(ScriptedTurn(), EngineLost("gone"), lambda _: True)
    async with talk(engines(turn=turn), SessionConfig()) as (person, _):
        await person.speak(1.0)
        await person.until(ReplyDone)
    assert 1.3 < person.times(TurnCommitted)[0] < 3.0


@pytest.mark.parametrize("error", [EngineError("failed"), EngineLost("gone"), Overloaded("late")])
async def test_voice_activity_that_fails_now_and_then(error: EngineError) -> None:
    vad = BrokenBatch(ScriptedVad(), error, lambda asked: asked % 10 == 7)
    async with talk(engines(vad=vad), SessionConfig()) as (person, _):
        await person.speak(2.0)
        await person.until(ReplyDone)


async def test_voice_activity_that_is_gone_for_good_ends_the_turn_all_the_same() -> None:
    vad = BrokenBatch(ScriptedVad(), EngineLost("gone"), lambda asked: asked > 30)
    async with talk(engines(vad=vad), SessionConfig()) as (person, _):
        await person.speak(2.0)
        await person.until(TurnCommitted, within_s=15)


async def test_a_chat_model_that_never_stops_talking_ends_its_reply_and_not_the_session() -> None:
    async with talk(engines(chat=ScriptedChat("Yes indeed sir. " * 6_000)), SessionConfig()) as (person, _):
        await person.speak(1.0)
        await person.until(ReplyAudio)
        await anyio.sleep(1)
        await person.speak(1.0)
        await person.until(ReplyStarted, 2)


async def test_a_chat_model_that_says_nothing_is_an_empty_answer() -> None:
    async with talk(engines(chat=BrokenStream(ScriptedChat(), gives_nothing)), SessionConfig()) as (person, _):
        done = await _fails_then_works(person)
    assert (done.status, done.output) == ("completed", ())

"""Clients that say themselves when a turn is over."""

from __future__ import annotations

import anyio
import pytest

from duologue.engines.scripted import TRANSCRIPT
from duologue.events import (
    AppendAudio,
    AudioCleared,
    ClearAudio,
    CommitAudio,
    Configure,
    CreateReply,
    DeleteItem,
    Failed,
    ItemAdded,
    ReplyAudio,
    ReplyDone,
    ReplyStarted,
    SpeechStarted,
    SpeechStopped,
    TranscriptDelta,
    TranscriptDone,
    TurnCommitted,
)
from duologue.items import SessionConfig, TurnDetection
from tests.conversations.talk import SILENCE, VOICE, Person, Prompts, engines, hear_voices, remembering, talk

pytestmark = pytest.mark.anyio
BY_HAND = SessionConfig(turn_detection=None, show_transcript=True)


@pytest.mark.parametrize("asr_s", [0.0, 0.02, 0.5, 3.0])
async def test_push_to_talk(asr_s: float) -> None:
    prompts: Prompts = []
    client = engines(chat=remembering(prompts, "Yes."), asr=hear_voices("Hello."), delays_s={"asr": asr_s})
    async with talk(client, BY_HAND) as (person, _):
        await person.speak(1.0)
        await person.tell(CommitAudio())
        await person.tell(CreateReply())
        await person.until(ReplyDone)
    assert prompts == [[("user", "Hello.")]]
    assert not person.heard(SpeechStarted)
    assert [event.text for event in person.heard(TranscriptDone)] == ["Hello."]
    names = [name for name in person.names() if name != "TranscriptDelta"]
    assert names[:3] == ["TurnCommitted", "ItemAdded", "ItemDone"]


async def test_a_turn_deleted_before_its_words_are_known_is_not_asked_about() -> None:
    prompts: Prompts = []
    client = engines(chat=remembering(prompts, "Yes."), delays_s={"asr": 1.0})
    async with talk(client, BY_HAND) as (person, _):
        for _ in range(2):
            await person.speak(1.0)
            await person.tell(CommitAudio())
            await anyio.sleep(0.1)
        await person.tell(DeleteItem(item_id=person.heard(TurnCommitted)[1].item_id))
        await person.tell(CreateReply())
        await person.until(ReplyDone)
    assert prompts == [[("user", TRANSCRIPT)]]


async def test_nothing_happens_until_the_client_says_so() -> None:
    async with talk(config=BY_HAND) as (person, _):
        await person.speak(2.0)
        await anyio.sleep(10)
        shown = person.heard(TranscriptDelta)
        assert len(person.log) == len(shown) >= 1, "nothing but words while they are said"
        await person.tell(CommitAudio())
        await anyio.sleep(3)
    [committed] = person.heard(TurnCommitted)
    assert {delta.item_id for delta in shown} == {committed.item_id}
    assert not person.heard(ReplyStarted)


async def test_each_commit_takes_what_came_since_the_last() -> None:
    async with talk(config=BY_HAND) as (person, _):
        for _ in range(3):
            await person.speak(1.0)
            await person.tell(CommitAudio())
            await anyio.sleep(0.5)
    lengths = [event.audio_s for event in person.heard(TranscriptDone)]
    assert lengths == pytest.approx([1.0, 1.5, 1.5], abs=0.06)


async def test_what_is_cleared_is_forgotten() -> None:
    async with talk(config=BY_HAND) as (person, _):
        await person.speak(2.0)
        await person.tell(ClearAudio())
        await person.speak(0.5)
        await person.tell(CommitAudio())
        await person.until(TranscriptDone)
    assert len(person.heard(AudioCleared)) == 1
    assert person.heard(TranscriptDone)[0].audio_s == pytest.approx(0.5, abs=0.06)


async def test_too_little_sound_cannot_be_committed() -> None:
    async with talk(config=BY_HAND) as (person, _):
        person.is_sending = False
        await person.tell(CommitAudio(ref="empty"))
        await person.tell(AppendAudio(pcm=VOICE * 4))
        await person.tell(CommitAudio(ref="short"))
        await person.tell(AppendAudio(pcm=VOICE * 4))
        await person.tell(CommitAudio(ref="enough"))
        await anyio.sleep(1)
    assert [(event.ref, event.code) for event in person.heard(Failed)] == [
        ("empty", "input_audio_buffer_commit_empty"),
        ("short", "input_audio_buffer_commit_empty"),
    ]
    assert len(person.heard(TurnCommitted)) == 1


async def test_user_sound_does_not_interrupt_by_hand() -> None:
    async with talk(config=BY_HAND) as (person, _):
        await person.speak(1.0)
        await person.tell(CommitAudio())
        await person.tell(CreateReply())
        await person.until(ReplyAudio)
        await person.speak(3.0)
        await person.until(ReplyDone)
    assert person.heard(ReplyDone)[0].status == "completed"


# --- by hand beside the server's own detection -------------------------------------------------------------------


@pytest.mark.parametrize("event", [CommitAudio(), ClearAudio()])
async def test_a_hand_on_an_open_turn_ends_it(event: CommitAudio | ClearAudio) -> None:
    async with talk() as (person, _):
        await person.speak(1.0)
        await person.tell(event)
        await anyio.sleep(4)
        assert not person.heard(ReplyStarted)
        assert len(person.heard(TurnCommitted)) == isinstance(event, CommitAudio)
        await person.speak(1.0)
        await person.until(ReplyDone)


async def test_a_commit_in_mid_word_goes_on_as_the_next_turn() -> None:
    async with talk() as (person, _):
        person.voice = VOICE
        await anyio.sleep(1.0)
        await person.tell(CommitAudio())
        await anyio.sleep(1.0)
        person.voice = SILENCE
        await person.until(ReplyDone)
    starts, stops = person.heard(SpeechStarted), person.heard(SpeechStopped)
    assert len(starts) == len(stops) == len(person.heard(TurnCommitted)) == 2
    assert starts[1].at_ms >= stops[0].at_ms


async def test_a_commit_that_is_refused_does_not_lose_the_floor() -> None:
    config = SessionConfig(turn_detection=TurnDetection(prefix_padding_ms=0))
    async with talk(config=config) as (person, _):
        person.is_sending = False
        await person.tell(AppendAudio(pcm=VOICE * 4))
        await person.until(SpeechStarted)
        await person.tell(CommitAudio())
        person.is_sending = True
        await anyio.sleep(10)
        await person.speak(1.0)
        await person.until(ReplyDone, 2)
    assert person.heard(Failed)
    assert len(person.heard(SpeechStarted)) == len(person.heard(SpeechStopped)) == 2


async def _in_mid_turn(person: Person, config: SessionConfig) -> None:
    person.voice = VOICE
    await anyio.sleep(1.0)
    await person.tell(Configure(config=config))
    await anyio.sleep(1.0)
    person.voice = SILENCE
    await anyio.sleep(4)


async def test_taking_over_in_mid_turn_closes_it_unanswered() -> None:
    async with talk() as (person, _):
        await _in_mid_turn(person, BY_HAND)
        assert len(person.heard(SpeechStopped)) == 1
        assert not person.heard(TurnCommitted) + person.heard(ReplyStarted)
        await person.tell(CommitAudio())
        await person.tell(CreateReply())
        await person.until(ReplyDone)
    assert len(person.heard(ItemAdded)) == 1


async def test_handing_back_in_mid_word_opens_a_turn() -> None:
    async with talk(config=BY_HAND) as (person, _):
        await _in_mid_turn(person, SessionConfig())
        await person.until(ReplyDone)
    assert len(person.heard(TurnCommitted)) == 1


async def test_taking_over_is_in_force_for_the_very_next_sound() -> None:
    async with talk() as (person, _):
        person.is_sending = False
        for _ in range(20):
            await person.tell(AppendAudio(pcm=SILENCE * 5))
        await person.tell(Configure(config=BY_HAND))
        for _ in range(20):
            await person.tell(AppendAudio(pcm=VOICE * 5))
        await anyio.sleep(2)
    assert person.log == []

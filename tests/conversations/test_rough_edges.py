"""Events that come when nobody expects them: each leaves the talk able to go on."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio
import pytest

from duologue.engines.base import ChatDelta, ChatRequest
from duologue.engines.scripted import ScriptedChat, ScriptedStream, ScriptedSynthesizer, ScriptedTurn
from duologue.errors import ClientError
from duologue.events import (
    AppendAudio,
    ClearAudio,
    ClearPlayout,
    CommitAudio,
    Configure,
    CreateItem,
    CreateReply,
    DeleteItem,
    Failed,
    IdleTimeout,
    PlayoutCleared,
    PlayoutStarted,
    PlayoutStopped,
    ReplyAudio,
    ReplyDone,
    ReplyItemDone,
    SpeechStarted,
    SpeechStopped,
    TranscriptDelta,
    TranscriptDone,
    TranscriptFailed,
    TruncateItem,
    TurnCommitted,
)
from duologue.items import Message, Part, ReplyOptions, SessionConfig, TurnDetection
from duologue.session.answers import MOST_ASIDE
from tests.conversations.talk import VOICE, Person, Prompts, engines, remembering, talk
from tests.virtual_time import VIRTUAL

pytestmark = pytest.mark.anyio
SPOKEN = Part(kind="input_audio", pcm=VOICE * 50)


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


# --- the loudspeaker --------------------------------------------------------------------------------------------


async def test_clearing_the_playout_leaves_an_answer_that_has_not_sounded() -> None:
    async with talk(engines(delays_s={"asr": 1.0})) as (person, _):
        await person.speak(1.0)
        await person.until(TurnCommitted)
        await person.tell(ClearPlayout())
        await person.until(ReplyDone)
    assert person.heard(ReplyDone)[0].status == "completed"


async def test_clearing_the_playout_leaves_an_answer_in_writing() -> None:
    async with talk(engines(chat=ScriptedChat(word_s=0.2)), SessionConfig(modality="text")) as (person, _):
        await person.tell(CreateReply())
        await anyio.sleep(0.5)
        await person.tell(ClearPlayout())
        await person.until(ReplyDone)
    assert person.heard(ReplyDone)[0].status == "completed"


async def _two_answers(person: Person) -> tuple[str, str]:
    """Both are all sent, and the first still sounds. The ids of the two."""
    for number in (1, 2):
        await person.tell(CreateReply())
        await person.until(ReplyDone, number)
    first, second = (done.reply_id for done in person.heard(ReplyDone))
    return first, second


async def test_one_answer_sounds_at_a_time() -> None:
    async with talk(engines(tts=ScriptedSynthesizer(phrase_s=1.0))) as (person, _):
        first, second = await _two_answers(person)
        await person.until(PlayoutStopped, 2)
    told = [
        (type(event), event.reply_id) for _, event in person.log if isinstance(event, PlayoutStarted | PlayoutStopped)
    ]
    assert told == [
        (PlayoutStarted, first), (PlayoutStopped, first), (PlayoutStarted, second), (PlayoutStopped, second),
    ]  # fmt: skip


async def test_an_answer_begins_when_the_one_before_it_is_cut_off() -> None:
    async with talk(engines(tts=ScriptedSynthesizer(phrase_s=1.8))) as (person, _):
        first, second = await _two_answers(person)
        item = person.heard(ReplyItemDone)[0].item
        cut_s = anyio.current_time()
        await person.tell(TruncateItem(item_id=item.id, audio_end_ms=100))
        await person.until(PlayoutStopped)
    assert [cleared.reply_id for cleared in person.heard(PlayoutCleared)] == [first]
    assert [started.reply_id for started in person.heard(PlayoutStarted)] == [first, second]
    assert person.times(PlayoutStarted)[1] == pytest.approx(cut_s, abs=0.05)
    assert person.times(PlayoutStopped)[0] == pytest.approx(cut_s + 1.8, abs=0.05)


# --- the microphone ---------------------------------------------------------------------------------------------


async def test_no_idle_timeout_once_it_is_off() -> None:
    config = SessionConfig(turn_detection=TurnDetection(idle_timeout_ms=2_000))
    async with talk(config=config) as (person, _):
        await person.speak(1.0)
        await person.until(PlayoutStopped)
        await person.tell(Configure(config=SessionConfig(turn_detection=None)))
        await anyio.sleep(6)
    assert not person.heard(IdleTimeout)


async def test_words_of_sound_that_is_cleared_have_an_end() -> None:
    async with talk() as (person, _):
        await person.speak(3)
        await person.tell(ClearAudio())
        await anyio.sleep(3)
    [failed] = person.heard(TranscriptFailed)
    assert failed.item_id == person.heard(TranscriptDelta)[0].item_id
    assert not person.heard(TranscriptDone)


@pytest.mark.parametrize("answers", [False, True])
async def test_somebody_who_speaks_for_minutes_is_heard_throughout(answers: bool) -> None:
    async with talk(config=SessionConfig(show_transcript=True, turn_detection=TurnDetection(create_reply=answers))) as (
        person,
        _,
    ):
        await person.speak(260)
        await anyio.sleep(5)
    starts = [started.at_ms for started in person.heard(SpeechStarted)]
    stops = [stopped.at_ms for stopped in person.heard(SpeechStopped)]
    assert len(starts) == len(stops) == 3
    assert all(abs(begun - ended) < 1_000 for begun, ended in zip(starts[1:], stops, strict=False))
    assert stops[-1] == pytest.approx(260_000, abs=500)
    assert len(person.heard(TranscriptDone)) == 3


async def test_settings_that_change_in_a_pause_hold_for_the_answer() -> None:
    prompts: Prompts = []
    parts = engines(chat=remembering(prompts, "yes"), turn=ScriptedTurn(0.0))
    async with talk(parts, SessionConfig(instructions="OLD", modality="text")) as (person, _):
        await person.speak(1.0)
        await anyio.sleep(0.2)
        await person.tell(Configure(config=SessionConfig(instructions="NEW", modality="text")))
        await person.until(ReplyDone)
    assert prompts[-1][0] == ("system", "NEW")


async def test_a_turn_that_is_deleted_before_its_words_are_known_has_none() -> None:
    async with talk(engines(delays_s={"asr": 1.0})) as (person, _):
        await person.speak(1.0)
        await person.until(TurnCommitted)
        await person.tell(DeleteItem(item_id=person.heard(TurnCommitted)[0].item_id))
        await anyio.sleep(4)
    assert not person.heard(TranscriptDone)


async def test_the_text_of_an_answer_that_nobody_will_hear_is_not_written_on() -> None:
    running = 0

    class Endless(ScriptedStream[ChatRequest, ChatDelta]):
        async def results(self, _request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
            nonlocal running
            running += 1
            try:
                for _ in range(100):
                    yield ChatDelta(" word")
                    await anyio.sleep(0.2)
            finally:
                running -= 1

    async with talk(engines(chat=Endless(), delays_s={"asr": 0.8})) as (person, _):
        await person.speak(1.0)
        await person.until(ReplyAudio)
        for _ in range(4):
            await person.speak(0.7)
            await anyio.sleep(0.62)
        assert running <= 2, "the newest answer, and one that may be said after all"


# --- sound in items ---------------------------------------------------------------------------------------------


async def test_sound_in_the_input_of_a_response_is_heard() -> None:
    prompts: Prompts = []
    options = ReplyOptions(items=(Message(id="i", role="user", parts=(SPOKEN,)),), in_conversation=False)
    async with talk(engines(chat=remembering(prompts, "yes"))) as (person, _):
        await person.tell(CreateReply(options=options))
        await person.until(ReplyDone)
    assert [role for role, _ in prompts[0]] == ["user"]
    assert "scripted transcriber" in prompts[0][0][1]


@pytest.mark.parametrize(
    "parts", [(SPOKEN, SPOKEN), (Part(kind="input_text", text="What is said here?"), SPOKEN)], ids=["two", "text"]
)
async def test_a_prompt_waits_for_the_words_of_all_sound_in_an_item(parts: tuple[Part, ...]) -> None:
    prompts: Prompts = []
    slow = engines(chat=remembering(prompts, "yes"), delays_s={"asr": 0.5})
    async with talk(slow) as (person, _):
        await person.tell(CreateItem(item=Message(id="i", role="user", parts=parts)))
        await person.tell(CreateReply())
        await person.until(ReplyDone)
    assert "scripted transcriber" in prompts[0][-1][1]


# --- too much ---------------------------------------------------------------------------------------------------


async def test_answers_aside_are_not_without_number() -> None:
    parts = engines(chat=ScriptedChat(word_s=1.0))
    async with talk(parts, SessionConfig(modality="text")) as (person, _):
        for number in range(MOST_ASIDE + 1):
            await person.tell(CreateReply(options=ReplyOptions(in_conversation=False), ref=f"r{number}"))
        await person.until(Failed)
        await person.until(ReplyDone, MOST_ASIDE)
    assert [(failed.code, failed.ref) for failed in person.heard(Failed)] == [("rate_limit_exceeded", f"r{MOST_ASIDE}")]


async def test_a_client_that_leaves_while_words_are_awaited_ends_its_session_well() -> None:
    async with talk(engines(delays_s={"asr": 0.5}), SessionConfig(turn_detection=None)) as (person, _):
        await person.tell(AppendAudio(pcm=VOICE * 20))
        await person.tell(CommitAudio())
        await person.until(TurnCommitted)


def test_the_images_of_a_conversation_are_not_without_number() -> None:
    from duologue.session.history import MOST_IMAGE_CHARS, History

    image = Part(kind="input_image", image_url="data:image/png;base64," + "A" * (MOST_IMAGE_CHARS // 4))
    history = History()
    for number in range(3):
        history.add(Message(id=f"i{number}", role="user", parts=(image,)))
    with pytest.raises(ClientError, match="images"):
        history.add(Message(id="i3", role="user", parts=(image,)))
    history.remove("i0")
    history.add(Message(id="i3", role="user", parts=(image,)))


async def test_a_turn_that_is_open_when_the_client_takes_over_is_committed_under_its_id() -> None:
    by_hand = SessionConfig(show_transcript=True, turn_detection=None)
    async with talk(config=SessionConfig(show_transcript=True)) as (person, _):
        await person.speak(2.0)
        item_id = person.heard(SpeechStarted)[0].item_id
        await person.tell(Configure(config=by_hand))
        await person.tell(CreateItem(item=Message(id=item_id, role="user", parts=(Part(kind="input_text", text="a"),))))
        await person.until(Failed)
        await person.tell(CommitAudio())
        await person.until(TranscriptDone)
    assert person.heard(Failed)[0].code == "item_create_duplicate_item_id"
    [done] = person.heard(TranscriptDone)
    assert (done.item_id, done.audio_s >= 2.0) == (item_id, True)
    assert not person.heard(TranscriptFailed)


async def test_words_shown_by_hand_have_an_end_when_the_server_takes_over() -> None:
    async with talk(config=SessionConfig(show_transcript=True, turn_detection=None)) as (person, _):
        await person.speak(3.0)
        await person.tell(Configure(config=SessionConfig(show_transcript=True)))
        await person.until(TranscriptFailed)
    assert person.heard(TranscriptFailed)[0].item_id == person.heard(TranscriptDelta)[0].item_id

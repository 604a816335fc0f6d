"""Answers that wait for each other, are cancelled, or may not be interrupted."""

from __future__ import annotations

import anyio
import pytest

from duologue.engines.base import ChatRequest
from duologue.engines.scripted import ScriptedChat
from duologue.events import (
    CancelReply,
    CreateReply,
    Failed,
    ReplyAudio,
    ReplyDone,
    ReplyStarted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
    TurnCommitted,
)
from duologue.items import ReplyOptions, SessionConfig, TurnDetection
from duologue.session.voice_prompt import for_voice
from tests.conversations.long_answer import LONG, WORD_S, assistant_words, long_answer_engines, until_heard
from tests.conversations.talk import (
    FRAME_S,
    PCM_BYTES_PER_MS,
    Person,
    Prompts,
    engines,
    remembering,
    talk,
)

pytestmark = pytest.mark.anyio


async def test_who_may_not_interrupt_is_answered_afterwards() -> None:
    prompts: Prompts = []
    text = "First sentence has words. Second has words too. Third ends it."
    config = SessionConfig(turn_detection=TurnDetection(interrupt_reply=False))
    async with talk(long_answer_engines(prompts, text), config) as (person, _):
        await until_heard(person, 0.5)
        await person.speak(0.6)
        await person.until(ReplyDone, 2)
    assert [event.status for event in person.heard(ReplyDone)] == ["completed"] * 2
    length_s = len(person.sound()) / PCM_BYTES_PER_MS / 1000
    second_s = next(at for at, e in person.log if isinstance(e, ReplyAudio) and e.reply_id != _first_reply(person))
    assert second_s >= person.times(ReplyAudio)[0] + length_s - 2.1, "not before the first has been heard"
    assert assistant_words(prompts[-1]) == text.split(), "all of the first answer is heard before the second"


async def test_turns_that_wait_are_answered_in_order() -> None:
    prompts: Prompts = []
    config = SessionConfig(turn_detection=TurnDetection(interrupt_reply=False))
    client = long_answer_engines(prompts, chat=remembering(prompts, lambda n: f"Answer {n} is here and long enough."))
    async with talk(client, config) as (person, _):
        for turn in range(3):
            await person.speak(0.5)
            await person.until(TurnCommitted, turn + 1)
        await person.until(ReplyDone, 3)
    assert [event.text.split()[1] for event in person.heard(ReplyText)] == ["1", "2", "3"]
    assert [event.status for event in person.heard(ReplyDone)] == ["completed"] * 3


def _first_reply(person: Person) -> str:
    return person.heard(ReplyStarted)[0].reply_id


async def test_who_may_not_interrupt_may_still_cancel() -> None:
    config = SessionConfig(turn_detection=TurnDetection(interrupt_reply=False))
    async with talk(long_answer_engines([]), config) as (person, _):
        await until_heard(person, 0.5)
        await person.tell(CancelReply())
        await person.until(ReplyDone)
        await anyio.sleep(0.1)
        await person.speak(1.0)
        await person.until(ReplyDone, 2)
    assert [event.reason for event in person.heard(ReplyDone)] == ["client_cancelled", None]


async def test_cancelling_tells_the_history_what_was_heard() -> None:
    prompts: Prompts = []
    async with talk(long_answer_engines(prompts)) as (person, _):
        await until_heard(person, 2.0)
        await person.tell(CancelReply(ref="c"))
        await person.until(ReplyDone)
        sent = len(person.heard(ReplyAudio))
        await anyio.sleep(1)
        assert len(person.heard(ReplyAudio)) == sent
        await person.speak(1.0)
        await person.until(ReplyDone, 2)
    done = person.heard(ReplyDone)[0]
    assert (done.status, done.reason) == ("cancelled", "client_cancelled")
    assert abs(len(assistant_words(prompts[-1])) - 2.0 / WORD_S) <= 1
    assert not person.heard(Failed)


@pytest.mark.parametrize("reply_id", [None, "resp_ghost"])
async def test_cancelling_nothing_is_an_error_and_no_more(reply_id: str | None) -> None:
    async with talk(long_answer_engines([], "Yes.")) as (person, _):
        for number in range(50):
            await person.tell(CancelReply(reply_id=reply_id, ref=f"c{number}"))
            await anyio.sleep(FRAME_S)
        await person.speak(1.0)
        await person.until(ReplyDone)
    failed = person.heard(Failed)
    assert [event.ref for event in failed] == [f"c{number}" for number in range(50)]
    assert {event.code for event in failed} == {"response_cancel_not_active"}


async def test_one_answer_at_a_time() -> None:
    async with talk(long_answer_engines([])) as (person, _):
        await until_heard(person, 1.0)
        await person.tell(CreateReply(ref="r"))
        await person.until(Failed)
        await person.tell(CancelReply())
        await person.until(ReplyDone)
        await person.tell(CreateReply())
        await person.until(ReplyDone, 2)
    [failed] = person.heard(Failed)
    assert (failed.ref, failed.code) == ("r", "conversation_already_has_active_response")


async def test_a_person_who_talks_over_everything_is_heard_in_the_end() -> None:
    async with talk(long_answer_engines([], chat=ScriptedChat(LONG))) as (person, _):
        for _ in range(10):
            await person.speak(0.8)
            # Not so soon that it is taken for a pause in what was said before.
            await anyio.sleep(1.3)
        await person.until(ReplyDone, len(person.heard(ReplyDone)) + 1)
    assert len(person.heard(SpeechStarted)) == len(person.heard(SpeechStopped))
    assert len(person.heard(TurnCommitted)) == 10


async def test_a_model_is_told_that_it_is_heard_only_when_it_is() -> None:
    asked: list[str] = []

    def answer(request: ChatRequest) -> str:
        asked.append(request.messages[0].content)
        return "Yes."

    config = SessionConfig(instructions="Be kind.", turn_detection=None)
    async with talk(engines(chat=ScriptedChat(answer=answer)), config) as (person, _):
        for count, modality in enumerate(("audio", "text"), 1):
            await person.tell(CreateReply(options=ReplyOptions(modality=modality)))
            await person.until(ReplyDone, count)
    assert asked == [for_voice("Be kind."), "Be kind."]


async def test_markup_is_neither_heard_nor_shown_nor_remembered() -> None:
    prompts: Prompts = []
    written = "**Two** things: `eggs` and [milk](https://example.com/m)."
    async with talk(engines(chat=remembering(prompts, lambda _n: written))) as (person, _):
        await person.speak(1.0)
        await person.until(ReplyDone)
        await anyio.sleep(2)
        await person.speak(1.0)
        await person.until(ReplyDone, 2)
    said = "Two things: eggs and milk."
    assert "".join(event.text for event in person.heard(ReplyText)) == said * 2
    assert prompts[-1][1] == ("assistant", said)

"""The user makes sound while the assistant has the floor."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from duologue.engines.base import ChatDelta, ChatRequest
from duologue.engines.client import EngineClient
from duologue.engines.scripted import ScriptedChat, ScriptedSynthesizer
from duologue.events import (
    CancelReply,
    ClearAudio,
    CommitAudio,
    Configure,
    CreateReply,
    Failed,
    ItemTruncated,
    ReplyAudio,
    ReplyDone,
    ReplyItemStarted,
    ReplyStarted,
    ReplyText,
    SessionConfig,
    SpeechStarted,
    SpeechStopped,
    Told,
    TranscriptDone,
    TruncateItem,
    TurnCommitted,
    TurnDetection,
)
from duologue.session.interruption import BARGE_IN_MS
from tests.conversations.talk import (
    COUGH_S,
    FRAME_S,
    PCM_BYTES_PER_MS,
    Person,
    Prompts,
    engines,
    hear_voices,
    remembering,
    talk,
)

pytestmark = pytest.mark.anyio
WORD_S = 0.25
LONG = " ".join(f"word{i}" for i in range(40)) + "."


def _engines(prompts: Prompts, text: str = LONG, **parts: Any) -> EngineClient:
    """An answer of ten seconds, a word each quarter of one, and ears that tell voices from noise."""
    stages: dict[str, Any] = {
        "chat": remembering(prompts, lambda n: text if n == 1 else "Second answer."),
        "asr": hear_voices("Please stop."),
        "tts": ScriptedSynthesizer(word_s=WORD_S),
    }
    return engines(**(stages | parts))


async def _until_heard(person: Person, seconds: float) -> None:
    """The user asks, and hears the answer for so long."""
    await person.speak(1.0)
    await person.until(ReplyAudio)
    await anyio.sleep(seconds)


def _assistant(prompt: list[tuple[str, str]]) -> list[str]:
    """The words of the assistant's last message, without the mark of a cut."""
    said = [text for role, text in prompt if role == "assistant"]
    return said[-1].removesuffix(" ...").split() if said else []


async def test_an_answer_is_interrupted() -> None:
    prompts: Prompts = []
    async with talk(_engines(prompts)) as (person, _):
        await _until_heard(person, 2.0)
        onset_s = anyio.current_time()
        await person.speak(1.0)
        await person.until(ReplyDone, 2)
    names = person.names()
    cut = names.index("ReplyDone")
    assert names[names.index("ReplyAudio") + 1 : cut + 1] == ["SpeechStarted", "ReplyItemDone", "ReplyDone"]
    done = person.heard(ReplyDone)[0]
    assert (done.status, done.reason) == ("cancelled", "turn_detected")
    assert person.times(SpeechStarted)[1] - onset_s <= 0.3
    assert person.times(ReplyDone)[0] == pytest.approx(person.times(SpeechStarted)[1], abs=0.001)
    assert person.heard(ReplyDone)[1].status == "completed"


async def test_the_interrupted_answer_is_remembered_as_far_as_it_was_heard() -> None:
    moments = random.Random(20).sample(range(100, 9_500), 20)
    for moment_ms in moments:
        prompts: Prompts = []
        async with talk(_engines(prompts)) as (person, _):
            await _until_heard(person, moment_ms / 1000)
            await person.speak(0.6)
            await person.until(TurnCommitted, 2)
            await person.until(ReplyStarted, 2)
        item_id = person.heard(ReplyItemStarted)[0].item.id
        heard_ms = person.played_ms(item_id, person.times(SpeechStarted)[1])
        assert abs(heard_ms - moment_ms) < 300
        words = _assistant(prompts[-1])
        assert words == LONG.rstrip(".").split()[: len(words)]
        assert abs(len(words) - heard_ms / 1000 / WORD_S) <= 1, f"interrupted at {moment_ms} ms"


async def test_the_client_knows_better_what_it_played() -> None:
    prompts: Prompts = []
    async with talk(_engines(prompts)) as (person, _):
        await _until_heard(person, 4.0)
        await person.speak(0.6)
        item_id = person.heard(ReplyItemStarted)[0].item.id
        await person.tell(TruncateItem(item_id=item_id, audio_end_ms=1_100))
        await person.until(ReplyStarted, 2)
    assert len(_assistant(prompts[-1])) == 4
    assert [event.audio_end_ms for event in person.heard(ItemTruncated)] == [1_100]


async def test_an_answer_that_was_all_sent_can_still_be_truncated() -> None:
    prompts: Prompts = []
    async with talk(_engines(prompts, "one two three four.")) as (person, _):
        await person.speak(1.0)
        await person.until(ReplyDone)
        await person.tell(TruncateItem(item_id=person.heard(ReplyItemStarted)[0].item.id, audio_end_ms=500))
        await anyio.sleep(0.5)
        await person.speak(0.6)
        await person.until(ReplyDone, 2)
    assert _assistant(prompts[-1]) == ["one", "two"]
    assert not person.heard(Failed)


async def _sound_of_an_answer(noise_s: float) -> tuple[Person, bytes]:
    """The answer to a turn; one second into it there is a noise."""
    async with talk(_engines([], " ".join(LONG.split()[:16]))) as (person, _):
        await _until_heard(person, 1.0)
        if noise_s:
            await person.make_noise(noise_s)
        await person.until(ReplyDone)
        await anyio.sleep(3)
    return person, person.sound()


async def test_a_cough_leaves_no_trace_and_no_gap() -> None:
    undisturbed, whole = await _sound_of_an_answer(0)
    coughed_at, sound = await _sound_of_an_answer(COUGH_S)
    assert coughed_at.names() == undisturbed.names()
    assert sound == whole
    # What had been sent ahead covers the doubt: the listener hears no gap.
    item_id = coughed_at.heard(ReplyItemStarted)[0].item.id
    length_ms = len(whole) / PCM_BYTES_PER_MS
    end_s = coughed_at.times(ReplyAudio)[0] + length_ms / 1000
    assert coughed_at.played_ms(item_id, end_s) == pytest.approx(length_ms, abs=1)


async def test_while_in_doubt_nothing_more_is_sent() -> None:
    async with talk(_engines([])) as (person, _):
        await _until_heard(person, 1.0)
        start_s = anyio.current_time()
        await person.make_noise(COUGH_S)
        await anyio.sleep(0.5)
    sent_s = [at for at in person.times(ReplyAudio) if at > start_s]
    longest = max(b - a for a, b in zip([start_s, *sent_s], sent_s, strict=False))
    assert 0.1 <= longest <= BARGE_IN_MS / 1000 + 0.35


async def test_a_noise_without_words_does_not_lose_the_rest_of_the_answer() -> None:
    prompts: Prompts = []
    async with talk(_engines(prompts)) as (person, _):
        await _until_heard(person, 2.0)
        noise_s = anyio.current_time()
        await person.make_noise(0.6)
        await person.until(ReplyDone, 2)
    first, rest = (_words_of(person, event.reply_id) for event in person.heard(ReplyStarted))
    whole = LONG.split()
    heard = len(whole) - len(rest)
    assert first == whole[: len(first)]
    assert rest == whole[heard:]
    assert abs(heard - 2.2 / WORD_S) <= 1.5
    assert len(prompts) == 1, "the chat model is not asked again"
    [again_s] = [at for at in person.times(ReplyStarted) if at > noise_s]
    assert again_s - noise_s < 2.0
    assert person.heard(TranscriptDone)[1].text == ""


async def test_two_noises_do_not_lose_it_either() -> None:
    prompts: Prompts = []
    async with talk(_engines(prompts, delays_s={"asr": 0.5})) as (person, _):
        await _until_heard(person, 2.0)
        await person.make_noise(0.5)
        await person.until(TurnCommitted, 2)
        await person.make_noise(0.5)
        await person.until(ReplyAudio, len(person.heard(ReplyAudio)) + 10)
    assert len(prompts) == 1
    assert person.heard(ReplyText)[-1].text.endswith("word38 word39.")


async def test_a_noise_while_the_model_still_writes_does_not_lose_what_it_had_not_written() -> None:
    prompts: Prompts = []
    text = " ".join(f"Sentence {name} is said." for name in ("one", "two", "three", "four", "five", "six"))
    client = _engines(prompts, chat=remembering(prompts, text, word_s=0.3))
    async with talk(client) as (person, _):
        await _until_heard(person, 1.0)
        await person.make_noise(0.6)
        await person.until(ReplyDone, 2)
    said = "".join(event.text for event in person.heard(ReplyText))
    assert "Sentence six is said." in said


async def test_a_noise_after_the_last_word_starts_nothing() -> None:
    prompts: Prompts = []
    async with talk(_engines(prompts, "one two three four.")) as (person, _):
        await _until_heard(person, 0.85)
        await person.make_noise(0.6)
        await anyio.sleep(4)
    assert len(prompts) == 1
    assert len(person.heard(ReplyStarted)) == 1


@pytest.mark.parametrize("act", ["fails", "clears", "cancels"])
async def test_the_rest_of_an_answer_is_not_said_after_something_else_has_happened(act: str) -> None:
    """An answer is interrupted by words; much later, in silence, there is a noise."""
    prompts: Prompts = []
    delays_s: dict[str, float] = {}
    client = _engines(prompts, delays_s=delays_s)
    async with talk(client) as (person, _):
        await _until_heard(person, 1.0)
        if act == "fails":
            delays_s["asr"] = 60.0
        await person.speak(1.0)
        if act == "clears":
            await person.tell(ClearAudio())
        elif act == "cancels":
            await person.until(ReplyStarted, 2)
            await person.tell(CancelReply())
        await anyio.sleep(20)
        delays_s.clear()
        before = len(person.heard(ReplyText))
        await person.make_noise(0.6)
        await anyio.sleep(5)
    assert len(person.heard(ReplyText)) == before


class _CountedChat(ScriptedChat):
    """Knows how many of its answers are still being written."""

    running = 0

    @asynccontextmanager
    async def stream(self, request: ChatRequest) -> AsyncIterator[AsyncIterator[ChatDelta]]:
        self.running += 1
        try:
            async with super().stream(request) as deltas:
                yield deltas
        finally:
            self.running -= 1


async def test_an_answer_that_is_cancelled_is_not_written_to_its_end() -> None:
    chat = _CountedChat("Go on for ever. " * 200, word_s=0.3)
    async with talk(_engines([], chat=chat)) as (person, _):
        await _until_heard(person, 1.0)
        assert chat.running == 1
        await person.tell(CancelReply())
        await anyio.sleep(0.1)
        assert chat.running == 0


async def test_an_answer_that_words_interrupt_is_not_written_to_its_end() -> None:
    chat = _CountedChat("Go on for ever. " * 200, word_s=0.3)
    async with talk(_engines([], chat=chat)) as (person, _):
        await _until_heard(person, 1.0)
        await person.speak(0.8)
        await person.until(ReplyAudio, len(person.heard(ReplyAudio)) + 1)
        assert chat.running == 1, "the new answer's text, and not the old one's"


NO_REPLIES = SessionConfig(turn_detection=TurnDetection(create_reply=False))
BY_HAND = SessionConfig(turn_detection=None)


LEAKS = pytest.mark.xfail(strict=True, reason="a turn that is given up does not let go of the answer that it stopped")


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(ClearAudio(), marks=LEAKS, id="clear"),
        pytest.param(CommitAudio(), marks=LEAKS, id="commit"),
        pytest.param(Configure(config=BY_HAND), id="by hand"),
        pytest.param(Configure(config=NO_REPLIES), id="no replies"),
    ],
)
async def test_an_answer_is_not_written_on_after_its_interruption_is_taken_over(act: Told) -> None:
    chat = _CountedChat("Go on for ever. " * 200, word_s=0.3)
    async with talk(_engines([], chat=chat)) as (person, _):
        await _until_heard(person, 1.0)
        await person.speak(0.8)
        await person.tell(act)
        await anyio.sleep(4)
        assert chat.running == 0


# --- while nothing is audible yet ------------------------------------------------------------------------------


@pytest.mark.parametrize("noise_s", [COUGH_S, 0.6])
async def test_a_noise_during_thinking_does_not_lose_the_answer(noise_s: float) -> None:
    prompts: Prompts = []
    client = _engines(prompts, chat=remembering(prompts, "Here it is.", first_s=2.0))
    async with talk(client) as (person, _):
        await person.speak(1.0)
        await person.until(TurnCommitted)
        await anyio.sleep(0.3)
        await person.make_noise(noise_s)
        noise_end_s = anyio.current_time()
        await person.until(ReplyAudio)
        await anyio.sleep(3)
    assert "".join(event.text for event in person.heard(ReplyText)) == "Here it is."
    assert person.heard(ReplyDone)[-1].status == "completed"
    assert person.times(ReplyAudio)[0] - noise_end_s < 2.0 + 1.0
    assert all(prompt == prompts[0] for prompt in prompts)


async def test_the_user_goes_on_during_thinking() -> None:
    prompts: Prompts = []
    client = _engines(prompts, chat=remembering(prompts, "Here it is.", first_s=2.0), asr=hear_voices("More."))
    async with talk(client) as (person, _):
        await person.speak(1.0)
        await person.until(TurnCommitted)
        await anyio.sleep(0.3)
        await person.speak(1.0)
        await person.until(ReplyAudio)
        await anyio.sleep(3)
    assert prompts[-1] == [("user", "More.\nMore.")]
    assert len([event for event in person.heard(ReplyDone) if event.status == "completed"]) == 1
    assert len(person.heard(ReplyText)) == 1


async def test_words_that_come_late_are_in_the_next_prompt() -> None:
    prompts: Prompts = []
    client = _engines(prompts, chat=remembering(prompts, "Here it is."), delays_s={"asr": 3.0})
    async with talk(client) as (person, _):
        await person.speak(1.0)
        await person.until(TurnCommitted)
        await person.speak(1.0)
        await person.until(ReplyAudio)
    assert prompts[-1] == [("user", "Please stop.\nPlease stop.")]


async def test_an_answer_that_ends_while_in_doubt_leaves_the_floor_to_the_user() -> None:
    prompts: Prompts = []
    async with talk(_engines(prompts, "one two.")) as (person, _):
        await _until_heard(person, 0.42)
        await person.speak(1.0)
        await person.until(ReplyDone, 2)
        await anyio.sleep(3)
        await person.speak(1.0)
        await person.until(ReplyDone, 3)
    assert [event.status for event in person.heard(ReplyDone)] == ["completed"] * 3


# --- other manners ----------------------------------------------------------------------------------------------


async def test_who_may_not_interrupt_is_answered_afterwards() -> None:
    prompts: Prompts = []
    text = "First sentence has words. Second has words too. Third ends it."
    config = SessionConfig(turn_detection=TurnDetection(interrupt_reply=False))
    async with talk(_engines(prompts, text), config) as (person, _):
        await _until_heard(person, 0.5)
        await person.speak(0.6)
        await person.until(ReplyDone, 2)
    assert [event.status for event in person.heard(ReplyDone)] == ["completed"] * 2
    length_s = len(person.sound()) / PCM_BYTES_PER_MS / 1000
    second_s = next(at for at, e in person.log if isinstance(e, ReplyAudio) and e.reply_id != _first_reply(person))
    assert second_s >= person.times(ReplyAudio)[0] + length_s - 2.1, "not before the first has been heard"
    assert _assistant(prompts[-1]) == text.split(), "all of the first answer is heard before the second"


async def test_turns_that_wait_are_answered_in_order() -> None:
    prompts: Prompts = []
    config = SessionConfig(turn_detection=TurnDetection(interrupt_reply=False))
    client = _engines(prompts, chat=remembering(prompts, lambda n: f"Answer {n} is here and long enough."))
    async with talk(client, config) as (person, _):
        for turn in range(3):
            await person.speak(0.5)
            await person.until(TurnCommitted, turn + 1)
        await person.until(ReplyDone, 3)
    assert [event.text.split()[1] for event in person.heard(ReplyText)] == ["1", "2", "3"]
    assert [event.status for event in person.heard(ReplyDone)] == ["completed"] * 3


def _words_of(person: Person, reply_id: str) -> list[str]:
    return "".join(event.text for event in person.heard(ReplyText) if event.reply_id == reply_id).split()


def _first_reply(person: Person) -> str:
    return person.heard(ReplyStarted)[0].reply_id


async def test_who_may_not_interrupt_may_still_cancel() -> None:
    config = SessionConfig(turn_detection=TurnDetection(interrupt_reply=False))
    async with talk(_engines([]), config) as (person, _):
        await _until_heard(person, 0.5)
        await person.tell(CancelReply())
        await person.until(ReplyDone)
        await anyio.sleep(0.1)
        await person.speak(1.0)
        await person.until(ReplyDone, 2)
    assert [event.reason for event in person.heard(ReplyDone)] == ["client_cancelled", None]


async def test_cancelling_tells_the_history_what_was_heard() -> None:
    prompts: Prompts = []
    async with talk(_engines(prompts)) as (person, _):
        await _until_heard(person, 2.0)
        await person.tell(CancelReply(ref="c"))
        await person.until(ReplyDone)
        sent = len(person.heard(ReplyAudio))
        await anyio.sleep(1)
        assert len(person.heard(ReplyAudio)) == sent
        await person.speak(1.0)
        await person.until(ReplyDone, 2)
    done = person.heard(ReplyDone)[0]
    assert (done.status, done.reason) == ("cancelled", "client_cancelled")
    assert abs(len(_assistant(prompts[-1])) - 2.0 / WORD_S) <= 1
    assert not person.heard(Failed)


@pytest.mark.parametrize("reply_id", [None, "resp_ghost"])
async def test_cancelling_nothing_is_an_error_and_no_more(reply_id: str | None) -> None:
    async with talk(_engines([], "Yes.")) as (person, _):
        for number in range(50):
            await person.tell(CancelReply(reply_id=reply_id, ref=f"c{number}"))
            await anyio.sleep(FRAME_S)
        await person.speak(1.0)
        await person.until(ReplyDone)
    failed = person.heard(Failed)
    assert [event.ref for event in failed] == [f"c{number}" for number in range(50)]
    assert {event.code for event in failed} == {"response_cancel_not_active"}


async def test_one_answer_at_a_time() -> None:
    async with talk(_engines([])) as (person, _):
        await _until_heard(person, 1.0)
        await person.tell(CreateReply(ref="r"))
        await person.until(Failed)
        await person.tell(CancelReply())
        await person.until(ReplyDone)
        await person.tell(CreateReply())
        await person.until(ReplyDone, 2)
    [failed] = person.heard(Failed)
    assert (failed.ref, failed.code) == ("r", "conversation_already_has_active_response")


async def test_a_person_who_talks_over_everything_is_heard_in_the_end() -> None:
    async with talk(_engines([], chat=ScriptedChat(LONG))) as (person, _):
        for _ in range(10):
            await person.speak(0.8)
            await anyio.sleep(0.6)
        await person.until(ReplyDone, len(person.heard(ReplyDone)) + 1)
    assert len(person.heard(SpeechStarted)) == len(person.heard(SpeechStopped))
    assert len(person.heard(TurnCommitted)) == 10

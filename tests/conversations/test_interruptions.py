"""The user makes sound while the assistant has the floor."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from duologue.engines.base import ChatDelta, ChatRequest
from duologue.engines.scripted import ScriptedChat
from duologue.events import (
    CancelReply,
    ClearAudio,
    CommitAudio,
    Configure,
    Failed,
    ItemTruncated,
    OverlapJudged,
    ReplyAudio,
    ReplyDone,
    ReplyItemStarted,
    ReplyStarted,
    ReplyText,
    SpeechStarted,
    Told,
    TranscriptDone,
    TruncateItem,
    TurnCommitted,
)
from duologue.items import SessionConfig, TurnDetection
from duologue.session.interruption import DECIDE_MS
from tests.conversations.long_answer import LONG, WORD_S, assistant_words, long_answer_engines, until_heard, words_of
from tests.conversations.talk import (
    COUGH_S,
    PCM_BYTES_PER_MS,
    Person,
    Prompts,
    hear_voices,
    remembering,
    talk,
)

pytestmark = pytest.mark.anyio
# Of the VAD; the sound's frames do not meet its windows.
WINDOW_S = 0.052


async def test_an_answer_is_interrupted() -> None:
    prompts: Prompts = []
    async with talk(long_answer_engines(prompts)) as (person, _):
        await until_heard(person, 2.0)
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
        async with talk(long_answer_engines(prompts)) as (person, _):
            await until_heard(person, moment_ms / 1000)
            await person.speak(0.6)
            await person.until(TurnCommitted, 2)
            await person.until(ReplyStarted, 2)
        item_id = person.heard(ReplyItemStarted)[0].item.id
        heard_ms = person.played_ms(item_id, person.times(SpeechStarted)[1])
        assert abs(heard_ms - moment_ms) < 300
        words = assistant_words(prompts[-1])
        assert words == LONG.rstrip(".").split()[: len(words)]
        assert abs(len(words) - heard_ms / 1000 / WORD_S) <= 1, f"interrupted at {moment_ms} ms"


async def test_the_client_knows_better_what_it_played() -> None:
    prompts: Prompts = []
    async with talk(long_answer_engines(prompts)) as (person, _):
        await until_heard(person, 4.0)
        await person.speak(0.6)
        item_id = person.heard(ReplyItemStarted)[0].item.id
        await person.tell(TruncateItem(item_id=item_id, audio_end_ms=1_100))
        await person.until(ReplyStarted, 2)
    assert len(assistant_words(prompts[-1])) == 4
    assert [event.audio_end_ms for event in person.heard(ItemTruncated)] == [1_100]


async def test_an_answer_that_was_all_sent_can_still_be_truncated() -> None:
    prompts: Prompts = []
    async with talk(long_answer_engines(prompts, "one two three four.")) as (person, _):
        await person.speak(1.0)
        await person.until(ReplyDone)
        await person.tell(TruncateItem(item_id=person.heard(ReplyItemStarted)[0].item.id, audio_end_ms=500))
        await anyio.sleep(0.5)
        await person.speak(0.6)
        await person.until(ReplyDone, 2)
    assert assistant_words(prompts[-1]) == ["one", "two"]
    assert not person.heard(Failed)


async def _sound_of_an_answer(noise_s: float) -> tuple[Person, bytes]:
    """The answer to a turn; one second into it there is a noise."""
    async with talk(long_answer_engines([], " ".join(LONG.split()[:16]))) as (person, _):
        await until_heard(person, 1.0)
        if noise_s:
            await person.make_noise(noise_s)
        await person.until(ReplyDone)
        await anyio.sleep(3)
    return person, person.sound()


@pytest.mark.parametrize("noise_s", [COUGH_S, 0.3, 0.6, 2.0])
async def test_a_noise_leaves_no_trace_and_no_gap(noise_s: float) -> None:
    undisturbed, whole = await _sound_of_an_answer(0)
    coughed_at, sound = await _sound_of_an_answer(noise_s)
    assert coughed_at.names() == undisturbed.names()
    assert sound == whole
    # What had been sent ahead covers the doubt: the listener hears no gap.
    item_id = coughed_at.heard(ReplyItemStarted)[0].item.id
    length_ms = len(whole) / PCM_BYTES_PER_MS
    end_s = coughed_at.times(ReplyAudio)[0] + length_ms / 1000
    assert coughed_at.played_ms(item_id, end_s) == pytest.approx(length_ms, abs=1)


@pytest.mark.parametrize("asr_s", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("noise_s", [COUGH_S, 0.6])
async def test_while_in_doubt_nothing_more_is_sent(noise_s: float, asr_s: float) -> None:
    delays_s = {"asr": 0.0}
    async with talk(long_answer_engines([], delays_s=delays_s)) as (person, _):
        await until_heard(person, 1.0)
        delays_s["asr"] = asr_s
        start_s = anyio.current_time()
        await person.make_noise(noise_s)
        await anyio.sleep(1.0)
    [judged] = person.heard(OverlapJudged)
    onset_s, judged_s = judged.at_ms / 1000, person.times(OverlapJudged)[0]
    assert onset_s == pytest.approx(start_s, abs=WINDOW_S)
    assert judged.took_ms <= DECIDE_MS + 1000 * WINDOW_S
    assert judged_s <= start_s + DECIDE_MS / 1000 + 2 * WINDOW_S
    sent_s = [at for at in person.times(ReplyAudio) if at > start_s]
    # Until it is known to be a voice the answer goes on, and for a window at most after it began.
    assert not [at for at in sent_s if start_s + 2 * WINDOW_S < at < judged_s]


# --- a noise whose words are known too late ---------------------------------------------------------------------


async def test_a_noise_that_is_known_too_late_does_not_lose_the_rest_of_the_answer() -> None:
    prompts: Prompts = []
    async with talk(long_answer_engines(prompts, delays_s={"asr": 0.4})) as (person, _):
        await until_heard(person, 2.0)
        noise_s = anyio.current_time()
        await person.make_noise(0.6)
        await person.until(ReplyDone, 2)
    first, rest = (words_of(person, event.reply_id) for event in person.heard(ReplyStarted))
    whole = LONG.split()
    heard = len(whole) - len(rest)
    assert first == whole[: len(first)]
    assert rest == whole[heard:]
    assert abs(heard - (2.0 + DECIDE_MS / 1000) / WORD_S) <= 1.5
    assert len(prompts) == 1, "the chat model is not asked again"
    [again_s] = [at for at in person.times(ReplyStarted) if at > noise_s]
    assert again_s - noise_s < 2.0
    assert person.heard(TranscriptDone)[1].text == ""


async def test_two_noises_do_not_lose_it_either() -> None:
    prompts: Prompts = []
    async with talk(long_answer_engines(prompts, delays_s={"asr": 0.5})) as (person, _):
        await until_heard(person, 2.0)
        await person.make_noise(0.5)
        await person.until(TurnCommitted, 2)
        await person.make_noise(0.5)
        await person.until(ReplyAudio, len(person.heard(ReplyAudio)) + 10)
    assert len(prompts) == 1
    assert person.heard(ReplyText)[-1].text.endswith("word38 word39.")


async def test_a_noise_while_the_model_still_writes_does_not_lose_what_it_had_not_written() -> None:
    prompts: Prompts = []
    text = " ".join(f"Sentence {name} is said." for name in ("one", "two", "three", "four", "five", "six"))
    chat = remembering(prompts, text, word_s=0.3)
    async with talk(long_answer_engines(prompts, chat=chat, delays_s={"asr": 0.4})) as (person, _):
        await until_heard(person, 1.0)
        await person.make_noise(0.6)
        await person.until(ReplyDone, 2)
    said = "".join(event.text for event in person.heard(ReplyText))
    assert "Sentence six is said." in said


async def test_a_noise_after_the_last_word_starts_nothing() -> None:
    prompts: Prompts = []
    async with talk(long_answer_engines(prompts, "one two three four.")) as (person, _):
        await until_heard(person, 0.85)
        await person.make_noise(0.6)
        await anyio.sleep(4)
    assert len(prompts) == 1
    assert len(person.heard(ReplyStarted)) == 1


@pytest.mark.parametrize("act", ["fails", "clears", "cancels"])
async def test_the_rest_of_an_answer_is_not_said_after_something_else_has_happened(act: str) -> None:
    """An answer is interrupted by words; much later, in silence, there is a noise."""
    prompts: Prompts = []
    delays_s = {"asr": 0.0}
    async with talk(long_answer_engines(prompts, delays_s=delays_s)) as (person, _):
        await until_heard(person, 1.0)
        if act == "fails":
            delays_s["asr"] = 60.0
        await person.speak(1.0)
        if act == "clears":
            await person.tell(ClearAudio())
        elif act == "cancels":
            await person.until(ReplyStarted, 2)
            await person.tell(CancelReply())
        await anyio.sleep(20)
        delays_s["asr"] = 0.0
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
    async with talk(long_answer_engines([], chat=chat)) as (person, _):
        await until_heard(person, 1.0)
        assert chat.running == 1
        await person.tell(CancelReply())
        await anyio.sleep(0.1)
        assert chat.running == 0


async def test_an_answer_that_words_interrupt_is_not_written_to_its_end() -> None:
    chat = _CountedChat("Go on for ever. " * 200, word_s=0.3)
    async with talk(long_answer_engines([], chat=chat)) as (person, _):
        await until_heard(person, 1.0)
        await person.speak(0.8)
        await person.until(ReplyAudio, len(person.heard(ReplyAudio)) + 1)
        assert chat.running == 1, "the new answer's text, and not the old one's"


NO_REPLIES = SessionConfig(turn_detection=TurnDetection(create_reply=False))
BY_HAND = SessionConfig(turn_detection=None)


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(ClearAudio(), id="clear"),
        pytest.param(CommitAudio(), id="commit"),
        pytest.param(Configure(config=BY_HAND), id="by hand"),
        pytest.param(Configure(config=NO_REPLIES), id="no replies"),
    ],
)
async def test_an_answer_is_not_written_on_after_its_interruption_is_taken_over(act: Told) -> None:
    chat = _CountedChat("Go on for ever. " * 200, word_s=0.3)
    async with talk(long_answer_engines([], chat=chat)) as (person, _):
        await until_heard(person, 1.0)
        await person.speak(0.8)
        await anyio.sleep(0.1)
        await person.tell(act)
        await anyio.sleep(4)
        assert chat.running == 0


# --- while nothing is audible yet ------------------------------------------------------------------------------


@pytest.mark.parametrize("noise_s", [COUGH_S, 0.6])
async def test_a_noise_during_thinking_does_not_lose_the_answer(noise_s: float) -> None:
    prompts: Prompts = []
    client = long_answer_engines(prompts, chat=remembering(prompts, "Here it is.", first_s=2.0))
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
    client = long_answer_engines(
        prompts, chat=remembering(prompts, "Here it is.", first_s=2.0), asr=hear_voices("More.")
    )
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
    client = long_answer_engines(prompts, chat=remembering(prompts, "Here it is."), delays_s={"asr": 3.0})
    async with talk(client) as (person, _):
        await person.speak(1.0)
        await person.until(TurnCommitted)
        await person.speak(1.0)
        await person.until(ReplyAudio)
    assert prompts[-1] == [("user", "Please stop.\nPlease stop.")]


async def test_an_answer_that_ends_while_in_doubt_leaves_the_floor_to_the_user() -> None:
    prompts: Prompts = []
    async with talk(long_answer_engines(prompts, "one two.")) as (person, _):
        await until_heard(person, 0.42)
        await person.speak(1.0)
        await person.until(ReplyDone, 2)
        await anyio.sleep(3)
        await person.speak(1.0)
        await person.until(ReplyDone, 3)
    assert [event.status for event in person.heard(ReplyDone)] == ["completed"] * 3


async def test_what_the_client_says_it_played_stands_when_the_answer_is_cancelled() -> None:
    async with talk(long_answer_engines([])) as (person, session):
        await until_heard(person, 1.0)
        item_id = person.heard(ReplyItemStarted)[-1].item.id
        await person.tell(TruncateItem(item_id=item_id, audio_end_ms=0))
        await person.tell(CancelReply())
        await person.until(ReplyDone)
        entry = session._conversation.history.find(item_id)
    assert entry is not None
    assert (entry.heard_ms, entry.heard_text) == (0, "")

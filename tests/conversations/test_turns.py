"""Conversations on the virtual clock: who speaks when, and when an answer comes."""

from __future__ import annotations

import anyio
import pytest

from duologue.engines.base import TurnRequest
from duologue.engines.scripted import ScriptedChat, ScriptedSynthesizer, ScriptedTurn
from duologue.events import (
    AppendAudio,
    Configure,
    CreateItem,
    CreateReply,
    DeleteItem,
    Failed,
    ItemAdded,
    ItemDeleted,
    ItemRetrieved,
    ReplyAudio,
    ReplyDone,
    ReplyItemStarted,
    ReplyStarted,
    ReplyText,
    ReplyTimed,
    RetrieveItem,
    SpeechStarted,
    SpeechStopped,
    TranscriptDelta,
    TranscriptDone,
    TurnCommitted,
)
from duologue.items import Message, Part, ReplyOptions, SessionConfig, TurnDetection
from duologue.session.endpointing import SILENCES
from duologue.session.replies import Ways
from tests.conversations.checker import ASIDE
from tests.conversations.talk import FRAME_S, SILENCE, VOICE, Prompts, engines, hear_voices, remembering, talk

pytestmark = pytest.mark.anyio
# Speech is found with the second loud window, and its end after three quiet ones; windows and frames do not meet.
ABOUT_S = 0.08
# For what is all but certainly an end, and where nothing is known.
SHORTEST_WAIT_S, WAIT_WITHOUT_S = SILENCES[0][0] / 1000, SILENCES[1][0] / 1000


async def test_one_turn_in_the_order_of_the_protocol() -> None:
    async with talk() as (person, _):
        await anyio.sleep(0.5)
        await person.speak(1.2)
        await person.until(ReplyDone)
    assert person.names() == [
        "SpeechStarted",
        "TranscriptDelta",
        "SpeechStopped",
        "TurnCommitted",
        "ItemAdded",
        "ItemDone",
        "TranscriptDone",
        "ReplyStarted",
        "ReplyTimed",
        "ReplyItemStarted",
        "ReplyText",
        "ReplyAudio",
        "ReplyItemDone",
        "ReplyDone",
    ]


async def test_the_timeline_of_a_turn() -> None:
    async with talk() as (person, _):
        await anyio.sleep(0.5)
        await person.speak(1.2)
        await person.until(ReplyDone)
    [started], [stopped] = person.heard(SpeechStarted), person.heard(SpeechStopped)
    assert started.at_ms == pytest.approx(500 - 300, abs=60)
    assert stopped.at_ms == pytest.approx(1_700, abs=60)
    assert person.times(SpeechStarted)[0] == pytest.approx(0.56, abs=ABOUT_S)
    # What was prepared in the wait leaves at once.
    assert person.times(ReplyAudio)[0] == pytest.approx(1.7 + SHORTEST_WAIT_S, abs=ABOUT_S)
    assert person.times(ReplyAudio)[0] == pytest.approx(person.times(TurnCommitted)[0], abs=0.001)


async def test_where_the_time_of_a_turn_went_is_told() -> None:
    slow = engines(
        delays_s={"asr": 0.08, "turn": 0.02}, chat=ScriptedChat(first_s=0.06), tts=ScriptedSynthesizer(first_s=0.4)
    )
    async with talk(slow) as (person, _):
        await person.speak(1.0)
        await person.until(ReplyDone)
    [timed] = person.heard(ReplyTimed)
    assert timed.item_id == person.heard(TurnCommitted)[0].item_id
    assert timed.reply_id == person.heard(ReplyDone)[0].reply_id
    # The VAD is sure of the pause after three of its windows (96 ms) at most, and the work begins there.
    assert timed.words_ms == pytest.approx(96 + 80, abs=60)
    assert timed.text_ms == pytest.approx(timed.words_ms + 60, abs=20)
    assert timed.committed_ms == pytest.approx(SHORTEST_WAIT_S * 1000, abs=60)
    assert timed.given_ms == pytest.approx(timed.text_ms + 400, abs=20)


async def test_work_hides_behind_the_wait() -> None:
    """The VAD is sure of the pause after 96 ms; then there are 190."""
    slow = engines(
        delays_s={"asr": 0.06, "turn": 0.02}, chat=ScriptedChat(first_s=0.05), tts=ScriptedSynthesizer(first_s=0.05)
    )
    async with talk(slow) as (person, _):
        await person.speak(1.0)
        await person.until(ReplyDone)
    assert person.times(ReplyAudio)[0] == pytest.approx(person.times(TurnCommitted)[0], abs=0.001)


async def test_without_speculation_the_work_begins_at_the_end_of_the_turn() -> None:
    prompts: Prompts = []
    async with talk(engines(chat=remembering(prompts, "Yes.", first_s=0.5)), ways=Ways(speculates=False)) as (
        person,
        _,
    ):
        await person.speak(1.0)
        await person.until(TurnCommitted)
        assert prompts == []
        await person.until(ReplyDone)
    assert person.times(ReplyAudio)[0] == pytest.approx(person.times(TurnCommitted)[0] + 0.5, abs=0.001)


async def test_a_pause_in_a_turn_leaves_no_trace() -> None:
    prompts: Prompts = []

    def judge(request: TurnRequest) -> float:
        return 1.0 if len(request.audio) > 2 * 16_000 else 0.0

    client = engines(chat=remembering(prompts, "Fine."), turn=ScriptedTurn(judge=judge))
    async with talk(client, SessionConfig(turn_detection=TurnDetection())) as (person, _session):
        await person.speak(1.0)
        await anyio.sleep(0.3)
        assert len(prompts) == 1, "an attempt was made"
        before = person.names()
        await person.speak(1.0)
        assert person.names() == before == ["SpeechStarted"]
        await person.until(ReplyDone)
        await anyio.sleep(3)
        await person.tell(RetrieveItem(item_id=person.heard(ReplyItemStarted)[0].item.id))
        await person.until(ItemRetrieved)
    assert len(person.heard(ReplyStarted)) == len(person.heard(ReplyDone)) == 1
    assert len(person.heard(TurnCommitted)) == len(person.heard(SpeechStarted)) == 1
    assert [role for role, _ in prompts[-1]] == ["user"]


async def _turn_end_s(prob: float, detection: TurnDetection) -> float:
    """How long after the last sound the turn was over."""
    async with talk(engines(turn=ScriptedTurn(prob)), SessionConfig(turn_detection=detection)) as (person, _):
        await person.speak(1.0)
        await person.until(TurnCommitted)
    return person.times(TurnCommitted)[0] - 1.0


async def test_what_sounds_finished_is_answered_sooner() -> None:
    # The words' verdict on a text without a full stop is 0.55; the two are weighed together.
    waits = [await _turn_end_s(prob, TurnDetection()) for prob in (1.0, 0.5, 0.0)]
    assert waits == sorted(waits)
    assert waits[0] < 0.45
    assert waits[2] > 3 * waits[0]


async def test_nobody_waits_longer_than_the_bound() -> None:
    assert await _turn_end_s(0.0, TurnDetection(patience=50.0, max_wait_ms=2_500)) == pytest.approx(2.5, abs=ABOUT_S)


@pytest.mark.parametrize("prob", [0.0, 1.0])
async def test_the_silence_rule(prob: float) -> None:
    assert await _turn_end_s(prob, TurnDetection(silence_ms=500)) == pytest.approx(0.5, abs=ABOUT_S)


async def test_a_turn_without_an_end_of_turn_model_still_ends() -> None:
    assert await _turn_end_s_without_model() == pytest.approx(WAIT_WITHOUT_S, abs=ABOUT_S)


async def _turn_end_s_without_model() -> float:
    client = engines(delays_s={"turn": 60.0, "asr": 5.0})
    async with talk(client) as (person, _):
        await person.speak(1.0)
        await person.until(TurnCommitted)
    return person.times(TurnCommitted)[0] - 1.0


async def test_two_turns_and_their_answers() -> None:
    prompts: Prompts = []
    client = engines(chat=remembering(prompts, lambda n: f"Answer {n}."), asr=hear_voices("Hello."))
    async with talk(client, SessionConfig(instructions="Be kind.")) as (person, _):
        for count in (1, 2):
            await person.speak(1.0)
            await person.until(ReplyDone, count)
            await anyio.sleep(1.5)
    assert prompts[-1] == [("system", "Be kind."), ("user", "Hello."), ("assistant", "Answer 1."), ("user", "Hello.")]
    assert [e.previous_item_id is None for e in person.heard(TurnCommitted)] == [True, False]


async def test_partial_words_are_the_final_ones_and_shown_only_on_request() -> None:
    async with talk() as (person, _):
        await person.speak(3.0)
        await person.until(ReplyDone)
    [done] = person.heard(TranscriptDone)
    assert done.text.startswith("".join(delta.text for delta in person.heard(TranscriptDelta)))
    assert person.heard(TranscriptDelta)
    async with talk(config=SessionConfig()) as (person, _):
        await person.speak(3.0)
        await person.until(ReplyDone)
    assert not person.heard(TranscriptDelta) + person.heard(TranscriptDone)


async def test_frames_that_stop_in_mid_word_still_end_the_turn() -> None:
    async with talk() as (person, _):
        await anyio.sleep(0.5)
        person.voice = VOICE
        await anyio.sleep(1.0)
        person.is_sending = False
        await person.until(ReplyDone)
        assert person.times(TurnCommitted)[0] < 1.5 + 1.5
        person.voice, person.is_sending = SILENCE, True
        await anyio.sleep(2)
        await person.speak(1.0)
        await person.until(ReplyDone, 2)


async def test_sound_in_pieces_of_any_size_is_the_same_talk() -> None:
    ends = []
    for frames in (1, 7, 50):
        async with talk() as (person, _):
            person.is_sending = False
            frames_of_sound = [SILENCE] * 25 + [VOICE] * 50 + [SILENCE] * 100
            for at in range(0, len(frames_of_sound), frames):
                piece = frames_of_sound[at : at + frames]
                await anyio.sleep(FRAME_S * len(piece))
                await person.tell(AppendAudio(pcm=b"".join(piece)))
            await person.until(ReplyDone)
        [started], [stopped] = person.heard(SpeechStarted), person.heard(SpeechStopped)
        ends.append((started.at_ms, stopped.at_ms))
    assert ends == [ends[0]] * 3


async def test_pauses_inside_one_large_piece_of_sound_end_turns() -> None:
    second = [VOICE] * 50 + [SILENCE] * 150
    async with talk() as (person, _):
        person.is_sending = False
        await person.tell(AppendAudio(pcm=b"".join(second * 2)))
        await anyio.sleep(10)
    assert [event.at_ms // 1_000 for event in person.heard(SpeechStopped)] == [1, 5]


async def test_a_turn_of_two_minutes_is_taken_as_it_is() -> None:
    async with talk(config=SessionConfig()) as (person, _):
        person.is_sending = False
        for _second in range(130):
            await person.tell(AppendAudio(pcm=VOICE * 50))
            await anyio.sleep(0.01)
        await person.until(ReplyDone)
    [stopped] = person.heard(SpeechStopped)
    assert stopped.at_ms == pytest.approx(120_000, abs=1_000)


# --- what a reply may be -----------------------------------------------------------------------------------------


async def test_noise_in_silence_is_a_turn_without_an_answer() -> None:
    prompts: Prompts = []
    async with talk(engines(asr=hear_voices(), chat=remembering(prompts, "Yes."))) as (person, _):
        await person.make_noise(1.0)
        await anyio.sleep(4)
        assert not person.heard(ReplyStarted)
        assert not prompts
        await person.speak(1.0)
        await person.until(ReplyDone)


async def test_an_answer_may_be_left_to_the_client() -> None:
    prompts: Prompts = []
    config = SessionConfig(turn_detection=TurnDetection(create_reply=False))
    async with talk(engines(chat=remembering(prompts, "Yes.")), config) as (person, _):
        await person.speak(1.0)
        await anyio.sleep(3)
        assert "ReplyStarted" not in person.names()
        assert not prompts, "nothing is prepared that nobody will hear"
        await person.tell(CreateReply())
        await person.until(ReplyDone)
        await anyio.sleep(2)
        await person.speak(1.0)
        await person.until(TurnCommitted, 2)
    assert len(person.heard(ReplyDone)) == 1


def _text(name: str, text: str) -> Message:
    return Message(id=name, role="user", parts=(Part(kind="input_text", text=text),))


async def test_text_items_and_an_answer_in_writing() -> None:
    prompts: Prompts = []
    async with talk(engines(chat=remembering(prompts, "Written. Well.")), SessionConfig(modality="text")) as (
        person,
        _,
    ):
        await person.tell(CreateItem(item=_text("b", "second")))
        await person.tell(CreateItem(item=_text("a", "first"), after="root"))
        await person.tell(CreateItem(item=_text("x", "gone"), after="a"))
        await person.tell(DeleteItem(item_id="x", ref="e1"))
        await person.tell(DeleteItem(item_id="x", ref="e2"))
        await person.tell(CreateReply())
        await person.until(ReplyDone)
    assert prompts == [[("user", "first\nsecond")]]
    assert "".join(event.text for event in person.heard(ReplyText)) == "Written. Well."
    assert not any(event.is_spoken for event in person.heard(ReplyText))
    assert not person.heard(ReplyAudio)
    assert [e.previous_item_id for e in person.heard(ItemAdded)] == [None, None, "a"]
    assert [e.item_id for e in person.heard(ItemDeleted)] == ["x"]
    assert [(e.ref, e.code) for e in person.heard(Failed)] == [("e2", "item_delete_invalid_item_id")]


async def test_a_limit_of_tokens_leaves_an_answer_incomplete() -> None:
    async with talk(config=SessionConfig(max_output_tokens=3)) as (person, _):
        await person.speak(1.0)
        await person.until(ReplyDone)
    [done] = person.heard(ReplyDone)
    assert (done.status, done.reason) == ("incomplete", "max_output_tokens")
    assert "".join(event.text for event in person.heard(ReplyText)) == "here is an"


async def test_a_reply_outside_the_conversation_has_its_own_prompt_and_leaves_no_item() -> None:
    prompts: Prompts = []
    options = ReplyOptions(
        in_conversation=False, items=(_text("q", "aside"),), instructions="Classify.", modality="text", metadata=ASIDE
    )
    async with talk(engines(chat=remembering(prompts, lambda n: f"Answer {n}."))) as (person, _):
        await person.tell(CreateReply(options=options))
        await person.until(ReplyDone)
        await person.speak(1.0)
        await person.until(ReplyDone, 2)
    assert prompts[0] == [("system", "Classify."), ("user", "aside")]
    assert [role for role, _ in prompts[1]] == ["user"]
    assert person.heard(ReplyDone)[0].manner.metadata == ASIDE
    assert person.heard(ReplyItemStarted)[0].in_conversation is False


async def test_a_reply_outside_the_conversation_may_run_beside_one_in_it() -> None:
    options = ReplyOptions(in_conversation=False, items=(_text("q", "aside"),), modality="text", metadata=ASIDE)
    async with talk() as (person, _):
        await person.speak(1.0)
        await person.until(ReplyAudio)
        await person.tell(CreateReply(options=options))
        await person.until(ReplyDone, 2)
        assert not person.heard(Failed)


async def test_an_answer_takes_its_own_voice_and_instructions() -> None:
    prompts: Prompts = []
    async with talk(engines(chat=remembering(prompts, "Yes."))) as (person, _):
        await person.tell(CreateItem(item=_text("a", "hello")))
        await person.tell(CreateReply(options=ReplyOptions(instructions="Sing.", metadata={"k": "v"})))
        await person.until(ReplyDone)
    assert prompts == [[("system", "Sing."), ("user", "hello")]]
    assert person.heard(ReplyStarted)[0].manner.metadata == {"k": "v"}


async def test_settings_change_in_mid_talk() -> None:
    async with talk() as (person, _):
        await person.speak(1.0)
        await person.until(ReplyDone)
        await anyio.sleep(2)
        await person.tell(Configure(config=SessionConfig(turn_detection=TurnDetection(silence_ms=1_500))))
        start_s = anyio.current_time()
        await person.speak(1.0)
        await person.until(TurnCommitted, 2)
    assert person.times(TurnCommitted)[1] - start_s - 1.0 == pytest.approx(1.5, abs=ABOUT_S)

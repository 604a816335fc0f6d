"""While it is in doubt what a sound over an answer is: the client acts, the transcriber fails."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest

from duologue.errors import DuologueError, EngineLost, Overloaded
from duologue.events import (
    CancelReply,
    ClearAudio,
    ClearPlayout,
    CommitAudio,
    Configure,
    CreateReply,
    DeleteItem,
    PlayoutCleared,
    PlayoutHeld,
    PlayoutReached,
    PlayoutStopped,
    ReplyDone,
    ReplyItemStarted,
    SpeechStarted,
    Told,
    TruncateItem,
)
from duologue.items import SessionConfig, TurnDetection
from duologue.session.interruption import DECIDE_MS
from duologue.session.replies import Ways
from tests.conversations.long_answer import (
    next_turn_is_answered,
)
from tests.conversations.over_answer import (
    SHORT,
    WINDOW_S,
    Ears,
    is_whole,
    judged_s,
    over_answer,
)
from tests.conversations.talk import (
    COUGH_S,
    NOISE,
    SILENCE,
    VOICE,
)

pytestmark = pytest.mark.anyio


# --- the client does something while it is in doubt -------------------------------------------------------------


def _nothing(_item_id: str) -> list[Told]:
    return []


ACTS: dict[str, Callable[[str], list[Told]]] = {
    "nothing": _nothing,
    "truncate": lambda item_id: [TruncateItem(item_id=item_id, audio_end_ms=500)],
    "cancel": lambda _: [CancelReply()],
    "cancel and truncate": lambda item_id: [CancelReply(), TruncateItem(item_id=item_id, audio_end_ms=500)],
    "clear the playout": lambda _: [ClearPlayout()],
    "clear": lambda _: [ClearAudio()],
    "commit": lambda _: [CommitAudio()],
    "ask": lambda _: [CreateReply()],
    "cancel and ask": lambda _: [CancelReply(), CreateReply()],
    "delete": lambda item_id: [DeleteItem(item_id=item_id)],
    "report": lambda item_id: [PlayoutReached(item_id=item_id, heard_ms=300)],
    "by hand": lambda _: [Configure(config=SessionConfig(turn_detection=None))],
    "silence rule": lambda _: [Configure(config=SessionConfig(turn_detection=TurnDetection(silence_ms=400)))],
    "no interruptions": lambda _: [
        Configure(config=SessionConfig(turn_detection=TurnDetection(interrupt_reply=False)))
    ],
    "no replies": lambda _: [Configure(config=SessionConfig(turn_detection=TurnDetection(create_reply=False)))],
}


@pytest.mark.parametrize("act", ACTS)
async def test_what_a_client_does_in_doubt_leaves_nobody_deaf_or_mute(ways: Ways, act: str) -> None:
    # Suspected, lowered, held, judged.
    for sound, after_s in ((VOICE, 0.02), (NOISE, 0.14), (VOICE, 0.34), (NOISE, 0.34), (NOISE, 0.9)):
        async with over_answer(ways, text=SHORT, asr_s=0.25) as (person, _):
            person.voice = sound
            await anyio.sleep(after_s)
            for event in ACTS[act](person.heard(ReplyItemStarted)[0].item.id):
                await person.tell(event)
            await anyio.sleep(1.0)
            person.voice = SILENCE
            await anyio.sleep(1.0)
            await next_turn_is_answered(person)


@pytest.mark.parametrize("act", ["cancel", "clear the playout"])
async def test_an_answer_that_is_cancelled_while_held_was_heard_until_then(act: str) -> None:
    async with over_answer(Ways(holds_sound=True), asr_s=1.0) as (person, session):
        person.voice = VOICE
        await person.until(PlayoutHeld)
        held_s = anyio.current_time()
        await anyio.sleep(0.2)
        item_id = person.heard(ReplyItemStarted)[0].item.id
        for event in ACTS[act](item_id):
            await person.tell(event)
        await person.until(ReplyDone)
        entry = session._conversation.history.find(item_id)
        assert entry is not None
        assert entry.heard_ms == pytest.approx(person.played_ms(item_id, held_s), abs=1)
    assert person.heard(PlayoutCleared)[0].heard_ms == pytest.approx(entry.heard_ms, abs=1)


async def test_sound_that_is_cleared_while_held_was_no_interruption() -> None:
    async with over_answer(Ways(holds_sound=True), asr_s=0.25) as (person, _):
        await person.speak(0.34)
        assert person.loudness() == "held"
        await person.tell(ClearAudio())
        await person.until(PlayoutStopped)
        assert is_whole(person)
    assert len(person.heard(SpeechStarted)) == 1


async def test_a_client_that_leaves_in_doubt_ends_its_session_well(ways: Ways) -> None:
    for after_s in (0.02, 0.14, 0.34, 0.9):
        async with over_answer(ways, asr_s=0.5) as (person, session):
            await person.speak(after_s)
            session.hang_up()
            await anyio.sleep(0.1)
            assert session._is_over


# --- a transcriber in trouble -----------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["speak", "make_noise"])
@pytest.mark.parametrize("length_s", [COUGH_S, 0.16, 0.3, 0.8, 2.0])
@pytest.mark.parametrize("failure", [None, EngineLost("gone"), Overloaded("late")], ids=["slow", "lost", "busy"])
async def test_without_words_it_is_decided_all_the_same(
    ways: Ways, failure: DuologueError | None, length_s: float, act: str
) -> None:
    ears = Ears()
    async with over_answer(ways, text=SHORT, ears=ears, asr_s=1.0 if failure is None else 0.0) as (person, _):
        onset_s, ears.failure = anyio.current_time(), failure
        await getattr(person, act)(length_s)
        await anyio.sleep(2)
        ears.failure = None
        # Of a sound that has ended the words may still come: it is waited for as long as it was, and no longer.
        after_s = length_s if length_s < DECIDE_MS / 1000 else 0.0
        assert judged_s(person, onset_s) <= DECIDE_MS / 1000 + after_s + 2 * WINDOW_S
        await next_turn_is_answered(person)

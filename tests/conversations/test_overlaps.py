"""Sound over an answer: lowered, held, judged. For clients whose sound can be held, and for plain ones."""

from __future__ import annotations

import itertools

import anyio
import pytest

from duologue.audio.frame import samples_to_ms
from duologue.events import (
    OverlapJudged,
    PlayoutCleared,
    PlayoutHeld,
    PlayoutLowered,
    PlayoutResumed,
    PlayoutStopped,
    ReplyAudio,
    ReplyDone,
    ReplyItemStarted,
    SpeechStarted,
    TurnCommitted,
)
from duologue.session.contest import FIRST_ASKED
from duologue.session.interruption import DECIDE_MS, HOLD_MS
from duologue.session.replies import Ways
from tests.conversations.long_answer import (
    WORD_S,
    assistant_words,
    long_answer_engines,
    next_turn_is_answered,
    until_heard,
)
from tests.conversations.over_answer import (
    LISTENED,
    ONSET_S,
    QUIET,
    SHORT,
    SHORT_S,
    WINDOW_S,
    Ears,
    is_whole,
    judged_s,
    over_answer,
    verdicts,
)
from tests.conversations.talk import (
    COUGH_S,
    MURMUR,
    NOISE,
    SILENCE,
    VOICE,
    Prompts,
    UnsureVad,
    remembering,
    talk,
)

pytestmark = pytest.mark.anyio


# --- who only listens -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length_s", [0.16, 0.3, 0.44, 0.8])
async def test_who_only_listens_is_noted_and_the_answer_goes_on(ways: Ways, length_s: float) -> None:
    prompts: Prompts = []
    async with over_answer(ways, prompts=prompts, text=SHORT) as (person, _):
        onset_s = anyio.current_time()
        await person.murmur(length_s)
        await person.until(PlayoutStopped)
        assert is_whole(person, SHORT)
        assert len(person.heard(SpeechStarted)) == 1
        assert len(person.heard(TurnCommitted)) == 1
        await anyio.sleep(1.5)
        await person.speak(1.0)
        await person.until(ReplyDone, 2)
    assert prompts[-1] == [("user", "Please stop."), ("assistant", SHORT), ("user", f"{LISTENED}\nPlease stop.")]
    assert verdicts(person) == ["backchannel"]
    assert judged_s(person, onset_s) <= DECIDE_MS / 1000 + WINDOW_S
    if ways.holds_sound:
        assert person.times(PlayoutLowered)[0] - onset_s <= ONSET_S
        assert person.times(PlayoutResumed)[-1] == pytest.approx(person.times(OverlapJudged)[0], abs=0.001)
        # "Mm-hm" is known as soon as there is enough of it: until then at most it is held.
        held_ms = samples_to_ms(FIRST_ASKED) - HOLD_MS + 1_000 * WINDOW_S
        played_ms = person.played_ms(person.heard(ReplyItemStarted)[0].item.id, onset_s + 0.5)
        assert played_ms >= 1_000 + 500 - held_ms
    else:
        assert not [event for _, event in person.log if isinstance(event, (*QUIET, PlayoutResumed))]


async def test_one_who_listens_says_so_twice(ways: Ways) -> None:
    for gap_s in (0.06, 0.24, 0.8):
        prompts: Prompts = []
        async with over_answer(ways, prompts=prompts, text=SHORT) as (person, _):
            for _ in range(2):
                await person.murmur(0.3)
                await anyio.sleep(gap_s)
            await person.until(PlayoutStopped)
            assert is_whole(person, SHORT)
            await anyio.sleep(1.5)
            await person.speak(1.0)
            await person.until(ReplyDone, 2)
        said = "Mm-hm." if gap_s < 0.1 else "Mm-hm. Mm-hm."
        assert prompts[-1][-1] == ("user", f"(While listening I said: {said})\nPlease stop.")


@pytest.mark.parametrize("before_end_s", [0.35, 0.2, 0.05])
async def test_at_the_end_of_an_answer_a_yeah_is_an_answer(ways: Ways, before_end_s: float) -> None:
    prompts: Prompts = []
    async with over_answer(ways, SHORT_S - before_end_s, prompts=prompts, text=SHORT, ears=Ears("Yeah.")) as (
        person,
        _,
    ):
        await person.murmur(0.3)
        await person.until(ReplyDone, 2)
        await anyio.sleep(2)
    assert len(person.heard(TurnCommitted)) == 2
    assert prompts[-1][-1] == ("user", "Yeah.")
    heard = assistant_words(prompts[-1])
    assert heard == SHORT.split()[: len(heard)]
    assert len(heard) >= 14


# --- who cuts in ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asr_s", [0.0, 0.1, 0.2])
async def test_words_stop_an_answer(ways: Ways, asr_s: float) -> None:
    prompts: Prompts = []
    async with over_answer(ways, prompts=prompts, asr_s=asr_s) as (person, _):
        onset_s = anyio.current_time()
        await person.speak(1.0)
        await person.until(ReplyDone, 2)
        await anyio.sleep(1)
    names = person.names()
    cut = names.index("ReplyDone")
    assert names[names.index("ReplyAudio") + 1 : cut + 1] == ["SpeechStarted", "ReplyItemDone", "ReplyDone"]
    done_s, done = person.times(ReplyDone)[0], person.heard(ReplyDone)[0]
    assert (done.status, done.reason) == ("cancelled", "turn_detected")
    assert done_s == pytest.approx(person.times(SpeechStarted)[1], abs=0.001)
    assert done_s - onset_s <= HOLD_MS / 1000 + asr_s + ONSET_S <= DECIDE_MS / 1000 + WINDOW_S
    assert verdicts(person) == ["interruption"]
    [cleared] = person.heard(PlayoutCleared)
    played_ms = person.played_ms(cleared.item_id, done_s)
    assert cleared.heard_ms == pytest.approx(played_ms, abs=1)
    assert abs(len(assistant_words(prompts[-1])) - played_ms / 1000 / WORD_S) <= 1
    if ways.holds_sound:
        assert person.times(PlayoutLowered)[0] - onset_s <= ONSET_S
        held_s = [at - onset_s for at in person.times(PlayoutHeld)]
        assert all(HOLD_MS / 1000 - WINDOW_S <= at <= HOLD_MS / 1000 + WINDOW_S for at in held_s)
        assert bool(held_s) or asr_s == 0.0
        # What is held is not heard.
        assert played_ms <= 1000 * (1.0 + HOLD_MS / 1000 + WINDOW_S + 0.02)
        assert not person.heard(PlayoutResumed)


@pytest.mark.parametrize("gap_s", [0.0, 0.06, 0.24])
async def test_a_listener_who_then_wants_the_floor_gets_it(ways: Ways, gap_s: float) -> None:
    """ "Mm-hm, wait a second." """
    prompts: Prompts = []
    async with over_answer(ways, prompts=prompts) as (person, _):
        await person.murmur(0.6)
        await anyio.sleep(gap_s)
        onset_s = anyio.current_time()
        await person.speak(1.0)
        await person.until(ReplyDone, 2)
        await anyio.sleep(1)
    assert verdicts(person) == ["backchannel", "interruption"]
    # What was taken for no interruption is looked at every 600 ms, and an eighth of its length less often.
    within_s = 0.6 + 1.6 / 8 if gap_s < 0.1 else HOLD_MS / 1000
    assert person.times(SpeechStarted)[1] - onset_s <= within_s + ONSET_S
    assert prompts[-1][-1][1].endswith("Please stop.")


# --- what is nobody ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noises_s", [[COUGH_S], [0.3], [0.04] * 8, [0.6], [5.0]], ids=str)
async def test_what_is_no_speech_does_not_stop_an_answer(ways: Ways, noises_s: list[float]) -> None:
    """A cough, a bang, keys, a chair, music."""
    prompts: Prompts = []
    async with over_answer(ways, prompts=prompts) as (person, _):
        onset_s = anyio.current_time()
        for noise_s in noises_s:
            await person.make_noise(noise_s)
            await anyio.sleep(0.1)
        await person.until(PlayoutStopped)
        assert is_whole(person)
    assert len(prompts) == len(person.heard(SpeechStarted)) == len(person.heard(ReplyDone)) == 1
    assert set(verdicts(person)) <= {"noise"}
    if ways.holds_sound and len(noises_s) == 1:
        assert person.times(PlayoutLowered)[0] - onset_s <= ONSET_S
        [resumed_s] = person.times(PlayoutResumed)
        assert resumed_s - onset_s <= min(noises_s[0] + 0.1, DECIDE_MS / 1000) + 2 * WINDOW_S


async def test_words_in_the_middle_of_music_stop_an_answer(ways: Ways) -> None:
    prompts: Prompts = []
    async with over_answer(ways, prompts=prompts) as (person, _):
        await person.make_noise(3.0)
        onset_s = anyio.current_time()
        await person.speak(1.0)
        await person.make_noise(0.5)
        await person.until(ReplyDone, 2)
    assert verdicts(person) == ["noise", "interruption"]
    # Music is looked at every 600 ms, and an eighth of its length less often.
    assert person.times(SpeechStarted)[1] - onset_s <= 0.6 + 4.0 / 8 + ONSET_S
    assert prompts[-1][-1] == ("user", "Please stop.")
    # The turn is not as old as the music.
    assert person.heard(SpeechStarted)[1].at_ms / 1000 >= onset_s - 3.0


async def test_a_mere_suspicion_does_not_silence_an_answer(ways: Ways) -> None:
    client = long_answer_engines([], vad=UnsureVad())
    async with talk(client, ways=ways) as (person, _):
        await until_heard(person, 1.0)
        await person.make_noise(6.0)
        await person.until(PlayoutStopped)
    sent_s = person.times(ReplyAudio)
    assert max(b - a for a, b in itertools.pairwise(sent_s)) <= 1.0
    assert person.heard(PlayoutStopped)[0].underruns == 0
    assert len(person.heard(SpeechStarted)) == 1


# --- while the answer is prepared, and while it ends ------------------------------------------------------------


@pytest.mark.parametrize(
    ("sound", "length_s", "turns"),
    [(MURMUR, 0.3, 2), (VOICE, 0.3, 2), (VOICE, 0.02, 1), (NOISE, 0.02, 1), (NOISE, 0.6, 2)],
)
async def test_over_an_answer_in_preparation_whatever_lasts_is_a_turn(
    ways: Ways, sound: bytes, length_s: float, turns: int
) -> None:
    """There is nothing to listen to yet."""
    prompts: Prompts = []
    client = long_answer_engines(prompts, asr=Ears("Yeah."), chat=remembering(prompts, "Fine.", first_s=2.0))
    async with talk(client, ways=ways) as (person, _):
        await person.speak(1.0)
        await person.until(TurnCommitted)
        await anyio.sleep(0.5)
        person.voice = sound
        await anyio.sleep(length_s)
        person.voice = SILENCE
        await person.until(ReplyAudio)
        assert len(person.heard(TurnCommitted)) == turns
        assert not [event for _, event in person.log if isinstance(event, QUIET)]
        await next_turn_is_answered(person)


@pytest.mark.parametrize("asr_s", [0.0, 1.0])
@pytest.mark.parametrize("sound", [VOICE, MURMUR, NOISE], ids=["voice", "murmur", "noise"])
async def test_an_answer_that_ends_under_a_sound_leaves_nobody_deaf_or_mute(
    ways: Ways, sound: bytes, asr_s: float
) -> None:
    for before_end_s, length_s in ((0.1, 0.3), (0.1, 2.0), (0.8, 2.0), (0.02, COUGH_S)):
        async with over_answer(ways, SHORT_S - before_end_s, text=SHORT, asr_s=asr_s) as (person, _):
            person.voice = sound
            await anyio.sleep(length_s)
            person.voice = SILENCE
            await next_turn_is_answered(person)


async def test_words_over_the_end_of_an_answer_are_a_turn(ways: Ways) -> None:
    """Whether they are known before the end or after it."""
    for asr_s in (0.0, 0.3, 1.0):
        prompts: Prompts = []
        async with over_answer(ways, SHORT_S - 0.3, prompts=prompts, text=SHORT, asr_s=asr_s) as (person, _):
            await person.speak(1.0)
            await person.until(ReplyDone, 2)
        assert prompts[-1][-1] == ("user", "Please stop.")
        assert len(person.heard(TurnCommitted)) == 2

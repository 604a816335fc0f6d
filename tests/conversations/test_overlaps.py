"""Sound over an answer: lowered, held, judged; and what of the answer is remembered. For clients whose sound can be
held, and for plain ones."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
import numpy as np
import pytest

from duologue.engines.base import (
    SpeakRequest,
    SpeechChunk,
    TranscribeRequest,
    TranscribeResult,
    WordTime,
)
from duologue.engines.scripted import ScriptedStream, ScriptedTranscriber
from duologue.errors import DuologueError, EngineLost, Overloaded
from duologue.events import (
    CancelReply,
    ClearAudio,
    ClearPlayout,
    CommitAudio,
    Configure,
    CreateReply,
    DeleteItem,
    OverlapJudged,
    PlayoutCleared,
    PlayoutHeld,
    PlayoutLowered,
    PlayoutReached,
    PlayoutResumed,
    PlayoutStarted,
    PlayoutStopped,
    ReplyAudio,
    ReplyDone,
    ReplyItemStarted,
    SpeechStarted,
    Told,
    TruncateItem,
    TurnCommitted,
)
from duologue.items import SessionConfig, TurnDetection
from duologue.session.interruption import DECIDE_MS, HOLD_MS
from duologue.session.replies import Ways
from duologue.session.session import Session
from tests.conversations.long_answer import (
    LONG,
    WORD_S,
    assistant_words,
    long_answer_engines,
    next_turn_is_answered,
    until_heard,
)
from tests.conversations.talk import (
    COUGH_S,
    MURMUR,
    NOISE,
    RATE_HZ,
    SILENCE,
    VOICE,
    Person,
    Prompts,
    UnsureVad,
    hear_voices,
    pcm_s,
    remembering,
    talk,
)

pytestmark = pytest.mark.anyio
# A window of the VAD and a frame of sound, which do not meet.
WINDOW_S = 0.052
# A voice is certain with its second window.
ONSET_S = 2 * WINDOW_S
SHORT = " ".join(LONG.split()[:16])
SHORT_S = 4.0
LISTENED = "(While listening I said: Mm-hm.)"
QUIET = (PlayoutLowered, PlayoutHeld)


@pytest.fixture(params=[False, True], ids=["plain", "holding"])
def ways(request: pytest.FixtureRequest) -> Ways:
    return Ways(holds_sound=request.param)


class Ears(ScriptedTranscriber):
    """Hears "Please stop." from a voice, ``murmured`` from a low one, and nothing in a noise. ``failure``: what it
    raises, if anything."""

    def __init__(self, murmured: str = "Mm-hm.") -> None:
        self._voices = hear_voices("Please stop.", murmured)
        self.failure: DuologueError | None = None

    def step(self, requests: Sequence[TranscribeRequest]) -> list[TranscribeResult]:
        if self.failure is not None:
            raise self.failure
        return self._voices.step(requests)


@asynccontextmanager
async def over_answer(
    ways: Ways,
    after_s: float = 1.0,
    *,
    prompts: Prompts | None = None,
    text: str = LONG,
    ears: Ears | None = None,
    asr_s: float = 0.0,
) -> AsyncIterator[tuple[Person, Session]]:
    """A talk in which an answer has been heard for ``after_s``. From then on the transcriber takes ``asr_s``."""
    delays_s = {"asr": 0.0}
    client = long_answer_engines([] if prompts is None else prompts, text, asr=ears or Ears(), delays_s=delays_s)
    async with talk(client, ways=ways) as (person, session):
        await until_heard(person, after_s)
        delays_s["asr"] = asr_s
        yield person, session
        delays_s["asr"] = 0.0


def is_whole(person: Person, text: str = LONG) -> bool:
    """The first answer was heard to its end, without a break for the client's sake."""
    length_s = len(text.split()) * WORD_S
    item_id = person.heard(ReplyItemStarted)[0].item.id
    played_s = person.played_ms(item_id, anyio.current_time()) / 1000
    return abs(pcm_s(person.sound()) - length_s) < 0.001 and abs(played_s - length_s) < 0.001


def verdicts(person: Person) -> list[str]:
    return [event.verdict for event in person.heard(OverlapJudged)]


def judged_s(person: Person, onset_s: float) -> float:
    """How long after the sound began at ``onset_s`` the only verdict came."""
    [judged] = person.heard(OverlapJudged)
    took_s = person.times(OverlapJudged)[0] - onset_s
    assert took_s == pytest.approx(judged.took_ms / 1000, abs=WINDOW_S)
    return took_s


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
        # "Mm-hm" is known as soon as there is enough of it.
        assert person.played_ms(person.heard(ReplyItemStarted)[0].item.id, onset_s + 0.5) >= 1_000 + 450
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
    # What was taken for no interruption is looked at every 600 ms.
    within_s = 0.6 if gap_s < 0.1 else HOLD_MS / 1000
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
    assert person.times(SpeechStarted)[1] - onset_s <= 0.6 + ONSET_S
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


# --- the answer comes back through the microphone -----------------------------------------------------------------


class VoiceLike(ScriptedStream[SpeakRequest, SpeechChunk]):
    """Noise with syllables, which is not like itself a moment later, as a tone is; ``WORD_S`` for each word."""

    voices: tuple[str, ...] = ("noise",)

    def __init__(self) -> None:
        self._random = np.random.default_rng(6)

    async def results(self, request: SpeakRequest) -> AsyncGenerator[SpeechChunk, None]:
        ends = [match.end() for match in re.finditer(r"\S+", request.text)]
        samples = round(len(ends) * WORD_S * RATE_HZ)
        noise = np.convolve(self._random.standard_normal(samples + 63), np.hanning(64) / 32, "valid")
        syllables = 0.55 + 0.45 * np.sin(np.arange(samples) * 2 * np.pi * 4.0 / RATE_HZ)
        sound = (0.25 * 32_767 * noise / np.abs(noise).max() * 3 * syllables).clip(-32_767, 32_767).astype(np.int16)
        times = tuple(
            WordTime(0 if i == 0 else ends[i - 1] + 1, end, i * WORD_S * 1000, (i + 1) * WORD_S * 1000)
            for i, end in enumerate(ends)
        )
        yield SpeechChunk(sound, times)


async def test_an_answer_that_comes_back_is_nobody(ways: Ways) -> None:
    prompts: Prompts = []
    client = long_answer_engines(prompts, asr=ScriptedTranscriber("Nice weather it is."), tts=VoiceLike())
    async with talk(client, ways=ways) as (person, _):
        person.echo_s = 0.12
        await until_heard(person, 1.0)
        await person.until(PlayoutStopped)
        assert is_whole(person)
        await anyio.sleep(4)
        assert len(person.heard(SpeechStarted)) == len(prompts) == 1
        assert set(verdicts(person)) <= {"echo"}
        await next_turn_is_answered(person)


@pytest.mark.parametrize("left_s", [1.0, 0.3, 0.15])
async def test_a_voice_out_of_silence_is_no_echo(ways: Ways, left_s: float) -> None:
    """A few milliseconds of anything can be made of an answer; some clients send exact zeros before them."""
    for later_s in (0.0, 0.04, 0.08, 0.12):
        prompts: Prompts = []
        client = long_answer_engines(prompts, SHORT, asr=Ears())
        async with talk(client, ways=ways) as (person, _):
            await until_heard(person, SHORT_S - left_s + later_s)
            await person.speak(0.8)
            await person.until(ReplyDone, 2)
        assert "echo" not in verdicts(person)
        assert prompts[-1][-1] == ("user", "Please stop.")


async def test_a_voice_is_heard_through_the_echo(ways: Ways) -> None:
    prompts: Prompts = []
    client = long_answer_engines(prompts, asr=Ears(), tts=VoiceLike())
    async with talk(client, ways=ways) as (person, _):
        person.echo_s = 0.12
        await until_heard(person, 3.0)
        onset_s = anyio.current_time()
        await person.speak(1.5)
        await person.until(ReplyDone, 2)
        await anyio.sleep(1)
    assert "interruption" in verdicts(person)
    assert person.times(SpeechStarted)[1] - onset_s <= DECIDE_MS / 1000 + ONSET_S
    # The turn is the user's, without what was echo before.
    assert person.heard(SpeechStarted)[1].at_ms / 1000 >= onset_s - 0.6
    assert prompts[-1][-1] == ("user", "Please stop.")


# --- what is remembered -----------------------------------------------------------------------------------------


async def _disturbances(person: Person, chance: random.Random) -> None:
    """Coughs, backchannels and bangs, for some time."""
    for _ in range(chance.randint(0, 2)):
        await anyio.sleep(chance.uniform(0.1, 0.5))
        act = chance.choice([person.murmur, person.make_noise])
        await act(chance.choice([0.06, 0.12, 0.3, 0.6]))


async def _report(person: Person, item_id: str) -> None:
    """A client that tells what it has played, a few times a second."""
    while True:
        await anyio.sleep(0.2)
        await person.tell(
            PlayoutReached(item_id=item_id, heard_ms=int(person.played_ms(item_id, anyio.current_time())))
        )


async def _interrupted(person: Person, session: Session, prompts: Prompts, chance: random.Random, lag_s: float) -> None:
    """A question, an answer that is disturbed and then interrupted, and what the model is told of it next."""
    asked, begun = len(prompts), len(person.heard(ReplyItemStarted))
    await person.speak(0.3)
    await person.until(ReplyItemStarted, begun + 1)
    item_id = person.heard(ReplyItemStarted)[-1].item.id
    async with anyio.create_task_group() as tasks:
        if lag_s:
            tasks.start_soon(_report, person, item_id)
        await _disturbances(person, chance)
        await anyio.sleep(chance.uniform(0.0, 1.5))
        person.voice = VOICE
        await person.until(PlayoutCleared, len(person.heard(PlayoutCleared)) + 1)
        tasks.cancel_scope.cancel()
    stopped_s = person.times(PlayoutCleared)[-1]
    await anyio.sleep(0.1)
    person.voice = SILENCE
    await person.until(PlayoutStarted, len(person.heard(PlayoutStarted)) + 1)
    assert len(prompts) > asked
    words = assistant_words(prompts[-1])
    heard_ms = person.played_ms(item_id, stopped_s)
    assert abs(len(words) - heard_ms / 1000 / WORD_S) <= 1, f"{len(words)} words of {heard_ms:.0f} ms"
    assert words == LONG.rstrip(".").split()[: len(words)]


@pytest.mark.parametrize("part", range(5))
@pytest.mark.parametrize("lag_s", [0.0, 0.6], ids=["prompt", "late"])
async def test_no_word_is_remembered_that_was_not_heard(ways: Ways, lag_s: float, part: int) -> None:
    """25 interruptions at random moments, of 500 in all."""
    chance = random.Random(f"{ways.holds_sound} {lag_s} {part}")
    for _ in range(5):
        prompts: Prompts = []
        client = long_answer_engines(prompts, chat=remembering(prompts, LONG), asr=Ears(), delays_s={"asr": 0.05})
        async with talk(client, ways=ways) as (person, session):
            # Three frames at a time are no less true, and soon over.
            person.lag_s, person.frames = lag_s, 3
            for _ in range(5):
                await _interrupted(person, session, prompts, chance, lag_s)

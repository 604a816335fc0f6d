"""The session's ears: any bytes in, speech found on one clock."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import anyio
import anyio.lowlevel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.audio.frame import ms_to_samples
from duologue.engines.base import VadRequest, VadResult
from duologue.engines.client import EngineClient
from duologue.engines.scripted import ScriptedVad
from duologue.events import AppendAudio, ClearAudio, CommitAudio, CreateReply, Told
from duologue.session.hearing import (
    FORGET_EVERY_SAMPLES,
    IDLE_KEEP_SAMPLES,
    LEAD_WINDOWS,
    PIECE_BYTES,
    WINDOWS_PER_CALL,
    Found,
    Heard,
    Hearing,
    Marked,
)
from duologue.session.vad import LONGEST_SUSPECT, Calmed, Onset, Pause, Suspected
from tests.conversations.talk import NOISE, SILENCE, VOICE, engines
from tests.virtual_time import VIRTUAL

pytestmark = pytest.mark.anyio
# What the resampler holds back, and a window that is not full yet.
LATE_SAMPLES = 320 + 512


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


class Ears:
    """A ``Hearing`` fed from a list, and what it tells."""

    def __init__(self, is_in_turn: bool = False, client: EngineClient | None = None, *, is_wary: bool = False) -> None:
        self.is_in_turn = is_in_turn
        self.is_wary = is_wary
        self.clock_due: int | None = 0 if is_in_turn else None
        self.told: list[object] = []
        self.hearing = Hearing(client or engines(), 0.5, self, self.told.append)

    def needed_since(self, now: int) -> int:
        return 0 if self.is_in_turn else now - IDLE_KEEP_SAMPLES

    async def hear(self, *events: Told, then_s: float = 0.0) -> None:
        """Give ``events``, wait ``then_s``, hang up."""
        async with anyio.create_task_group() as tg:
            tg.start_soon(self.hearing.run)
            for event in events:
                self.hearing.take(event)
            await anyio.sleep(then_s)
            await anyio.wait_all_tasks_blocked()
            tg.cancel_scope.cancel()

    def found(self) -> list[Found]:
        return [found for event in self.told if isinstance(event, Heard) for found in event.found]


def _audio(*frames: bytes) -> list[Told]:
    return [AppendAudio(pcm=frame) for frame in frames]


async def test_speech_is_found_where_it_was() -> None:
    ears = Ears()
    await ears.hear(*_audio(*[SILENCE] * 25, *[VOICE] * 50, *[SILENCE] * 25), then_s=0.1)
    [onset, pause] = ears.found()
    assert isinstance(onset, Onset)
    assert isinstance(pause, Pause)
    assert onset.at == pytest.approx(ms_to_samples(500), abs=512)
    assert pause.at == pytest.approx(ms_to_samples(1_500), abs=512)


async def test_the_clock_counts_samples_and_not_seconds() -> None:
    ears = Ears()
    await ears.hear(*_audio(*[SILENCE] * 500), then_s=0.1)
    assert 160_000 - LATE_SAMPLES <= ears.hearing.now <= 160_000
    clocks = [event.now for event in ears.told if isinstance(event, Heard)]
    assert clocks == sorted(clocks)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 30_000), max_size=20))
def test_bytes_cut_anywhere_are_the_same_speech(cuts: list[int]) -> None:
    data = SILENCE * 10 + VOICE * 20 + SILENCE * 10
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [AppendAudio(pcm=data[a:b]) for a, b in itertools.pairwise(edges)]
    whole, split = Ears(), Ears()

    async def hear() -> None:
        await whole.hear(AppendAudio(pcm=data), then_s=0.01)
        await split.hear(*pieces, then_s=0.01)

    anyio.run(hear, backend="asyncio", backend_options=dict(VIRTUAL[1]))
    assert whole.found() == split.found() != []
    assert whole.hearing.now == split.hearing.now


async def test_everything_else_is_passed_on_in_its_place() -> None:
    ears = Ears()
    wanted = CreateReply(ref="r")
    await ears.hear(AppendAudio(pcm=SILENCE), wanted, AppendAudio(pcm=SILENCE), CommitAudio(ref="c"), ClearAudio())
    kinds = [type(event) for event in ears.told]
    assert kinds == [CreateReply, Marked, Marked]
    assert ears.told[0] is wanted
    marked = ears.told[1]
    assert isinstance(marked, Marked)
    assert (marked.event.ref, marked.now) == ("c", ears.hearing.now)


async def test_sound_that_fails_to_come_in_mid_turn_is_silence() -> None:
    ears = Ears(is_in_turn=True)
    await ears.hear(*_audio(*[VOICE] * 50), then_s=3.0)
    assert [type(found) for found in ears.found()] == [Onset, Pause]
    assert ears.found()[1].at == pytest.approx(16_000, abs=LATE_SAMPLES)
    assert ears.hearing.now == pytest.approx(4 * 16_000, abs=16_000)


async def test_nobody_waits_for_sound_between_turns() -> None:
    ears = Ears(is_in_turn=False)
    await ears.hear(*_audio(*[SILENCE] * 50), then_s=60.0)
    assert ears.hearing.now <= 16_000


async def test_what_is_forgotten_is_gone_and_what_is_not_is_there() -> None:
    ears = Ears()
    for frame in [SILENCE] * 500 + [VOICE] * 50:
        await ears.hear(AppendAudio(pcm=frame))
    hearing = ears.hearing
    assert 0 < hearing.oldest <= hearing.now - IDLE_KEEP_SAMPLES + LATE_SAMPLES
    # What was silent until somebody spoke was decoded in one piece.
    assert hearing.oldest >= hearing.now - 2 * IDLE_KEEP_SAMPLES - FORGET_EVERY_SAMPLES
    assert len(hearing.sound(0, hearing.oldest)) == 0
    assert len(hearing.sound(hearing.oldest, 160_000)) == 160_000 - hearing.oldest
    assert float(np.abs(hearing.sound(161_000, 164_000)).max()) > 0.2


async def test_without_detection_nothing_is_found_and_nothing_is_missed() -> None:
    ears = Ears()
    ears.hearing.detects_speech = False
    await ears.hear(*_audio(*[VOICE] * 50), then_s=0.1)
    assert ears.found() == []
    ears.hearing.detects_speech = True
    await ears.hear(*_audio(*[VOICE] * 50), then_s=0.1)
    [onset] = ears.found()
    assert onset.at == pytest.approx(16_000, abs=LATE_SAMPLES)


async def test_nothing_is_told_while_nobody_speaks() -> None:
    ears = Ears()
    await ears.hear(*_audio(*[SILENCE] * 500), then_s=1.0)
    assert ears.told == []


async def test_the_time_is_told_when_it_is_due_and_not_before() -> None:
    ears = Ears()
    ears.clock_due = 10_000
    await ears.hear(*_audio(*[SILENCE] * 31))
    assert ears.told == []
    await ears.hear(*_audio(SILENCE))
    assert {event.now for event in ears.told if isinstance(event, Heard)} == {10_240}


class Shown(ScriptedVad):
    """Notes how many windows it is shown at a time."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    def step(self, requests: Sequence[VadRequest]) -> list[VadResult]:
        self.counts += [len(request.windows) for request in requests]
        return super().step(requests)


async def test_a_long_recording_is_looked_at_in_small_pieces_and_others_go_on_meanwhile() -> None:
    vad = Shown()
    ears = Ears(client=engines(vad=vad))
    passes = 0

    async def count_passes() -> None:
        nonlocal passes
        while not ears.told or not isinstance(ears.told[-1], CreateReply):
            passes += 1
            await anyio.lowlevel.checkpoint()

    recording = (SILENCE * 50 + VOICE * 50) * 60 + SILENCE * 50
    async with anyio.create_task_group() as tg:
        tg.start_soon(count_passes)
        await ears.hear(AppendAudio(pcm=recording), CreateReply(), then_s=0.1)
    assert len(ears.found()) == 120, "what was asked after it is passed on after it"
    assert max(vad.counts) <= WINDOWS_PER_CALL + LEAD_WINDOWS
    assert passes >= len(recording) / PIECE_BYTES


async def test_it_is_behind_while_much_waits_and_not_any_more_when_it_was_looked_at() -> None:
    ears = Ears(client=engines(delays_s={"vad": 0.1}))
    async with anyio.create_task_group() as tg:
        tg.start_soon(ears.hearing.run)
        await anyio.wait_all_tasks_blocked()
        for _ in range(50):
            ears.hearing.take(AppendAudio(pcm=VOICE))
        assert not ears.hearing.is_behind, "a second may wait"
        for _ in range(200):
            ears.hearing.take(AppendAudio(pcm=VOICE))
        assert ears.hearing.is_behind
        await anyio.sleep(10)
        assert not ears.hearing.is_behind
        tg.cancel_scope.cancel()
    assert ears.hearing.now == 250 * 320


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
async def test_the_rate_may_change_at_any_moment(rate_hz: int) -> None:
    ears = Ears()
    other = (np.sin(np.arange(rate_hz) * 0.2) * 8_000).astype("<i2").tobytes()
    await ears.hear(
        *_audio(*[SILENCE] * 50), AppendAudio(pcm=other, rate_hz=rate_hz), *_audio(*[SILENCE] * 50), then_s=0.1
    )
    assert ears.hearing.now == pytest.approx(3 * 16_000, abs=4)
    onset, pause = ears.found()
    assert onset.at == pytest.approx(16_000, abs=512)
    assert pause.at == pytest.approx(32_000, abs=512)


class Unsure(ScriptedVad):
    """Takes every sound for a voice with probability 0.3, and forgets it slowly: silence behind it as well."""

    def __init__(self, forgets_after: int) -> None:
        self._forgets_after = forgets_after
        self._quiet = forgets_after

    def step(self, requests: Sequence[VadRequest]) -> list[VadResult]:
        [request] = requests
        probs = [self._prob(float(np.abs(window).max())) for window in request.windows]
        return [VadResult(np.array(probs, np.float32), None)]

    def _prob(self, peak: float) -> float:
        self._quiet = 0 if peak > 0.001 else self._quiet + 1
        return 0.3 if self._quiet < self._forgets_after else 0.0


@pytest.mark.parametrize("forgets_after", [1, 5, 40])
async def test_what_may_be_a_voice_over_an_answer_is_told_and_that_it_was_none(forgets_after: int) -> None:
    ears = Ears(client=engines(vad=Unsure(forgets_after)), is_wary=True)
    await ears.hear(*_audio(*[SILENCE] * 25, *[NOISE] * 10, *[SILENCE] * 100), then_s=0.1)
    suspected, calmed = ears.found()
    assert isinstance(suspected, Suspected)
    assert isinstance(calmed, Calmed)
    assert suspected.at == pytest.approx(ms_to_samples(500), abs=512)
    forgotten = ms_to_samples(700) + (forgets_after + 1) * 512
    assert calmed.at == pytest.approx(min(forgotten, suspected.at + (LONGEST_SUSPECT + 1) * 512), abs=1_024)


async def test_what_may_be_a_voice_matters_to_nobody_while_no_answer_is_heard() -> None:
    ears = Ears(client=engines(vad=Unsure(5)))
    await ears.hear(*_audio(*[SILENCE] * 25, *[NOISE] * 10, *[SILENCE] * 100), then_s=0.1)
    assert ears.told == []


async def test_what_was_suspected_before_a_voice_was_certain_is_not_told_again() -> None:
    ears = Ears(is_wary=True)
    await ears.hear(*_audio(*[SILENCE] * 25, *[VOICE] * 10, *[SILENCE] * 25), then_s=0.1)
    assert [type(found) for found in ears.found()] == [Suspected, Onset, Pause]
    suspected, onset, _pause = ears.found()
    assert suspected.at == onset.at

"""What a session shows to Silero, and what it does not: speech is found as where all is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio
import numpy as np
import pytest
from tests.virtual_time import VIRTUAL

from duologue.audio.frame import SESSION_RATE_HZ, Float32, to_float, to_int16
from duologue.engines.base import VAD_WINDOW_SAMPLES, VadRequest, VadResult
from duologue.engines.scripted import InlineEngines
from duologue.engines.vad.silero import SileroVad
from duologue.events import AppendAudio
from duologue.session.hearing import IDLE_KEEP_SAMPLES, Heard, Hearing
from duologue.session.vad import Onset, Pause, SpeechGate

pytestmark = pytest.mark.anyio
SENTENCES = (
    "Good morning, I would like to book a table for two people this evening.",
    "Seven.",
    "No, wait, could you say that again, please?",
)
WINDOW_S = VAD_WINDOW_SAMPLES / SESSION_RATE_HZ


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


class Counting(SileroVad):
    """Silero, and how many windows it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = 0

    def step(self, requests: Sequence[VadRequest]) -> list[VadResult]:
        self.shown += sum(len(request.windows) for request in requests)
        return super().step(requests)


class Ears:
    """A ``Hearing`` of which nobody wants the time."""

    is_in_turn = is_wary = False
    clock_due = None

    def __init__(self, vad: SileroVad) -> None:
        self.told: list[object] = []
        self.hearing = Hearing(InlineEngines({"vad": vad}), 0.5, self, self.told.append)

    def needed_since(self, now: int) -> int:
        return now - IDLE_KEEP_SAMPLES

    async def hear(self, sound: Float32) -> list[Onset | Pause]:
        """``sound``, a window at a time."""
        async with anyio.create_task_group() as tg:
            tg.start_soon(self.hearing.run)
            for window in np.split(sound, range(VAD_WINDOW_SAMPLES, len(sound), VAD_WINDOW_SAMPLES)):
                self.hearing.take(AppendAudio(pcm=to_int16(window).tobytes(), rate_hz=SESSION_RATE_HZ))
                await anyio.sleep(WINDOW_S)
            tg.cancel_scope.cancel()
        return [found for event in self.told if isinstance(event, Heard) for found in event.found]


@pytest.fixture(scope="module")
def vad() -> Counting:
    engine = Counting()
    engine.load()
    return engine


@pytest.fixture(scope="module")
def talk(spoken: Callable[[str], Float32]) -> Float32:
    """A second of silence, three sentences with four seconds between them, and four more."""
    gap = np.zeros(4 * SESSION_RATE_HZ, np.float32)
    said = [part for sentence in SENTENCES for part in (spoken(sentence), gap)]
    sound: Float32 = np.concatenate([gap[: 31 * VAD_WINDOW_SAMPLES], *said])
    return sound[: len(sound) // VAD_WINDOW_SAMPLES * VAD_WINDOW_SAMPLES]


def _noise(length: int, dbfs: float) -> Float32:
    level = np.float32(10 ** (dbfs / 20))
    noise: Float32 = np.random.default_rng(5).standard_normal(length, np.float32) * level
    return noise


def _found_where_all_is_shown(vad: SileroVad, sound: Float32) -> list[Onset | Pause]:
    as_sent = to_float(to_int16(sound))
    (result,) = vad.step([VadRequest(windows=as_sent.reshape(-1, VAD_WINDOW_SAMPLES))])
    gate = SpeechGate()
    ends = range(VAD_WINDOW_SAMPLES, len(sound) + 1, VAD_WINDOW_SAMPLES)
    events = [gate.push(float(prob), end) for prob, end in zip(result.speech_probs, ends, strict=True)]
    return [event for event in events if event is not None]


@pytest.mark.parametrize(("dbfs", "loudness"), [(None, 1.0), (-75, 1.0), (-60, 1.0), (-50, 1.0), (None, 0.03)])
async def test_speech_is_found_as_where_all_is_shown(
    vad: Counting, talk: Float32, dbfs: float | None, loudness: float
) -> None:
    sound = talk * np.float32(loudness)
    if dbfs is not None:
        sound = sound + _noise(len(talk), dbfs)
    expected = _found_where_all_is_shown(vad, sound)
    found = await Ears(vad).hear(sound)
    assert [type(event) for event in found] == [type(event) for event in expected]
    assert len(found) >= 2 * len(SENTENCES)
    for event, wanted in zip(found, expected, strict=True):
        assert event.at == pytest.approx(wanted.at, abs=2 * VAD_WINDOW_SAMPLES)


@pytest.mark.parametrize(("dbfs", "least_spared"), [(None, 0.95), (-75, 0.95), (-50, -0.1)])
async def test_what_is_too_quiet_to_be_speech_is_not_shown(
    vad: Counting, dbfs: float | None, least_spared: float
) -> None:
    sound = np.zeros(10 * SESSION_RATE_HZ, np.float32) if dbfs is None else _noise(10 * SESSION_RATE_HZ, dbfs)
    vad.shown = 0
    assert await Ears(vad).hear(sound) == []
    windows = len(sound) // VAD_WINDOW_SAMPLES
    assert vad.shown <= (1 - least_spared) * windows


@pytest.mark.parametrize("dbfs", [None, -75, -50])
async def test_long_silence_does_not_make_it_deaf(vad: Counting, talk: Float32, dbfs: float | None) -> None:
    """Silero's own memory of 20 s without speech is such that much of what is said after it is missed."""
    lead = 620 * VAD_WINDOW_SAMPLES
    sound = np.concatenate([np.zeros(lead, np.float32), talk])
    if dbfs is not None:
        sound = sound + _noise(len(sound), dbfs)
    soon = await Ears(vad).hear(sound[lead:])
    late = await Ears(vad).hear(sound)
    assert [type(event) for event in late] == [type(event) for event in soon]
    for event, wanted in zip(late, soon, strict=True):
        assert event.at - lead == pytest.approx(wanted.at, abs=3 * VAD_WINDOW_SAMPLES)

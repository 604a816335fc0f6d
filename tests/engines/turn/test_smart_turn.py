from __future__ import annotations

import importlib.util
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soxr

from duologue.audio.frame import Float32, to_float
from duologue.engines.base import TurnRequest
from duologue.engines.turn.smart_turn import WINDOW_SAMPLES, SmartTurn, log_mel
from duologue.errors import EngineUnavailable

has_pipecat = pytest.mark.skipif(importlib.util.find_spec("pipecat") is None, reason="needs pipecat-ai")


@pytest.fixture(scope="module")
def smart_turn() -> Iterator[SmartTurn]:
    engine = SmartTurn()
    engine.load()
    yield engine
    engine.close()


def noise(samples: int) -> Float32:
    sound = np.random.default_rng(7).standard_normal(samples) * 0.1 + 0.02
    return sound.astype(np.float32)


LENGTHS = [0, 1, 100, 16_000, 32_040, 93_680, WINDOW_SAMPLES - 250, WINDOW_SAMPLES - 150, WINDOW_SAMPLES, 200_000]


@has_pipecat
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("samples", LENGTHS)
def test_features_equal_the_ones_the_model_is_shipped_with(samples: int) -> None:
    features = pytest.importorskip("pipecat.audio.turn.smart_turn._whisper_features")
    sound = noise(samples)
    padded = np.pad(sound[-WINDOW_SAMPLES:], (max(0, WINDOW_SAMPLES - samples), 0))
    np.testing.assert_allclose(log_mel(sound), features.compute_whisper_log_mel_features(padded), atol=2e-5)


@pytest.mark.parametrize("samples", LENGTHS)
def test_features_have_one_shape(samples: int) -> None:
    features = log_mel(noise(samples))
    assert features.shape == (80, 800)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_features_of_a_tone_peak_at_its_pitch() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(WINDOW_SAMPLES) / 16_000).astype(np.float32)
    # 1 kHz is 15 of the scale's 45.2 mels, and 80 filters stand evenly upon it.
    assert abs(int(log_mel(tone)[:, 400].argmax()) - 26) <= 1


def test_broken_samples_count_as_silence() -> None:
    sound = noise(16_000)
    sound[:400] = 0.0
    broken = sound.copy()
    broken[:400] = np.nan
    np.testing.assert_array_equal(log_mel(broken), log_mel(sound))


@has_pipecat
def test_finished_questions_are_likelier_ends_than_broken_ones(smart_turn: SmartTurn, recordings: Path) -> None:
    finished: list[float] = []
    broken: list[float] = []
    for path in sorted((recordings / "turns").glob("vap_*_short_*.wav")):
        sound, rate_hz = read_wav(path)
        assert rate_hz == 24_000
        sound = soxr.resample(sound, rate_hz, 16_000)
        requests = [TurnRequest(audio=sound), TurnRequest(audio=sound[: len(sound) * 6 // 10])]
        whole, part = smart_turn.step(requests)
        finished.append(whole.end_of_turn_prob)
        broken.append(part.end_of_turn_prob)
    assert np.mean(finished) > 0.8
    assert np.mean(broken) < 0.5


def read_wav(path: Path) -> tuple[Float32, int]:
    with wave.open(str(path)) as file:
        return to_float(np.frombuffer(file.readframes(file.getnframes()), "<i2")), file.getframerate()


@has_pipecat
def test_only_the_last_8_s_are_heard(smart_turn: SmartTurn) -> None:
    end = noise(WINDOW_SAMPLES)
    alone, long = smart_turn.step([TurnRequest(audio=end), TurnRequest(audio=np.concatenate([noise(50_000), end]))])
    assert 0.0 <= alone.end_of_turn_prob <= 1.0
    assert alone.end_of_turn_prob == long.end_of_turn_prob


@has_pipecat
@pytest.mark.parametrize("samples", [0, 1, 100])
def test_almost_no_sound_gives_a_probability(smart_turn: SmartTurn, samples: int) -> None:
    (result,) = smart_turn.step([TurnRequest(audio=np.full(samples, np.nan, np.float32))])
    assert 0.0 <= result.end_of_turn_prob <= 1.0


def test_before_load_it_says_so() -> None:
    with pytest.raises(EngineUnavailable, match="load"):
        SmartTurn().step([TurnRequest(audio=noise(100))])

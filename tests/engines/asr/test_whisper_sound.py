from __future__ import annotations

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.audio.frame import SESSION_RATE_HZ, Float32
from duologue.engines.asr.clip import speech_of
from duologue.engines.asr.whisper_sound import WINDOW_S, Stretch, features_of, stretches_of


def noise(seconds: float, level: float = 0.1, seed: int = 0) -> Float32:
    drawn = np.random.default_rng(seed).standard_normal(int(seconds * SESSION_RATE_HZ))
    return (level * drawn).astype(np.float32)


def quiet(seconds: float) -> Float32:
    return np.zeros(int(seconds * SESSION_RATE_HZ), np.float32)


def test_quiet_edges_are_cut_and_the_place_is_known() -> None:
    (stretch,) = stretches_of(np.concatenate([quiet(3), noise(1), quiet(2)]))
    assert stretch.start_s == pytest.approx(2.8)
    assert stretch.sound_s == pytest.approx(1.5)
    assert stretch.frames == 150


def test_nothing_is_left_of_silence() -> None:
    assert stretches_of(quiet(40)) == []
    assert stretches_of(quiet(0)) == []


@given(lead=st.integers(0, 20_000), level=st.sampled_from([0.0, 1e-4, 1e-2]), seed=st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_a_stretch_lies_where_it_says(lead: int, level: float, seed: int) -> None:
    background = noise(3, level, seed)
    turn = background.copy()
    turn[lead : lead + 8000] += noise(0.5, 0.2, seed + 10)
    (stretch,) = stretches_of(turn)
    start = round(stretch.start_s * SESSION_RATE_HZ)
    assert np.array_equal(turn[start : start + len(stretch.sound)], stretch.sound[: len(turn) - start])
    assert np.array_equal(stretch.sound, speech_of(turn))


@pytest.mark.parametrize("seconds", [29.0, 31.0, 45.0, 95.0])
def test_long_turns_are_few_windows_and_whole(seconds: float) -> None:
    turn = noise(seconds)
    turn[:: 3 * SESSION_RATE_HZ] = 0
    stretches = stretches_of(turn)
    assert all(stretch.sound_s <= WINDOW_S for stretch in stretches)
    # Cuts lie in the last third of 15 s, so two pieces fill 20 s at least.
    assert len(stretches) <= seconds // 20 + 1
    heard = sum(stretch.sound_s for stretch in stretches)
    assert seconds - 0.1 <= heard <= seconds + 0.3 * len(stretches)


@pytest.mark.parametrize("mels", [80, 128])
@pytest.mark.parametrize("seconds", [0.3, 4.0, 29.5, 30.0])
def test_features_are_those_of_thirty_seconds_of_samples(seconds: float, mels: int) -> None:
    extractor = FeatureExtractor(feature_size=mels)
    sound = noise(seconds)
    whole = extractor(np.pad(sound, (0, WINDOW_S * SESSION_RATE_HZ - len(sound))))[:, :3000]
    features = features_of(Stretch(sound, 0.0), extractor)
    assert features.shape == (mels, 3000)
    assert features.dtype == np.float32
    assert np.allclose(features, whole, atol=1e-5)

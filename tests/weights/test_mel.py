"""The features equal those of transformers' extractor, over the whole of every window."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs torch: pip install -e .[voxtral]")
pytest.importorskip("transformers", reason="needs transformers: pip install -e .[voxtral]")

import numpy as np
import torch
from transformers import WhisperFeatureExtractor

from duologue.audio.frame import Float32
from duologue.engines.speech.mel import WINDOW_SAMPLES, LogMel, window_count

from .voxtral_reference import noise


def theirs(audio: Float32) -> torch.Tensor:
    """As Voxtral's processor asks for them: [windows, 128, 3000]."""
    features = WhisperFeatureExtractor(feature_size=128)(
        audio, sampling_rate=16_000, padding=True, truncation=False, pad_to_multiple_of=WINDOW_SAMPLES,
        return_tensors="pt",
    )["input_features"]  # fmt: skip
    return features.reshape(128, -1, 3000).transpose(0, 1)


@pytest.mark.parametrize(
    "samples",
    [1, 159, 160, 200, 201, 4000, 64_000, 479_799, 479_801, 479_960, 479_961, 480_000, 480_001, 500_123, 960_000],
)
def test_same_features(samples: int) -> None:
    audio = noise(60, seed=samples)[:samples]
    ours = LogMel(128, "cpu")(audio)
    assert ours.shape == (window_count(samples), 128, 3000)
    assert float((ours - theirs(audio)).abs().max()) < 2e-6


@pytest.mark.parametrize("value", [0.0, 1e-6, 0.5])
def test_same_features_without_speech(value: float) -> None:
    audio = np.full(8000, value, np.float32)
    assert float((LogMel(128, "cpu")(audio) - theirs(audio)).abs().max()) < 2e-6


def test_quiet_window_shares_the_floor_of_the_loud_one() -> None:
    audio = np.concatenate([noise(30, seed=1), noise(2, seed=2) * np.float32(1e-4)])
    loud, quiet = LogMel(128, "cpu")(audio)
    assert float(quiet.min()) == pytest.approx(float(loud.max()) - 2.0, abs=1e-5)


def test_broken_samples_are_silence() -> None:
    audio = noise(1, seed=4)
    audio[100:110] = [np.nan, np.inf, -np.inf, 0, 0, 0, 0, 0, 0, 0]
    mended = audio.copy()
    mended[100:103] = 0
    audio.flags.writeable = False
    assert torch.equal(LogMel(128, "cpu")(audio), LogMel(128, "cpu")(mended))


def test_absurdly_loud_samples_stay_finite() -> None:
    """A sound file of floats may hold any; an infinite power would be NaN in the row, for every later tenant."""
    audio = noise(1, seed=4)
    audio[100:110] = [1e30, -1e30, 3e38, 1e20, 0, 0, 0, 0, 0, 0]
    assert bool(LogMel(128, "cpu")(audio).isfinite().all())


def test_few_numbers_of_frames_are_transformed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU makes and keeps a plan for each number."""
    counts: set[int] = set()
    transform = torch.fft.rfft

    def counted(frames: torch.Tensor) -> torch.Tensor:
        counts.add(len(frames))
        return transform(frames)

    monkeypatch.setattr(torch.fft, "rfft", counted)
    for samples in range(1, 480_000, 7_001):
        LogMel(8, "cpu")(np.zeros(samples, np.float32))
    assert counts <= set(range(100, 3001, 100))


@pytest.mark.parametrize(("samples", "windows"), [(0, 1), (1, 1), (480_000, 1), (480_001, 2), (960_001, 3)])
def test_window_count(samples: int, windows: int) -> None:
    assert window_count(samples) == windows

"""A stream from 24 kHz to 16 kHz: the same however it is cut, and hardly late."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.audio.frame import SESSION_RATE_HZ, VOICE_RATE_HZ, Float32
from duologue.audio.resample import Resampler

# soxr's LQ was seen to hold back 40 to 320 samples, with pieces of 10 ms and of 2 s alike.
LONGEST_DELAY_SAMPLES = 20 * SESSION_RATE_HZ // 1000


def _tone(seconds: float, hz: float = 440.0) -> Float32:
    t = np.arange(int(seconds * VOICE_RATE_HZ)) / VOICE_RATE_HZ
    return (0.5 * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def _resample(pieces: list[Float32]) -> Float32:
    resampler = Resampler(VOICE_RATE_HZ, SESSION_RATE_HZ)
    return np.concatenate([resampler.push(piece) for piece in pieces])


def test_length_is_two_thirds_but_for_the_delay() -> None:
    missing = 2 * SESSION_RATE_HZ - len(_resample([_tone(2.0)]))
    assert 0 <= missing <= LONGEST_DELAY_SAMPLES


def test_an_hour_does_not_drift() -> None:
    resampler = Resampler(VOICE_RATE_HZ, SESSION_RATE_HZ)
    frame = np.zeros(VOICE_RATE_HZ, np.float32)
    got = sum(len(resampler.push(frame)) for _ in range(3_600))
    assert 0 <= 3_600 * SESSION_RATE_HZ - got <= LONGEST_DELAY_SAMPLES


def test_sound_comes_out_where_it_went_in() -> None:
    got = _resample([_tone(1.0)])
    t = np.arange(len(got)) / SESSION_RATE_HZ
    want = 0.5 * np.sin(2 * np.pi * 440 * t)
    middle = slice(1_600, len(got) - 1_600)
    assert np.abs(got[middle] - want[middle]).max() < 0.02


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 3_000), min_size=1, max_size=30))
def test_chunks_of_any_size_equal_the_whole(sizes: list[int]) -> None:
    sound = _tone(0.5)
    pieces = np.split(sound, [edge for edge in np.cumsum(sizes) if edge < len(sound)])
    chunked, whole = _resample(pieces), _resample([sound])
    length = min(len(chunked), len(whole))
    assert abs(len(chunked) - len(whole)) <= LONGEST_DELAY_SAMPLES
    assert np.abs(chunked[:length] - whole[:length]).max() < 1e-4


@pytest.mark.parametrize("rate_hz", [16_000, 24_000])
def test_the_same_rate_is_left_alone(rate_hz: int) -> None:
    sound = _tone(0.1)
    assert np.array_equal(Resampler(rate_hz, rate_hz).push(sound), sound)


def test_nothing_gives_nothing() -> None:
    assert len(_resample([np.zeros(0, np.float32)])) == 0

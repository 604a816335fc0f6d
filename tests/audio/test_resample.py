"""A stream from 24 kHz to 16 kHz: the same however it is cut, and hardly late."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.audio.frame import SESSION_RATE_HZ, VOICE_RATE_HZ, Float32
from duologue.audio.resample import Resampler

# Half the filter.
LONGEST_DELAY_SAMPLES = 2 * SESSION_RATE_HZ // 1000


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
    assert np.abs(chunked[:length] - whole[:length]).max() < 1e-5


@pytest.mark.parametrize(("from_hz", "to_hz"), [(24_000, 16_000), (48_000, 16_000), (8_000, 16_000), (24_000, 8_000)])
def test_what_both_rates_can_carry_is_kept_and_nothing_else(from_hz: int, to_hz: int) -> None:
    limit_hz = min(from_hz, to_hz) / 2
    t = np.arange(from_hz) / from_hz
    for hz in np.linspace(0.02, 0.98, 25) * from_hz / 2:
        resampler = Resampler(from_hz, to_hz)
        tone = np.sin(2 * np.pi * hz * t).astype(np.float32)
        got = np.concatenate([resampler.push(tone), resampler.flush()])
        assert len(got) == to_hz
        middle = got[to_hz // 10 : -to_hz // 10]
        level = float(np.sqrt(2 * np.mean(middle**2)))
        if hz <= 0.875 * limit_hz:
            assert level == pytest.approx(1.0, abs=0.02)
            image = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
            loudest = int(image.argmax())
            rest = np.delete(image, range(max(0, loudest - 4), loudest + 5))
            assert rest.max() < 1e-3 * image.max(), "nothing that was not there"
        elif hz >= 1.025 * limit_hz:
            assert level < 10 ** (-60 / 20)


@pytest.mark.parametrize("size", [1, 7, 480, 768, 30_000])
def test_all_but_half_the_filter_is_given_at_once(size: int) -> None:
    resampler, given, made = Resampler(VOICE_RATE_HZ, SESSION_RATE_HZ), 0, 0
    for _ in range(20):
        given += size
        made += len(resampler.push(np.ones(size, np.float32)))
        assert 0 <= given * 2 / 3 - made <= LONGEST_DELAY_SAMPLES
    made += len(resampler.flush())
    assert made == -(-given * 2 // 3)


def test_a_ratio_that_is_not_simple_is_resampled_too() -> None:
    resampler = Resampler(44_100, 16_000)
    got = np.concatenate([resampler.push(np.ones(44_100, np.float32)), resampler.flush()])
    assert len(got) == pytest.approx(16_000, abs=2)
    assert np.median(got) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("rate_hz", [16_000, 24_000])
def test_the_same_rate_is_left_alone(rate_hz: int) -> None:
    sound = _tone(0.1)
    assert np.array_equal(Resampler(rate_hz, rate_hz).push(sound), sound)


def test_nothing_gives_nothing() -> None:
    assert len(_resample([np.zeros(0, np.float32)])) == 0

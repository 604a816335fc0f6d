"""Samples: conversions that neither wrap nor let a NaN through."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from duologue.audio.frame import VOICE_RATE_HZ, ms_to_samples, samples_to_ms, to_float, to_int16


@given(arrays(np.int16, st.integers(0, 64)))
def test_int16_survives_the_way_to_float_and_back(pcm: np.ndarray) -> None:
    there = to_float(pcm)
    assert there.dtype == np.float32
    assert np.all((there >= -1) & (there < 1))
    assert np.array_equal(to_int16(there), pcm)


def test_beyond_full_scale_is_clipped_and_never_wraps() -> None:
    loud = np.array([1.0, 2.0, 1e30, np.inf, -1.0, -3.0, -np.inf], np.float32)
    assert to_int16(loud).tolist() == [32767] * 4 + [-32768] * 3


def test_not_a_number_is_silence() -> None:
    assert to_int16(np.array([np.nan], np.float32)).tolist() == [0]


def test_the_two_clocks() -> None:
    assert ms_to_samples(100) == 1_600
    assert ms_to_samples(100, VOICE_RATE_HZ) == 2_400
    assert samples_to_ms(1_615) == 100


@given(st.integers(0, 10**7))
def test_whole_milliseconds_survive(ms: int) -> None:
    assert samples_to_ms(ms_to_samples(ms)) == ms

"""Bytes on one clock: whatever is decoded when, every moment is where it was."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.audio.frame import SESSION_RATE_HZ, Float32
from duologue.audio.intake import Intake, peak

RATES_HZ = (8_000, 16_000, 24_000, 48_000)


def _ramp(samples: int, rate_hz: int) -> bytes:
    """Sound that tells at each moment which it is: the level is the time in units of 0.1 ms."""
    return (np.arange(samples) * 10_000 // rate_hz).astype("<i2").tobytes()


def _as_ramp(sound: Float32) -> Float32:
    """Its samples as times, in samples at 16 kHz."""
    return sound * np.float32(32_768 * SESSION_RATE_HZ / 10_000)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_every_sample_is_where_it_was(rate_hz: int) -> None:
    intake = Intake()
    intake.change_rate(rate_hz)
    data = _ramp(rate_hz, rate_hz)
    for a, b in itertools.pairwise([*range(0, len(data), 960), len(data)]):
        intake.append(data[a:b])
    assert intake.now == SESSION_RATE_HZ
    assert intake.end == 0, "nothing is decoded that nobody asked for"
    sound = intake.slice(4_000, 12_000)
    np.testing.assert_allclose(_as_ramp(sound), np.arange(4_000, 12_000), atol=4)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 3_000), min_size=4, max_size=40),
    st.lists(st.sampled_from(["digest", "drop", "flush", "ask", "wait"]), min_size=4, max_size=40),
)
def test_the_clock_is_that_of_what_came_whatever_is_done(sizes: list[int], deeds: list[str]) -> None:
    intake, came = Intake(), 0
    data = _ramp(sum(sizes), 24_000)
    for size, deed in zip(sizes, itertools.cycle(deeds), strict=False):
        intake.append(data[2 * came : 2 * (came + size)])
        came += size
        match deed:
            case "digest":
                intake.digest()
            case "drop":
                intake.drop_before(intake.now - 1_600)
                assert intake.start <= max(0, intake.now - 1_600)
            case "flush":
                intake.flush()
                assert intake.end == intake.now
            case "ask":
                intake.slice(intake.now - 100, intake.now)
        # Each flush rounds up to a whole sample.
        assert 0 <= intake.now - came * 2 // 3 <= len(sizes)
        assert intake.start <= intake.end <= intake.now
    sound = _as_ramp(intake.slice(intake.start, intake.end))
    late = np.abs(sound - np.arange(intake.end - len(sound), intake.end))
    # Where the stream was cut the filter rings.
    assert np.median(late) <= 4 + len(sizes) if len(late) else True


def test_what_was_never_decoded_is_forgotten_without_being() -> None:
    intake = Intake()
    for _ in range(500):
        intake.append(bytes(960))
        intake.drop_before(intake.now - 16_000)
    assert intake.now == 160_000
    assert intake.now - 16_320 <= intake.start <= intake.now - 16_000
    assert intake.end == intake.start
    assert intake.raw_bytes <= 2 * 24_480
    assert len(intake.slice(intake.now - 1_000, intake.now)) >= 960


def test_an_odd_byte_waits_for_its_other_half() -> None:
    intake = Intake()
    intake.change_rate(16_000)
    for byte in b"\x01\x00\x02\x00\x03":
        intake.append(bytes([byte]))
    assert intake.now == 2
    intake.append(b"\x00")
    assert (intake.slice(0, 3) * 32_768).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("samples", "loudest"), [([], 0), ([0, 0], 0), ([3, -5, 2], 5), ([-32_768, 1], 32_768), ([32_767], 32_767)]
)
def test_the_peak_of_sound(samples: list[int], loudest: int) -> None:
    assert peak(np.array(samples, "<i2").tobytes()) == loudest


def test_half_a_sample_has_no_peak() -> None:
    assert peak(b"\x7f") == 0
    assert peak(b"\x07\x00\x7f") == 7

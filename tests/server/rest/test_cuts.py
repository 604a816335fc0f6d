"""Long sound is cut at pauses, and only where there are none through a voice."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.audio.frame import SESSION_RATE_HZ, Float32
from duologue.engines.base import VAD_WINDOW_SAMPLES
from duologue.server.rest.cuts import LONGEST_SAMPLES, Cutter, Stretch

WINDOW_S = VAD_WINDOW_SAMPLES / SESSION_RATE_HZ


def _probs(*parts: tuple[float, float]) -> Float32:
    """(probability, seconds) -> one number a window."""
    return np.concatenate([np.full(round(seconds / WINDOW_S), prob, np.float32) for prob, seconds in parts])


def _cut(probs: Float32, at_once: int = 100) -> list[Stretch]:
    """Each sample of the recording is its own number, so that a stretch tells where it is from."""
    cutter = Cutter()
    stretches = []
    for start in range(0, len(probs), at_once):
        some = probs[start : start + at_once]
        first = start * VAD_WINDOW_SAMPLES
        windows = np.arange(first, first + len(some) * VAD_WINDOW_SAMPLES, dtype=np.float32)
        stretches += cutter.push(windows.reshape(-1, VAD_WINDOW_SAMPLES), some)
    return [*stretches, *cutter.flush(len(probs) * VAD_WINDOW_SAMPLES)]


def _check(stretches: list[Stretch]) -> None:
    """In order, apart, no longer than allowed, and the samples that they say they are."""
    end = 0
    for stretch in stretches:
        assert stretch.start >= end
        end = stretch.end
        assert 0 < len(stretch.audio) <= LONGEST_SAMPLES
        assert (stretch.audio[0], stretch.audio[-1]) == (stretch.start, stretch.end - 1)
        spans = [edge for span in stretch.voiced for edge in span]
        assert spans == sorted(spans)
        assert 0 <= spans[0] < spans[-1] <= len(stretch.audio)


def _seconds(stretch: Stretch) -> tuple[float, float]:
    return stretch.start / SESSION_RATE_HZ, stretch.end / SESSION_RATE_HZ


def test_silence_has_no_stretch() -> None:
    assert _cut(_probs((0.0, 100.0))) == []


def test_one_voice_keeps_a_margin() -> None:
    (stretch,) = _cut(_probs((0, 2), (1, 3), (0, 5)))
    _check([stretch])
    start_s, end_s = _seconds(stretch)
    assert (start_s, end_s) == pytest.approx((1.7, 5.3), abs=0.05)
    assert stretch.voice_s == pytest.approx(3.0, abs=0.05)


def test_a_pause_is_cut_in_its_middle() -> None:
    first, second = _cut(_probs((1, 12), (0, 0.5), (1, 5)))
    _check([first, second])
    assert first.end / SESSION_RATE_HZ == pytest.approx(12.25, abs=0.05)
    assert second.start / SESSION_RATE_HZ == pytest.approx(12.25, abs=0.05)


@pytest.mark.parametrize(
    ("voice_s", "pause_s", "count"), [(2, 0.8, 1), (5, 0.8, 2), (5, 0.5, 1), (12, 0.5, 2), (12, 0.25, 1), (22, 0.25, 2)]
)
def test_the_longer_the_speech_the_shorter_the_pause(voice_s: float, pause_s: float, count: int) -> None:
    assert len(_cut(_probs((1, voice_s), (0, pause_s), (1, 4)))) == count


def test_two_words_far_apart_are_two_stretches() -> None:
    assert len(_cut(_probs((1, 0.5), (0, 3), (1, 0.5)))) == 2


def test_without_a_pause_it_is_cut_where_a_voice_is_least_likely() -> None:
    first, second = _cut(_probs((1, 25), (0.6, 0.1), (1, 15)))
    _check([first, second])
    assert first.end / SESSION_RATE_HZ == pytest.approx(25.05, abs=0.06)
    assert second.start == first.end


def test_too_long_is_cut_in_the_longest_of_its_short_pauses() -> None:
    first, second = _cut(_probs((1, 14), (0, 0.16), (1, 3), (0, 0.13), (1, 15)))
    _check([first, second])
    assert first.end / SESSION_RATE_HZ == pytest.approx(14.08, abs=0.05)


def test_an_hour_of_one_voice_loses_nothing() -> None:
    stretches = _cut(_probs((1, 600)))
    _check(stretches)
    assert stretches[0].start == 0
    assert all(before.end == after.start for before, after in itertools.pairwise(stretches))
    assert stretches[-1].end == len(_probs((1, 600))) * VAD_WINDOW_SAMPLES


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.3, 0.45, 1.0]), st.floats(0.03, 40)), min_size=1, max_size=12),
    st.integers(1, 400),
)
def test_any_recording(parts: list[tuple[float, float]], at_once: int) -> None:
    probs = _probs(*parts)
    stretches = _cut(probs, at_once)
    _check(stretches)
    # However the windows come, the stretches are the same.
    assert [(s.start, s.end) for s in _cut(probs, 7)] == [(s.start, s.end) for s in stretches]
    # No voice is left out, but for its weak windows at the edges.
    covered = np.zeros(len(probs), bool)
    for stretch in stretches:
        covered[stretch.start // VAD_WINDOW_SAMPLES : -(-stretch.end // VAD_WINDOW_SAMPLES)] = True
    loud = (probs >= 0.4) & np.append(probs[1:] >= 0.4, False)
    assert covered[loud].all()

"""Where speech begins, pauses and ends, by level."""

from __future__ import annotations

import numpy as np
import pytest

from duologue.audio.frame import Int16
from duologue.bench.energy import AudibleFinder, inner_pauses, speech_span
from tests.bench.standin import silence, tone


def joined(*parts: Int16) -> Int16:
    return np.concatenate(parts)


def test_speech_ends_with_its_last_sound() -> None:
    span = speech_span(joined(silence(0.5), tone(1.0), silence(0.7)))
    assert span == pytest.approx((0.5, 1.5), abs=0.011)


def test_a_noisy_room_is_not_speech() -> None:
    room = (np.random.default_rng(1).standard_normal(48_000) * 60).astype(np.int16)
    room[12_000:36_000] += tone(1.0)
    assert speech_span(room) == pytest.approx((0.5, 1.5), abs=0.011)


def test_a_click_is_not_the_end() -> None:
    span = speech_span(joined(tone(1.0), silence(0.5), tone(0.01), silence(0.2)))
    assert span is not None
    assert span[1] == pytest.approx(1.0, abs=0.011)


@pytest.mark.parametrize("quiet", [silence(1.0), silence(0.0), silence(0.005)])
def test_silence_holds_no_speech(quiet: Int16) -> None:
    assert speech_span(quiet) is None


def test_only_pauses_of_200_ms_count_and_only_inside() -> None:
    clip = joined(silence(0.5), tone(0.5), silence(0.15), tone(0.5), silence(0.3), tone(0.5), silence(0.6))
    [pause] = inner_pauses(clip, 0.5, 2.45)
    assert pause == pytest.approx((1.65, 1.95), abs=0.011)


@pytest.mark.parametrize("chunk", [120, 1000, 77, 50_000])
def test_audible_is_found_in_pieces_of_any_size(chunk: int) -> None:
    sound = joined(silence(0.25), tone(0.5))
    finder = AudibleFinder()
    places = []
    for start in range(0, len(sound), chunk):
        offset = finder.feed(sound[start : start + chunk])
        if offset is not None:
            places.append(start + offset)
    assert places == [6000]


def test_a_whisper_below_45_dbfs_is_not_audible() -> None:
    finder = AudibleFinder()
    assert finder.feed(tone(0.5, level=100.0)) is None
    assert finder.feed(tone(0.5, level=400.0)) == 0

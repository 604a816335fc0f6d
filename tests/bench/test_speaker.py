"""The simulated loudspeaker, moment by moment."""

from __future__ import annotations

import numpy as np
import pytest

from duologue.bench.speaker import Speaker
from tests.bench.standin import silence, tone


def test_sound_is_played_after_what_is_queued() -> None:
    speaker = Speaker()
    assert speaker.play("a", tone(1.0), at=10.0) == 10.0
    assert speaker.play("a", tone(0.5), at=10.1) == pytest.approx(11.0)
    assert speaker.ends_at == pytest.approx(11.5)
    assert speaker.is_playing(11.4)
    assert not speaker.is_playing(11.6)
    assert speaker.gap_ms == 0


def test_sound_that_comes_too_late_leaves_a_gap() -> None:
    speaker = Speaker()
    speaker.play("a", tone(0.2), at=1.0)
    speaker.play("a", tone(0.2), at=1.5)
    assert speaker.gap_ms == pytest.approx(300)


def test_the_time_between_two_answers_is_no_gap() -> None:
    speaker = Speaker()
    speaker.play("a", tone(0.2), at=1.0)
    speaker.play("b", tone(0.2), at=9.0)
    assert speaker.gap_ms == 0


def test_flush_tells_what_was_heard_of_the_item_that_played() -> None:
    speaker = Speaker()
    speaker.play("a", tone(1.0), at=0.0)
    speaker.play("b", tone(1.0), at=0.0)
    speaker.play("b", tone(1.0), at=0.0)
    flushed = speaker.flush(2.25)
    assert flushed is not None
    assert (flushed.item_id, flushed.heard_ms) == ("b", 1250)
    assert not speaker.is_playing(2.26)
    assert speaker.flush(2.3) is None


def test_a_gap_is_not_heard_sound() -> None:
    speaker = Speaker()
    speaker.play("a", tone(0.5), at=0.0)
    speaker.play("a", tone(1.0), at=2.0)
    flushed = speaker.flush(2.25)
    assert flushed is not None
    assert flushed.heard_ms == 750


def test_the_recording_holds_what_was_not_flushed() -> None:
    speaker = Speaker(keeps_audio=True)
    speaker.play("a", tone(1.0), at=0.0)
    speaker.flush(0.5)
    speaker.play("b", silence(0.25), at=5.0)
    assert len(speaker.recording()) == 24_000 * 3 // 4


def test_finished_items_are_forgotten_unless_kept() -> None:
    speaker = Speaker()
    for number in range(50):
        speaker.play(f"item_{number}", tone(0.1), at=number * 1.0)
    assert len(speaker.recording()) == 2400


def test_held_sound_is_silent_and_keeps_its_place() -> None:
    speaker = Speaker(keeps_audio=True)
    speaker.play("a", tone(1.0), at=0.0)
    speaker.hold(0.4)
    assert speaker.is_held
    assert speaker.is_playing(50.0)
    assert speaker.play("a", tone(0.5), at=0.5) == float("inf")
    assert speaker.heard_s("a", 3.0) == pytest.approx(0.4)
    speaker.resume(3.0)
    assert not speaker.is_held
    assert speaker.ends_at == pytest.approx(4.1)
    assert speaker.heard_s("a", 3.5) == pytest.approx(0.9)
    whole = np.concatenate((tone(1.0), tone(0.5)))
    assert np.array_equal(speaker.recording(), whole)
    assert not speaker.between(0.4, 3.0).any()


def test_lowered_sound_is_heard_lower_until_it_is_resumed() -> None:
    speaker = Speaker(keeps_audio=True)
    speaker.play("a", tone(1.0), at=0.0)
    speaker.lower(0.25, 0.5)
    speaker.play("a", tone(1.0), at=0.3)
    speaker.resume(1.5)
    assert speaker.ends_at == pytest.approx(2.0)
    peaks = [np.abs(speaker.between(at, at + 0.2)).max() for at in (0.0, 0.3, 1.2, 1.6)]
    assert peaks[1:3] == pytest.approx([peaks[0] / 2] * 2, rel=0.02)
    assert peaks[3] == pytest.approx(peaks[0], rel=0.02)
    assert speaker.heard_s("a", 1.9) == pytest.approx(1.9)


def test_what_is_held_can_be_flushed_and_the_next_answer_is_as_loud_as_ever() -> None:
    speaker = Speaker()
    speaker.play("a", tone(1.0), at=0.0)
    speaker.lower(0.2, 0.2)
    speaker.hold(0.45)
    flushed = speaker.flush(2.0)
    assert flushed is not None
    assert (flushed.item_id, flushed.heard_ms) == ("a", 450)
    assert not speaker.is_held
    assert speaker.play("b", tone(0.5), at=2.5) == 2.5
    assert speaker.current(2.6) is not None


def test_only_one_reply_is_lowered_or_held_and_what_is_behind_it_waits() -> None:
    speaker = Speaker(keeps_audio=True)
    speaker.play("a", tone(1.0), 0.0, "first")
    speaker.play("b", tone(1.0), 0.0, "second")
    speaker.hold(0.5, "second")
    assert speaker.play("c", tone(1.0), 0.6, "third") == float("inf")
    assert speaker.heard_s("a", 2.0) == pytest.approx(1.0)
    assert speaker.heard_s("b", 2.0) == 0
    speaker.lower(3.0, 0.5, "second")
    assert speaker.ends_of("c") == pytest.approx(5.0)
    loud, low, after = (np.abs(speaker.between(at, at + 0.2)).max() for at in (0.6, 3.2, 4.2))
    assert (low, after) == pytest.approx((loud / 2, loud), rel=0.02)
    speaker.lower(3.5, 0.5, "third")
    assert np.abs(speaker.between(3.6, 3.8)).max() == pytest.approx(loud, rel=0.02)
    assert np.abs(speaker.between(4.2, 4.4)).max() == pytest.approx(loud / 2, rel=0.02)
    speaker.resume(4.5, "second")
    assert np.abs(speaker.between(4.6, 4.8)).max() == pytest.approx(loud / 2, rel=0.02)


def test_nothing_is_held_where_nothing_is_played_but_what_comes_waits() -> None:
    speaker = Speaker()
    speaker.hold(1.0)
    assert not speaker.is_playing(1.1)
    speaker.play("a", tone(0.5), at=1.2)
    speaker.resume(2.0)
    assert speaker.ends_of("a") == pytest.approx(2.5)
    assert speaker.ends_of("b") is None

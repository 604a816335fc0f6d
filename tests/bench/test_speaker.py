"""The simulated loudspeaker, moment by moment."""

from __future__ import annotations

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

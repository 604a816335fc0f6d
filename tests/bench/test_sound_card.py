"""What the loudspeaker's callback takes, and what was heard when it is cut off."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from duologue.audio.frame import Int16
from duologue.bench.sound_card import PlayQueue, open_sound_card
from duologue.bench.speaker import Flushed
from duologue.errors import ConfigError
from tests.bench.standin import tone


def test_sound_is_given_out_in_order_and_silence_after_it() -> None:
    queue = PlayQueue()
    sound = tone(0.05)
    queue.play("a", sound[:700])
    queue.play("a", sound[700:])
    taken = [queue.take(480) for _ in range(3)]
    assert taken[0].tolist() == sound[:480].tolist()
    assert taken[1].tolist() == sound[480:960].tolist()
    assert taken[2][:240].tolist() == sound[960:].tolist()
    assert not taken[2][240:].any()


def test_what_was_heard_is_what_the_card_has_played() -> None:
    queue = PlayQueue()
    queue.play("a", tone(0.1))
    queue.play("b", tone(1.0))
    queue.take(2400 + 12_000)
    flushed = queue.flush(delay_s=0.1)
    assert flushed is not None
    assert (flushed.item_id, flushed.heard_ms) == ("b", 400)
    assert not queue.take(480).any()
    assert queue.flush() is None


def test_what_is_held_goes_on_from_the_very_sample() -> None:
    queue, sound = PlayQueue(), noise(0.2)
    queue.play("a", sound)
    before = queue.take(1000)
    queue.hold()
    held = np.concatenate([queue.take(480) for _ in range(3)])
    queue.play("a", sound)
    queue.resume()
    after = queue.take(120 + len(sound) - 1000 + len(sound))
    assert before.tolist() == sound[:1000].tolist()
    # Two fades of 5 ms, of what is still to come and of what was, come on top.
    assert np.all(np.abs(held[:120]) <= np.abs(sound[1000:1120]))
    assert not held[120:].any()
    assert np.all(np.abs(after[:120]) <= np.abs(sound[880:1000]))
    assert after[120:].tolist() == [*sound[1000:].tolist(), *sound.tolist()]


def test_what_is_held_and_resumed_before_the_card_takes_any_is_whole() -> None:
    queue, sound = PlayQueue(), noise(0.1)
    queue.play("a", sound)
    before = queue.take(1000)
    queue.hold()
    queue.resume()
    assert [*before.tolist(), *queue.take(len(sound) - 1000).tolist()] == sound.tolist()


def test_what_has_not_begun_has_nothing_to_fade() -> None:
    queue, sound = PlayQueue(), noise(0.1)
    queue.hold()
    queue.play("a", sound)
    assert not queue.take(480).any()
    queue.resume()
    assert queue.take(len(sound)).tolist() == sound.tolist()


def test_lower_and_louder_are_ramps_of_5_ms() -> None:
    queue, sound = PlayQueue(), np.full(4800, 10_000, np.int16)
    queue.play("a", sound)
    queue.take(480)
    queue.lower(0.25)
    lower = queue.take(960)
    queue.resume()
    louder = queue.take(960)
    for taken in (lower, louder):
        assert int(np.abs(np.diff(taken.astype(np.int32))).max()) <= 7500 // 120 + 1
    assert set(lower[120:].tolist()) == {2500}
    assert set(louder[120:].tolist()) == {10_000}
    assert 2500 < lower[60] < 10_000


def test_how_far_it_was_heard_catches_up_while_it_is_held() -> None:
    queue = PlayQueue()
    assert queue.reached() is None
    queue.play("a", noise(1.0))
    queue.take(4800)
    assert queue.reached(delay_s=0.1) == Flushed("a", 100)
    queue.hold()
    queue.take(1200)
    assert queue.reached(delay_s=0.1) == Flushed("a", 150)
    queue.take(4800)
    assert queue.reached(delay_s=0.1) == Flushed("a", 200)
    assert queue.flush(delay_s=0.1) == Flushed("a", 200)


def test_what_was_heard_to_its_end_says_so() -> None:
    queue = PlayQueue()
    queue.play("a", noise(0.1))
    queue.take(4800)
    assert queue.reached(delay_s=0.3) == Flushed("a", 0)
    queue.take(24_000)
    assert queue.reached(delay_s=0.3) == Flushed("a", 100)


def test_a_flush_ends_the_holding() -> None:
    queue = PlayQueue()
    queue.play("a", noise(0.5))
    queue.take(480)
    queue.lower(0.2)
    queue.hold()
    queue.take(480)
    queue.flush()
    queue.play("b", sound := noise(0.1))
    assert queue.take(len(sound)).tolist() == sound.tolist()


def noise(duration_s: float) -> Int16:
    """No two samples alike, int16 [n]."""
    sound = np.random.default_rng(0).integers(-20_000, 20_000, int(duration_s * 24_000))
    return sound.astype(np.int16)


@pytest.mark.anyio
async def test_without_portaudio_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(ConfigError, match=r"--in question\.wav --out answer\.wav"), open_sound_card():
        pytest.fail("there is no card")

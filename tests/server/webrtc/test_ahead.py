"""Sound that waits: what is lowered or held comes back from its very sample, and nothing clicks."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.server.webrtc.ahead import FADE_SAMPLES, Ahead

PACKET = 480
# A tone of 200 Hz at 24 kHz: its steepest step from sample to sample is 524.
LOUD = 10_000
STEEPEST = LOUD * 2 * np.pi * 200 / 24_000

Int16 = NDArray[np.int16]


def tone(samples: int) -> Int16:
    return (LOUD * np.sin(2 * np.pi * 200 * np.arange(samples) / 24_000)).astype("<i2")


def packets(ahead: Ahead, count: int) -> Int16:
    return np.concatenate(
        [np.frombuffer(ahead.take(2 * PACKET).ljust(2 * PACKET, b"\0"), dtype="<i2") for _ in range(count)]
    )


def playing(sound: Int16, reply_id: str = "r") -> Ahead:
    ahead = Ahead()
    ahead.say(sound.tobytes(), reply_id)
    return ahead


def steepest(sound: Int16) -> float:
    return float(np.abs(np.diff(sound.astype(np.int32))).max())


def test_what_is_left_alone_comes_as_it_was_given() -> None:
    sound = tone(2_000)
    assert np.array_equal(packets(playing(sound), 5)[:2_000], sound)


def test_lowered_within_5_ms_to_the_gain_and_back() -> None:
    sound = tone(10 * PACKET)
    ahead = playing(sound)
    before = packets(ahead, 2)
    ahead.lower("r", 0.3)
    low = packets(ahead, 3)
    ahead.resume("r")
    after = packets(ahead, 5)
    assert np.array_equal(before, sound[: 2 * PACKET])
    at = 2 * PACKET + FADE_SAMPLES
    assert np.array_equal(low[FADE_SAMPLES:], (sound[at : 5 * PACKET] * 0.3).astype("<i2"))
    assert np.array_equal(after[FADE_SAMPLES:], sound[5 * PACKET + FADE_SAMPLES :])
    # A ramp over 5 ms adds at most a 120th of the loudest sample to each step.
    assert steepest(np.concatenate([before, low, after])) < STEEPEST + LOUD / FADE_SAMPLES + 2


@pytest.mark.parametrize("gain", [1.0, 0.3])
def test_held_it_keeps_its_place_and_goes_on_from_the_very_sample(gain: float) -> None:
    sound = tone(10 * PACKET)
    ahead = playing(sound)
    ahead.lower("r", gain)
    before = packets(ahead, 3)
    ahead.hold("r")
    held = packets(ahead, 4)
    assert ahead.length_bytes == 2 * 7 * PACKET
    ahead.resume("r")
    after = packets(ahead, 8)
    fade = np.abs(held[:FADE_SAMPLES])
    assert 0 < fade.max() <= LOUD * gain
    assert not held[FADE_SAMPLES:].any()
    # What fades in is 5 ms that were heard before; from there every sample is as it was given, once.
    assert np.array_equal(after[FADE_SAMPLES : FADE_SAMPLES + 7 * PACKET], sound[3 * PACKET :])
    assert not after[FADE_SAMPLES + 7 * PACKET :].any()
    assert steepest(np.concatenate([before, held, after[: 5 * PACKET]])) < STEEPEST + LOUD / FADE_SAMPLES + 2


def test_held_and_then_lowered_it_goes_on_as_low() -> None:
    sound = tone(6 * PACKET)
    ahead = playing(sound)
    before = packets(ahead, 2)
    ahead.hold("r")
    held = packets(ahead, 2)
    ahead.lower("r", 0.3)
    low = packets(ahead, 3)
    at = 2 * PACKET
    assert np.array_equal(low[FADE_SAMPLES:], (sound[at : at + 3 * PACKET - FADE_SAMPLES] * 0.3).astype("<i2"))
    assert steepest(np.concatenate([before, held, low])) < STEEPEST + LOUD / FADE_SAMPLES + 2
    ahead.resume("r")
    rest = sound[at + 3 * PACKET - FADE_SAMPLES :]
    assert np.array_equal(packets(ahead, 2)[FADE_SAMPLES : len(rest)], rest[FADE_SAMPLES:])


def test_more_may_come_while_it_is_held() -> None:
    sound = tone(6 * PACKET)
    ahead = playing(sound[: 2 * PACKET])
    packets(ahead, 1)
    ahead.hold("r")
    packets(ahead, 2)
    ahead.say(sound[2 * PACKET :].tobytes(), "r")
    assert not packets(ahead, 2).any()
    ahead.resume("r")
    assert np.array_equal(packets(ahead, 6)[FADE_SAMPLES : FADE_SAMPLES + 5 * PACKET], sound[PACKET:])


def test_held_before_it_began_or_when_it_had_run_dry_it_makes_no_sound() -> None:
    sound = tone(2 * PACKET)
    for start in (0, PACKET):
        ahead = Ahead()
        ahead.say(sound[:start].tobytes(), "r")
        packets(ahead, 2)
        ahead.hold("r")
        packets(ahead, 1)
        ahead.say(sound[start:].tobytes(), "r")
        assert not packets(ahead, 3).any()
        ahead.resume("r")
        assert np.array_equal(packets(ahead, 2)[: 2 * PACKET - start], sound[start:])


def test_held_and_resumed_between_two_packets_nothing_has_happened() -> None:
    sound = tone(4 * PACKET)
    ahead = playing(sound)
    before = packets(ahead, 1)
    ahead.hold("r")
    ahead.resume("r")
    assert np.array_equal(np.concatenate([before, packets(ahead, 3)]), sound)


def test_hushed_while_held_it_is_gone_and_the_next_one_is_as_it_was_given() -> None:
    ahead = playing(tone(4 * PACKET))
    packets(ahead, 1)
    ahead.lower("r", 0.3)
    ahead.hold("r")
    packets(ahead, 2)
    ahead.hush("r")
    assert ahead.length_bytes == 0
    ahead.resume("r")
    assert not packets(ahead, 1).any()
    for reply_id in ("s", "r"):
        ahead.say(tone(PACKET).tobytes(), reply_id)
        assert np.array_equal(packets(ahead, 1), tone(PACKET))


def test_hushed_while_it_is_low_the_fade_begins_as_low() -> None:
    ahead = playing(tone(4 * PACKET))
    ahead.lower("r", 0.3)
    low = packets(ahead, 2)
    ahead.hush("r")
    end = packets(ahead, 2)
    assert not end[FADE_SAMPLES:].any()
    assert steepest(np.concatenate([low[FADE_SAMPLES:], end])) < STEEPEST * 0.3 + LOUD / FADE_SAMPLES


def test_hushed_just_as_it_was_to_come_back_nothing_sounds() -> None:
    ahead = playing(tone(4 * PACKET))
    packets(ahead, 1)
    ahead.hold("r")
    packets(ahead, 2)
    ahead.resume("r")
    ahead.hush("r")
    assert not packets(ahead, 3).any()


def test_the_tail_of_another_is_neither_lowered_nor_held() -> None:
    ahead = playing(tone(PACKET), "old")
    ahead.say(tone(PACKET).tobytes(), "r")
    ahead.hold("r")
    assert np.array_equal(packets(ahead, 1), tone(PACKET))
    assert not packets(ahead, 1).any()
    ahead.resume("old")
    assert not packets(ahead, 1).any()
    ahead.resume("r")
    assert np.array_equal(packets(ahead, 1), tone(PACKET))


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_in_between_nothing_is_lost_and_nothing_comes_twice(seed: int) -> None:
    """Each sample is its own number; what fades is told from it by the silence that follows or went before."""
    rng = random.Random(seed)
    sound = np.arange(1, 20 * PACKET + 1, dtype="<i2")
    ahead = Ahead()
    moves: list[Callable[[], None]] = [
        lambda: ahead.hold("r"),
        lambda: ahead.resume("r"),
        lambda: ahead.lower("r", 0.5),
        lambda: ahead.lower("r", 1.0),
    ]
    given = taken = 0
    while taken < len(sound):
        if rng.random() < 0.5 and given < len(sound):
            count = rng.randrange(1, 700)
            ahead.say(sound[given : given + count].tobytes(), "r")
            given = min(len(sound), given + count)
        if rng.random() < 0.4:
            rng.choice(moves)()
        before = ahead.length_bytes
        packet = np.frombuffer(ahead.take(2 * PACKET), dtype="<i2")
        new = (before - ahead.length_bytes) // 2
        heard, expected = packet[len(packet) - new :], sound[taken : taken + new]
        assert np.all(heard <= expected), "of what was given, as loud or lower"
        assert np.all(heard >= expected // 2 - 1)
        taken += new
        if given == len(sound) and rng.random() < 0.2:
            ahead.resume("r")
    assert ahead.take(2 * PACKET) == b""

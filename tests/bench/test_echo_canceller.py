"""WebRTC's echo canceller in a simulated room: the answer goes, whoever speaks stays."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from duologue.audio.frame import VOICE_RATE_HZ, Float32, Int16, to_float, to_int16
from duologue.bench.echo_canceller import EchoCanceller, open_echo_canceller
from duologue.bench.wire import FRAME_S, FRAME_SAMPLES
from tests.audio.rooms import ANSWER, QUESTION, Room, level, spoken

DELAY_S = 0.08


@pytest.fixture
def canceller() -> EchoCanceller:
    opened = open_echo_canceller(DELAY_S, FRAME_S)
    if opened is None:
        pytest.skip("needs the package pywebrtc-audio")
    return opened


def through(canceller: EchoCanceller, heard: Float32, played: Float32) -> Float32:
    """A card at work: it is given 20 ms and gives 20 ms, again and again."""
    cleaned: list[Int16] = []
    for at in range(0, len(heard) // FRAME_SAMPLES * FRAME_SAMPLES, FRAME_SAMPLES):
        canceller.play(to_int16(played[at : at + FRAME_SAMPLES]))
        cleaned.append(canceller.clean(to_int16(heard[at : at + FRAME_SAMPLES])))
    return to_float(np.concatenate(cleaned))


def a_room() -> Room:
    return Room(1, delay_ms=DELAY_S * 1000, gain_db=-6.0, rate_hz=VOICE_RATE_HZ)


def test_after_a_second_the_answer_is_20_db_down(canceller: EchoCanceller) -> None:
    played = spoken(ANSWER, rate_hz=VOICE_RATE_HZ)
    heard = a_room().echo(played)
    left = through(canceller, heard, played)
    assert 20 * np.log10(level(left[VOICE_RATE_HZ:]) / level(heard[VOICE_RATE_HZ:])) < -20


def test_whoever_talks_over_it_stays(canceller: EchoCanceller) -> None:
    played = spoken(ANSWER, rate_hz=VOICE_RATE_HZ)
    question = spoken(QUESTION, "en-us+f3", VOICE_RATE_HZ)
    near = np.zeros_like(played)
    start = 4 * VOICE_RATE_HZ
    near[start : start + len(question)] = question[: len(near) - start]
    left = through(canceller, a_room().echo(played) + near, played)
    said, kept = near[start:], left[start:]
    assert abs(20 * np.log10(level(kept) / level(said))) < 6
    assert _likest(said, kept) > 0.7


def test_whoever_speaks_in_silence_is_left_alone(canceller: EchoCanceller) -> None:
    question = spoken(QUESTION, rate_hz=VOICE_RATE_HZ)
    left = through(canceller, question, np.zeros_like(question))
    assert abs(20 * np.log10(level(left) / level(question))) < 1
    assert _likest(question, left) > 0.9


def test_a_card_that_takes_much_at_once_is_followed(canceller: EchoCanceller) -> None:
    # It fills its own queue before it plays: what it was given first is heard when its delay has passed.
    played = spoken(ANSWER, rate_hz=VOICE_RATE_HZ)
    for _ in range(10):
        canceller.play(np.zeros(FRAME_SAMPLES, np.int16))
    heard = a_room().echo(played)
    left = through(canceller, heard, played)
    assert 20 * np.log10(level(left[VOICE_RATE_HZ:]) / level(heard[VOICE_RATE_HZ:])) < -20


def test_a_microphone_without_a_loudspeaker_is_heard(canceller: EchoCanceller) -> None:
    question = to_int16(spoken(QUESTION, rate_hz=VOICE_RATE_HZ))
    frames = [canceller.clean(question[at : at + FRAME_SAMPLES]) for at in range(0, 24_000, FRAME_SAMPLES)]
    assert level(to_float(np.concatenate(frames))) == pytest.approx(level(to_float(question[:24_000])), rel=0.15)


def test_without_the_package_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pywebrtc_audio", None)
    assert open_echo_canceller(DELAY_S, FRAME_S) is None


def _likest(one: Float32, other: Float32) -> float:
    """The correlation of both, where they lie upon each other best: the canceller's delay is its own."""
    size = 2 * max(len(one), len(other))
    cross = np.fft.irfft(np.conj(np.fft.rfft(one, size)) * np.fft.rfft(other, size), size)
    return float(np.abs(cross[: VOICE_RATE_HZ // 20]).max() / (np.linalg.norm(one) * np.linalg.norm(other)))

"""Echo of an answer is known by its sound: in many rooms, at every delay, and not where somebody speaks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import soxr

from duologue.audio.echo import AFTER_SAMPLES, BEFORE_SAMPLES, ECHO_LIKENESS, Echo, EchoPath
from duologue.audio.frame import Float32, ms_to_samples, to_float, to_int16
from duologue.audio.g711 import decode_g711, encode_g711
from duologue.bench.clips import load_clips
from tests.audio.rooms import ANSWER, AUDIO, QUESTION, Room, at_level, level, spoken

WINDOW = ms_to_samples(250)
STEP = ms_to_samples(125)


def played_around(played: Float32, at: int, length: int = WINDOW) -> Float32:
    padded = np.concatenate([np.zeros(BEFORE_SAMPLES, np.float32), played, np.zeros(AFTER_SAMPLES, np.float32)])
    return padded[at : at + BEFORE_SAMPLES + length + AFTER_SAMPLES]


def judge(path: EchoPath, heard: Float32, played: Float32, at: int, length: int = WINDOW) -> Echo:
    return path.judge(heard[at : at + length], played_around(played, at, length))


def loud_places(sound: Float32, length: int = WINDOW) -> list[int]:
    """Where a VAD would hear somebody speak."""
    loud = level(sound) * 0.5
    return [at for at in range(0, len(sound) - length, STEP) if level(sound[at : at + length]) > loud]


def likenesses(path: EchoPath, heard: Float32, played: Float32, of: Float32 | None = None) -> list[float]:
    """At all the places where ``of`` is loud."""
    return [judge(path, heard, played, at).likeness for at in loud_places(heard if of is None else of)]


@pytest.fixture(scope="module")
def answer() -> Float32:
    return spoken(ANSWER)


@pytest.fixture(scope="module")
def question() -> Float32:
    return np.resize(spoken(QUESTION, "en-us+f3"), len(spoken(ANSWER)))


@pytest.mark.parametrize("gain_db", [-40.0, -20.0, 0.0])
@pytest.mark.parametrize("delay_ms", [-30.0, 60.0, 540.0])
def test_echo_is_known_at_any_delay_and_level(answer: Float32, gain_db: float, delay_ms: float) -> None:
    path = EchoPath()
    heard = Room(1, delay_ms=delay_ms, gain_db=gain_db).echo(answer)
    judged = [judge(path, heard, answer, at) for at in loud_places(heard)]
    assert np.mean([echo.likeness >= ECHO_LIKENESS for echo in judged]) >= 0.98
    assert np.median([abs((echo.delay_ms or 0.0) - delay_ms) for echo in judged]) < 2.0


@pytest.mark.parametrize(
    "room",
    [Room(2, decay_s=0.3, direct_db=0.0), Room(3, drive=2.0), Room(4, ppm=100.0), Room(5, ppm=-100.0, drive=1.5)],
    ids=["reverberant", "overdriven", "slow clock", "fast clock"],
)
def test_echo_is_known_in_worse_rooms(answer: Float32, room: Room) -> None:
    judged = likenesses(EchoPath(), room.echo(answer), answer)
    assert np.mean([likeness >= ECHO_LIKENESS for likeness in judged]) >= 0.95


def test_echo_is_known_over_the_telephone(answer: Float32) -> None:
    heard = to_float(decode_g711(encode_g711(to_int16(Room(6, gain_db=-20.0).echo(answer)), "mulaw"), "mulaw"))
    judged = likenesses(EchoPath(), heard, answer)
    assert np.mean([likeness >= ECHO_LIKENESS for likeness in judged]) >= 0.95


def test_somebody_who_speaks_is_no_echo(answer: Float32, question: Float32) -> None:
    path = EchoPath()
    assert max(likenesses(path, question, answer)) < ECHO_LIKENESS


@pytest.mark.parametrize("near_db", [6.0, 0.0, -6.0])
def test_of_both_at_once_the_echo_explains_its_own_share(answer: Float32, question: Float32, near_db: float) -> None:
    echo = Room(7).echo(answer)
    near = at_level(question, 20 * np.log10(level(echo)) + near_db)
    path = EchoPath()
    likenesses(path, echo[:48_000], answer[:48_000])
    missed, errors = [], []
    for at in loud_places(near):
        likeness = judge(path, echo + near, answer, at).likeness
        share = _share(echo[at : at + WINDOW], near[at : at + WINDOW])
        errors.append(likeness - share)
        if share < 0.7:
            missed.append(likeness >= ECHO_LIKENESS)
    assert np.mean(missed) <= 0.03
    assert abs(np.mean(errors)) < 0.08
    assert np.sqrt(np.mean(np.square(errors))) < 0.15


def _share(one: Float32, other: Float32) -> float:
    """Of the energy of both in the band that is looked at."""
    hz = np.fft.rfftfreq(WINDOW, 1 / 16_000)
    weight = np.where((hz > 250) & (hz < 1850), 1.81 - 1.8 * np.cos(2 * np.pi * hz / 16_000), 0.0)
    power = [float(weight @ np.abs(np.fft.rfft(sound)) ** 2) for sound in (one, other)]
    return power[0] / sum(power)


def test_it_is_told_from_the_room_itself_with_somebody_in_it(answer: Float32, question: Float32) -> None:
    # What was learned while both spoke is worth little, and does no harm.
    echo, path = Room(8).echo(answer), EchoPath()
    both = echo + at_level(question, 20 * np.log10(level(echo)))
    half = len(answer) // 2
    likenesses(path, both[:half], answer[:half])
    judged = [judge(path, echo, answer, at).likeness for at in loud_places(echo) if at > half]
    assert np.mean([likeness >= ECHO_LIKENESS for likeness in judged]) >= 0.95


def test_a_known_way_is_known_by_less_sound(answer: Float32, question: Float32) -> None:
    echo, path = Room(9).echo(answer), EchoPath()
    short = ms_to_samples(120)
    places = loud_places(echo, short)
    assert all(judge(EchoPath(), echo, answer, at, short).likeness < ECHO_LIKENESS for at in places)
    likenesses(path, echo[:32_000], answer[:32_000])
    known = [judge(path, echo, answer, at, short).likeness for at in places if at > 32_000]
    assert np.mean([likeness >= ECHO_LIKENESS for likeness in known]) >= 0.9
    others = [judge(path, question, answer, at, short).likeness for at in loud_places(question, short)]
    assert max(others) < ECHO_LIKENESS


def test_a_client_that_buffers_more_is_followed(answer: Float32) -> None:
    path = EchoPath()
    for delay_ms in (80.0, 143.3, 57.7, 300.2):
        heard = Room(10, delay_ms=delay_ms).echo(answer)
        first = judge(path, heard, answer, loud_places(heard)[3])
        assert first.likeness >= ECHO_LIKENESS
        assert first.delay_ms == pytest.approx(delay_ms, abs=2.0)


def test_a_telephone_that_is_carried_to_another_room_is_found_again(answer: Float32) -> None:
    path = EchoPath()
    likenesses(path, Room(11).echo(answer), answer)
    judged = likenesses(path, Room(12, delay_ms=200.0, gain_db=-25.0, decay_s=0.3).echo(answer), answer)
    assert np.mean([likeness >= ECHO_LIKENESS for likeness in judged]) >= 0.95


def test_of_silence_there_is_no_echo(answer: Float32) -> None:
    path, silence = EchoPath(), np.zeros_like(answer)
    assert judge(path, answer, silence, 8000) == Echo(0.0, None)
    assert judge(path, silence, answer, 8000) == Echo(0.0, None)
    assert judge(path, silence, silence, 8000) == Echo(0.0, None)


@pytest.mark.parametrize("sounds_at", [0, 4_000, 12_000, 13_500])
def test_next_to_nothing_played_explains_nothing(answer: Float32, question: Float32, sounds_at: int) -> None:
    path = EchoPath()
    likenesses(path, Room(13).echo(answer), answer)
    played = np.zeros(BEFORE_SAMPLES + WINDOW + AFTER_SAMPLES, np.float32)
    played[sounds_at : sounds_at + 200] = 0.01
    heard = question[16_000 : 16_000 + WINDOW]
    for known in (path, EchoPath()):
        assert known.judge(heard, played).likeness < 0.5


def test_noise_of_the_room_is_no_echo(answer: Float32) -> None:
    path = EchoPath()
    noise = np.random.default_rng(0).standard_normal(len(answer)).astype(np.float32) * 0.01
    assert max(judge(path, noise, answer, at).likeness for at in range(0, 40_000, 4_000)) < 0.5


def test_other_lengths_are_refused(answer: Float32) -> None:
    with pytest.raises(ValueError, match="samples long"):
        EchoPath().judge(answer[:WINDOW], answer[:WINDOW])


def test_recorded_voices() -> None:
    """Each is played in a room, once alone and once with the one before beginning to talk instead."""
    if not AUDIO.is_dir():
        pytest.skip("needs the recordings in ../shared/audio")
    clips = [soxr.resample(to_float(clip.samples), 24_000, 16_000) for clip in load_clips(AUDIO, "commands")]
    voices = [at_level(np.resize(clip, 48_000), -20.0) for clip in clips[:12]]
    echoes, others = [], []
    for seed, (other, voice) in enumerate(pairwise(voices)):
        echoes += likenesses(EchoPath(), Room(seed, delay_ms=40.0 * seed, gain_db=-2.0 * seed).echo(voice), voice)
        others += likenesses(EchoPath(), other, voice)
    assert np.mean([likeness >= ECHO_LIKENESS for likeness in echoes]) >= 0.97
    assert np.mean([likeness >= ECHO_LIKENESS for likeness in others]) <= 0.01

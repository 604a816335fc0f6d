from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import jiwer
import numpy as np
import pytest
from num2words import num2words

from duologue.audio.frame import SESSION_RATE_HZ, Float32
from duologue.engines.asr.moonshine import Moonshine, clean_text, loop_length, read_tokens, without_loop
from duologue.engines.base import TranscribeRequest
from duologue.engines.weights import packaged_file
from duologue.errors import EngineUnavailable

MAX_WORD_ERROR_RATE = 0.065


@pytest.fixture(scope="module")
def moonshine() -> Iterator[Moonshine]:
    engine = Moonshine()
    engine.load()
    yield engine
    engine.close()


def transcribe(engine: Moonshine, *sounds: Float32) -> list[str]:
    return [result.text for result in engine.step([TranscribeRequest(audio=sound) for sound in sounds])]


def test_speech_becomes_written_english(moonshine: Moonshine, spoken: Callable[[str], Float32]) -> None:
    (text,) = transcribe(moonshine, spoken("What is the weather like in Paris today?"))
    assert {"what", "weather", "paris", "today"} <= set(plain_words(text).split())
    assert text.endswith("?")


def test_results_come_in_order_and_do_not_depend_on_each_other(
    moonshine: Moonshine, spoken: Callable[[str], Float32]
) -> None:
    sounds = [spoken("Turn on the lights in the kitchen."), np.zeros(8000, np.float32), spoken("Good morning.")]
    together = transcribe(moonshine, *sounds)
    assert together == [text for sound in sounds for text in transcribe(moonshine, sound)]
    assert "lights" in together[0]
    assert together[1] == ""
    assert "morning" in together[2].lower()


def test_silence_around_speech_adds_no_words(moonshine: Moonshine, spoken: Callable[[str], Float32]) -> None:
    hiss = np.random.default_rng(5).standard_normal(3 * SESSION_RATE_HZ).astype(np.float32) * 0.0005
    speech = spoken("Turn on the lights in the kitchen.")
    (text,) = transcribe(moonshine, np.concatenate([hiss, speech, hiss]))
    assert not text.startswith(("You", "?"))
    assert len(text.split()) <= 8


def test_a_person_is_understood(moonshine: Moonshine) -> None:
    sound = read_clip(packaged_file("moonshine_voice", "assets/beckett.wav"))
    said = "ever tried ever failed no matter try again fail again fail better"
    assert jiwer.wer(said, plain_words(*transcribe(moonshine, sound))) < 0.1


def test_a_long_turn_is_transcribed_from_end_to_end(moonshine: Moonshine) -> None:
    sound = read_clip(packaged_file("moonshine_voice", "assets/two_cities.wav"))
    assert len(sound) > 40 * SESSION_RATE_HZ
    text = plain_words(*transcribe(moonshine, sound))
    assert text.startswith("it was the best of times it was the worst of times")
    assert "the winter of despair we had everything before us" in text
    assert text.endswith("in the superlative degree of comparison only")


@pytest.mark.parametrize("samples", [0, 1, 319, 320, 4799, 16_000])
def test_any_length_of_silence_is_empty(moonshine: Moonshine, samples: int) -> None:
    assert transcribe(moonshine, np.zeros(samples, np.float32), np.full(samples, np.nan, np.float32)) == ["", ""]


@pytest.mark.parametrize("samples", [1, 319, 320, 1000])
def test_a_click_does_not_crash(moonshine: Moonshine, samples: int) -> None:
    click = np.full(samples, 0.9, np.float32)
    (text,) = transcribe(moonshine, click)
    assert len(text) < 20


def test_broken_samples_leave_the_words(moonshine: Moonshine, spoken: Callable[[str], Float32]) -> None:
    sound = spoken("Turn on the lights in the kitchen.").copy()
    sound[:160] = np.nan
    assert "lights" in transcribe(moonshine, sound)[0]


def test_the_cost_of_noise_is_bounded(moonshine: Moonshine) -> None:
    noise = np.random.default_rng(9).standard_normal(4 * SESSION_RATE_HZ).astype(np.float32) * 0.1
    (text,) = transcribe(moonshine, noise)
    assert len(text.split()) < 40


def test_word_error_rate_on_recordings(moonshine: Moonshine, recordings: Path) -> None:
    said: list[str] = []
    heard: list[str] = []
    for line in (recordings / "manifest.jsonl").read_text().splitlines():
        clip = json.loads(line)
        if clip["file"].startswith("commands/") and clip.get("moonshine_tiny_wer") is not None:
            (text,) = transcribe(moonshine, read_clip(recordings / clip["file"]))
            said.append(plain_words(clip["transcript"]))
            heard.append(plain_words(text))
    assert len(said) >= 25
    assert jiwer.wer(said, heard) <= MAX_WORD_ERROR_RATE


def read_clip(path: Path) -> Float32:
    if path.suffix in {".raw", ".pcm"}:
        return np.frombuffer(path.read_bytes(), "<i2").astype(np.float32) / 32_768
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SESSION_RATE_HZ)
    with av.open(str(path)) as container:
        frames = [*container.decode(audio=0), None]
        parts = [part.to_ndarray()[0] for frame in frames for part in resampler.resample(frame)]
    return np.concatenate(parts)


def plain_words(text: str) -> str:
    text = text.lower().replace("2.30", "2:30").replace("fire-fox", "firefox")
    text = re.sub(r"[^\w\s']", " ", text)
    text = re.sub(r"\d+", lambda match: num2words(int(match[0])).replace("-", " "), text)
    return " ".join(text.split())


def test_tokens_are_read_with_one_and_two_bytes_of_length() -> None:
    long = b"x" * 300
    assert read_tokens(b"\x01a\x00\x03abc" + bytes([128 + 300 % 128, 300 // 128]) + long) == [
        b"a",
        b"",
        b"abc",
        long,
    ]


def test_a_loop_is_seen_and_cut_to_one_round() -> None:
    assert loop_length([1, 2, 3, 4]) == 0
    assert loop_length([9, 5, 6, 5, 6]) == 0
    assert loop_length([9, 5, 6, 5, 6, 5, 6]) == 2
    assert without_loop([9, 5, 6, 5, 6, 5, 6]) == [9, 5, 6]
    assert without_loop([9, 7, 7, 7]) == [9, 7]
    assert without_loop([9, 8]) == [9, 8]


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("?? What is it?", "What is it?"),
        ("You And so it is.", "And so it is."),
        ("You are right.", "You are right."),
        ("You", ""),
        ("You.", "You."),
        ("Thank you for watching!", ""),
        ("Thank you.", "Thank you."),
        ("♪ Oh ♪", ""),
        ("?", ""),
        (" ...", ""),
    ],
)
def test_inventions_are_dropped(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean


def test_before_load_it_says_so() -> None:
    with pytest.raises(EngineUnavailable, match="load"):
        transcribe(Moonshine(), np.full(16_000, 0.5, np.float32))

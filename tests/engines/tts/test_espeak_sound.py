from __future__ import annotations

import itertools

import numpy as np
import pytest

from duologue.audio.frame import Int16
from duologue.engines.tts.espeak_sound import EdgeTrim, PhraseSound, WordTimes, speakable

RATE = 22_050


def tone(ms: int, level: int = 10_000) -> Int16:
    samples = np.arange(RATE * ms // 1000)
    return (np.cos(samples * 0.1) * level).astype(np.int16)


def quiet(ms: int) -> Int16:
    return tone(ms, level=20)


def trimmed(sound: Int16, chunk: int) -> Int16:
    trim = EdgeTrim(RATE)
    parts = [trim.push(sound[start : start + chunk]) for start in range(0, len(sound), chunk)]
    return np.concatenate([*parts, trim.finish()])


@pytest.mark.parametrize("chunk", [1, 26, 1324, 10**6])
def test_edges_go_and_pauses_stay(chunk: int) -> None:
    sound = np.concatenate([quiet(200), tone(100), quiet(150), tone(100), quiet(300)])
    kept = trimmed(sound, chunk)
    assert abs(len(kept) * 1000 / RATE - (2 + 100 + 150 + 100 + 70)) < 2
    start = len(quiet(200)) - 2 * RATE // 1000
    np.testing.assert_array_equal(kept, sound[start : start + len(kept)])


def test_silence_leaves_nothing() -> None:
    assert len(trimmed(quiet(500), 1000)) == 0


def test_the_loudest_negative_sample_is_loud() -> None:
    assert len(EdgeTrim(RATE).push(np.array([-32_768], np.int16))) == 1


def test_where_sound_ends_before_a_pause() -> None:
    trim = EdgeTrim(RATE)
    trim.push(np.concatenate([tone(100), quiet(100), tone(100)]))
    pause_end = RATE * 200 // 1000
    assert abs(trim.loud_until(pause_end) - RATE * 100 // 1000) <= RATE * 5 // 1000
    assert trim.loud_until(RATE * 50 // 1000) == RATE * 50 // 1000
    assert EdgeTrim(RATE).loud_until(RATE) == 0


def test_every_word_gets_its_time() -> None:
    times = WordTimes("Well, it is so.")
    assert times.mark(0, 0.0, 0.0) == []
    words = (
        times.mark(6, 500.0, 400.0) + times.mark(9, 600.0, 600.0) + times.mark(12, 700.0, 700.0) + times.finish(990.0)
    )
    assert [(word.text_start, word.text_end) for word in words] == [(0, 5), (6, 8), (9, 11), (12, 15)]
    assert [(word.start_ms, word.end_ms) for word in words] == [(0, 400), (500, 600), (600, 700), (700, 990)]


def test_merged_words_share_their_time_by_letters() -> None:
    times = WordTimes("one of the cats")
    words = times.mark(4, 100.0, 100.0) + times.mark(11, 600.0, 600.0)
    assert [(word.start_ms, word.end_ms) for word in words] == [(0, 100), (100, 300), (300, 600)]


def test_marks_inside_a_word_and_before_it_change_nothing() -> None:
    times = WordTimes("25 cats")
    assert times.mark(0, 0.0, 0.0) == []
    assert times.mark(1, 300.0, 300.0) == []
    (first,) = times.mark(3, 700.0, 700.0)
    assert (first.start_ms, first.end_ms) == (0, 700)
    assert times.mark(0, 800.0, 800.0) == []
    (last,) = times.finish(900.0)
    assert (last.start_ms, last.end_ms) == (700, 900)


def test_what_has_no_letters_takes_no_time_beside_words() -> None:
    times = WordTimes("cats — dogs")
    words = times.mark(7, 500.0, 500.0) + times.finish(900.0)
    assert [(word.start_ms, word.end_ms) for word in words] == [(0, 500), (500, 500), (500, 900)]


def test_a_text_without_words_has_no_times() -> None:
    times = WordTimes("   ")
    assert times.mark(0, 0.0, 0.0) == []
    assert times.finish(10.0) == []


def test_the_first_chunk_is_early_and_later_ones_are_100_ms_and_words_come_with_their_sound() -> None:
    sound = PhraseSound("one two", RATE)
    chunks = []
    speech = np.concatenate([tone(300), tone(300)])
    for start in range(0, len(speech), 1324):
        sound.push(speech[start : start + 1324])
        if start == 5 * 1324:
            sound.mark(4, 300 * RATE // 1000)
        while (chunk := sound.take()) is not None:
            chunks.append(chunk)
    first, *later = [len(chunk.pcm) / 24 for chunk in chunks]
    assert 40 <= first <= 100
    assert set(later) == {100}
    chunks.append(sound.finish())
    assert abs(sum(len(chunk.pcm) for chunk in chunks) - 600 * 24) <= 48
    given = itertools.accumulate(len(chunk.pcm) / 24 for chunk in chunks)
    ends = [(word.end_ms, given_ms) for chunk, given_ms in zip(chunks, given, strict=True) for word in chunk.words]
    assert len(ends) == 2
    assert all(end_ms <= given_ms + 1 for end_ms, given_ms in ends)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, world!", "Hello, world!"),
        ("a\x01b\x00c\nd", "a b c d"),
        ("hi \U0001f44b\U0001f3fd!", "hi   !"),
        ("1\ufe0f\u20e3", "1  "),
        ("20 °C, naïve, 東京", "20 °C, naïve, 東京"),
        ("a\ud800b", "a b"),
        ("→ go", "  go"),
    ],
)
def test_what_cannot_be_said_becomes_a_space(text: str, expected: str) -> None:
    assert speakable(text) == expected
    assert len(speakable(text)) == len(text)

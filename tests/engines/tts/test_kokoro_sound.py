from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.audio.frame import Float32
from duologue.engines.tts.kokoro_net import Spoken
from duologue.engines.tts.kokoro_sound import Part, parts_of, phrase_of, word_times
from duologue.engines.tts.kokoro_symbols import Sound, Vocabulary

VOCABULARY = Vocabulary({symbol: number for number, symbol in enumerate("abcdefgh ,.!;—", 1)})
FRAME_MS = 25


def written(text: str) -> list[Sound]:
    """Every letter is its own sound's symbol; words are apart by spaces."""
    sounds: list[Sound] = []
    start = 0
    for word in text.split(" "):
        if sounds:
            sounds.append(Sound(" ", start, start))
        bare = word.rstrip(",.!;")
        sounds.append(Sound(bare, start, start + len(bare)))
        sounds += [Sound(mark, start + len(bare), start + len(bare)) for mark in word[len(bare) :]]
        start += len(word) + 1
    return sounds


def tone(frames: int, level: float = 0.3) -> Float32:
    return (np.cos(np.arange(frames * 600) * 0.3) * level).astype(np.float32)


def spoken(part: Part, frames: int = 2, lead: int = 4, tail: int = 10) -> Spoken:
    """Silence, a tone as long as all phonemes, silence."""
    sound = np.concatenate([tone(lead, 0.001), tone(frames * len(part.tokens)), tone(tail, 0.001)])
    return Spoken(sound, (lead, *[frames] * len(part.tokens), tail))


def test_a_phrase_is_trimmed_at_both_ends() -> None:
    (part,) = parts_of(written("abc de."), VOCABULARY)
    chunk = phrase_of("abc de.", [part], [spoken(part)])
    assert chunk.pcm.dtype == np.int16
    loud = np.flatnonzero(np.abs(chunk.pcm.astype(np.int32)) > 250)
    assert loud[0] == 240
    assert len(chunk.pcm) - loud[-1] - 1 <= 24 * 70


def test_words_are_timed_by_their_phonemes() -> None:
    text = "abc de."
    (part,) = parts_of(written(text), VOCABULARY)
    words = phrase_of(text, [part], [spoken(part)]).words
    assert [text[word.text_start : word.text_end] for word in words] == ["abc", "de."]
    # Three phonemes of 50 ms and half of the space, after 10 ms of what was kept before the tone.
    assert words[0].start_ms == pytest.approx(10)
    assert words[0].end_ms == pytest.approx(10 + 3 * 50 + 25)
    assert words[1].start_ms == pytest.approx(10 + 3 * 50 + 25)
    # The full stop's time is a pause, not the word's.
    assert words[1].end_ms == pytest.approx(10 + 6 * 50)


def test_unknown_symbols_are_left_out() -> None:
    (part,) = parts_of([Sound("aXb", 0, 3)], VOCABULARY)
    assert part.tokens == (1, 2)


def test_nothing_to_say_is_a_little_silence() -> None:
    chunk = phrase_of("?? ...", [], [])
    assert len(chunk.pcm) == 24 * 40
    assert not chunk.pcm.any()
    assert [(word.text_start, word.text_end, word.start_ms, word.end_ms) for word in chunk.words] == [
        (0, 2, 0, 0),
        (3, 6, 0, 0),
    ]


def test_what_the_network_left_silent_is_a_little_silence() -> None:
    (part,) = parts_of(written("abc"), VOCABULARY)
    chunk = phrase_of("abc", [part], [Spoken(np.zeros(6000, np.float32), (4, 1, 1, 1, 3))])
    assert len(chunk.pcm) == 24 * 40
    assert chunk.words[0].end_ms <= 40


def test_samples_that_are_no_numbers_are_silence() -> None:
    (part,) = parts_of(written("abc"), VOCABULARY)
    sound = tone(10)
    sound[100:200] = np.nan
    chunk = phrase_of("abc", [part], [Spoken(sound, (1, 2, 2, 2, 3))])
    assert len(chunk.pcm) > 0


@pytest.mark.parametrize(
    ("text", "limit", "cuts"),
    [
        ("abc de. fgh ab", 10, ["abc de.", " fgh ab"]),
        ("abc, de fgh ab", 10, ["abc,", " de fgh ab"]),
        ("abc de fgh ab", 8, ["abc de ", "fgh ab"]),
        ("abcdefghabcdefgh", 10, ["abcdefghab", "cdefgh"]),
        ("abc de. fgh, ab", 13, ["abc de.", " fgh, ab"]),
        ("abc", 3, ["abc"]),
        ("", 3, []),
    ],
)
def test_a_long_phrase_is_cut_at_the_best_border(text: str, limit: int, cuts: list[str]) -> None:
    parts = parts_of(written(text) if text else [], VOCABULARY, limit)
    numbers = {number: symbol for symbol in "abcdefgh ,.!;—" for number in VOCABULARY.numbers(symbol)}
    assert ["".join(numbers[token] for token in part.tokens) for part in parts] == cuts


def test_the_words_of_a_long_phrase_are_timed_throughout() -> None:
    text = " ".join(["abcd efgh."] * 30)
    parts = parts_of(written(text), VOCABULARY, 40)
    assert len(parts) > 5
    chunk = phrase_of(text, parts, [spoken(part) for part in parts])
    duration_ms = len(chunk.pcm) / 24
    edges = [edge for word in chunk.words for edge in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)
    assert len(chunk.words) == 60
    assert duration_ms - 130 < edges[-1] <= duration_ms
    assert all(word.end_ms - word.start_ms >= 150 for word in chunk.words)


def test_words_said_together_share_their_time_by_letters() -> None:
    words = word_times("one of the cats", [(0, 3, 0, 100), (4, 10, 100, 600), (11, 15, 600, 900)], 1000)
    assert [(word.start_ms, word.end_ms) for word in words] == [(0, 100), (100, 300), (300, 600), (600, 900)]


def test_a_word_said_in_pieces_lasts_from_the_first_to_the_last() -> None:
    words = word_times("$5-10 now", [(0, 2, 10, 100), (2, 3, 100, 200), (3, 5, 200, 400), (6, 9, 450, 600)], 700)
    assert [(word.start_ms, word.end_ms) for word in words] == [(10, 400), (450, 600)]


def test_a_word_without_sound_lasts_no_time() -> None:
    words = word_times("cats — dogs", [(0, 4, 0, 300), (7, 11, 400, 700)], 800)
    assert [(word.start_ms, word.end_ms) for word in words] == [(0, 300), (300, 300), (400, 700)]


@given(
    st.text(alphabet="ab ,", max_size=30),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10), st.floats(0, 900), st.floats(0, 300)), max_size=10),
)
def test_times_are_in_order_and_within_the_phrase(text: str, drawn: list[tuple[int, int, float, float]]) -> None:
    stretches = [(start, start + length, from_ms, from_ms + span_ms) for start, length, from_ms, span_ms in drawn]
    words = word_times(text, stretches, 1000)
    assert [text[word.text_start : word.text_end] for word in words] == text.split()
    edges = [edge for word in words for edge in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)
    assert all(0 <= edge <= 1000 for edge in edges)

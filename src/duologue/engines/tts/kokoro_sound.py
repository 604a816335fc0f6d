"""Sounds -> utterances that the network can take, and its samples -> one phrase: edges trimmed, words timed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from duologue.audio.frame import VOICE_RATE_HZ, Float32, to_int16
from duologue.engines.base import Plain, SpeechChunk, WordTime
from duologue.engines.tts.kokoro_net import MAX_TOKENS, Spoken
from duologue.engines.tts.kokoro_symbols import Sound, Vocabulary

# -44 dB of full scale, as for espeak-ng: below it there is breath and decay.
_AUDIBLE = 0.006
# Kept before the first audible sample: soft consonants ("f", "h") begin below that level.
_ONSET_SAMPLES = VOICE_RATE_HZ * 10 // 1000
_TAIL_SAMPLES = VOICE_RATE_HZ * 70 // 1000
# Between the parts of a phrase too long for the network.
_INNER_TAIL_SAMPLES = VOICE_RATE_HZ * 200 // 1000
# What a phrase becomes in which there is nothing to say: a session takes no sound at all for a lost engine.
_NOTHING_SAMPLES = VOICE_RATE_HZ * 40 // 1000
# Where a phrase is cut, best first.
_BORDERS = (".!?…", ";:", ",—", " ")


class Part(Plain, frozen=True, eq=False):
    """One utterance. ``tokens``: its phonemes' numbers; ``owners``: for each the sound that it belongs to."""

    tokens: tuple[int, ...]
    owners: tuple[Sound, ...]


class _Stretch(NamedTuple):
    """``text[start:end]`` sounds from ``from_ms`` to ``to_ms``."""

    start: int
    end: int
    from_ms: float
    to_ms: float


def parts_of(sounds: Sequence[Sound], vocabulary: Vocabulary, limit: int = MAX_TOKENS) -> list[Part]:
    """The sounds as numbers, cut at clauses and words into parts of at most ``limit`` of them."""
    numbered = [(number, sound) for sound in sounds for number in vocabulary.numbers(sound.symbols)]
    parts = []
    while numbered:
        stop = len(numbered) if len(numbered) <= limit else _border(numbered, limit)
        head, numbered = numbered[:stop], numbered[stop:]
        parts.append(Part(tuple(number for number, _ in head), tuple(sound for _, sound in head)))
    return parts


def phrase_of(text: str, parts: Sequence[Part], spoken: Sequence[Spoken]) -> SpeechChunk:
    """The whole phrase at 24 kHz, with the times of every word of ``text``."""
    samples: list[Float32] = []
    stretches: list[_Stretch] = []
    length = 0
    for place, (part, result) in enumerate(zip(parts, spoken, strict=True)):
        start, stop = _audible(result.samples, is_last=place == len(parts) - 1)
        stretches += _stretches(part, result, length - start)
        samples.append(result.samples[start:stop])
        length += stop - start
    if not length:
        samples, length = [np.zeros(_NOTHING_SAMPLES, np.float32)], _NOTHING_SAMPLES
    words = word_times(text, stretches, length * 1000 / VOICE_RATE_HZ)
    return SpeechChunk(pcm=to_int16(np.concatenate(samples)), words=words)


def word_times(
    text: str, stretches: Sequence[tuple[int, int, float, float]], duration_ms: float
) -> tuple[WordTime, ...]:
    """A time for every whitespace-separated word, in order and without overlap.

    ``stretches``: (start, end, from_ms, to_ms) of what was said for a piece of the text. Words that share one share
    its time by their letters; a word for which nothing was said lasts no time.
    """
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    heard: list[list[tuple[float, float]]] = [[] for _ in spans]
    for start, end, from_ms, to_ms in stretches:
        inside = [index for index, (first, last) in enumerate(spans) if first < end and start < last]
        weights = [max(1, sum(map(str.isalnum, text[slice(*spans[index])]))) for index in inside]
        at_ms = from_ms
        for index, weight in zip(inside, weights, strict=True):
            until_ms = at_ms + (to_ms - from_ms) * weight / sum(weights)
            heard[index].append((at_ms, until_ms))
            at_ms = until_ms
    words = []
    before_ms = 0.0
    for span, times in zip(spans, heard, strict=True):
        start_ms = min(max(before_ms, min((time[0] for time in times), default=before_ms)), duration_ms)
        before_ms = min(max(start_ms, max((time[1] for time in times), default=start_ms)), duration_ms)
        words.append(WordTime(*span, start_ms=start_ms, end_ms=before_ms))
    return tuple(words)


def _border(numbered: Sequence[tuple[int, Sound]], limit: int) -> int:
    """How many to take: up to the last end of a sentence, else of a clause, else of a word."""
    for border in _BORDERS:
        for stop in range(limit, limit // 4, -1):
            if numbered[stop - 1][1].symbols in border:
                return stop
    return limit


def _audible(samples: Float32, *, is_last: bool) -> tuple[int, int]:
    """From the first audible sample, a little before it, to the last and some silence after it."""
    loud = np.flatnonzero(np.abs(samples) > _AUDIBLE)
    if len(loud) == 0:
        return 0, 0
    tail = _TAIL_SAMPLES if is_last else _INNER_TAIL_SAMPLES
    return max(0, int(loud[0]) - _ONSET_SAMPLES), min(len(samples), int(loud[-1]) + 1 + tail)


def _stretches(part: Part, spoken: Spoken, shift_samples: int) -> Iterator[_Stretch]:
    """When each sound of the text is heard; a space's time goes half to the word before, half to that after."""
    edges = _token_edges_ms(part, spoken, shift_samples)
    place = 0
    while place < len(part.owners):
        stop = place
        while stop < len(part.owners) and part.owners[stop] is part.owners[place]:
            stop += 1
        owner = part.owners[place]
        if owner.end > owner.start:
            yield _Stretch(owner.start, owner.end, _reached(part, edges, place, -1), _reached(part, edges, stop, 1))
        place = stop


def _reached(part: Part, edges: Sequence[float], place: int, way: int) -> float:
    """The border at ``place``, moved to the middle of a space that lies beyond it in that direction."""
    space = place if way > 0 else place - 1
    if 0 <= space < len(part.owners) and part.owners[space].symbols == " ":
        return (edges[space] + edges[space + 1]) / 2
    return edges[place]


def _token_edges_ms(part: Part, spoken: Spoken, shift_samples: int) -> list[float]:
    """Where each token begins and the last ends, in ms of the phrase; never before it."""
    ends = np.cumsum(spoken.frames, dtype=np.float64)[: len(part.tokens) + 1]
    samples = ends * (len(spoken.samples) / max(1, sum(spoken.frames))) + shift_samples
    edges: list[float] = np.maximum(samples * 1000 / VOICE_RATE_HZ, 0.0).tolist()
    return edges

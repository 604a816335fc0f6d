"""Samples by their index in the stream, as far back as they are kept."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from duologue.audio.buffer import AudioBuffer


def _filled(*lengths: int) -> AudioBuffer:
    """A buffer in which every sample is its own index."""
    buffer = AudioBuffer()
    for length in lengths:
        buffer.push(np.arange(buffer.end, buffer.end + length).astype(np.float32))
    return buffer


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=10), st.integers(0, 400), st.integers(0, 400), st.integers(0, 400)
)
def test_a_slice_is_what_was_pushed(lengths: list[int], dropped: int, start: int, end: int) -> None:
    buffer = _filled(*lengths)
    buffer.drop_before(dropped)
    assert buffer.start <= max(dropped, 0)
    kept = range(max(start, buffer.start), min(end, sum(lengths)))
    assert buffer.slice(start, end).tolist() == list(kept)


def test_the_past_is_forgotten_piece_by_piece() -> None:
    buffer = _filled(10, 10, 10)
    buffer.drop_before(15)
    assert (buffer.start, buffer.end) == (10, 30)
    assert buffer.slice(0, 12).tolist() == [10, 11]


def test_dropping_everything_keeps_the_clock() -> None:
    buffer = _filled(10)
    buffer.drop_before(100)
    assert (buffer.start, buffer.end) == (10, 10)
    assert buffer.slice(0, 100).dtype == np.float32
    buffer.push(np.ones(5, np.float32))
    assert buffer.slice(10, 15).tolist() == [1.0] * 5


def test_a_slice_is_not_changed_by_what_comes_later() -> None:
    buffer = _filled(10)
    taken = buffer.slice(0, 10)
    buffer.push(np.ones(10, np.float32))
    buffer.drop_before(20)
    assert taken.tolist() == list(range(10))

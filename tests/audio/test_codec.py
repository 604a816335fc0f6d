"""Bytes cut anywhere are the same sound."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from duologue.audio.codec import Pcm16Decoder, encode_pcm16


@given(st.binary(max_size=64), st.lists(st.integers(0, 64), max_size=8))
def test_any_split_gives_the_same_samples(data: bytes, cuts: list[int]) -> None:
    decoder = Pcm16Decoder()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [decoder.decode(data[a:b]) for a, b in itertools.pairwise(edges)]
    whole = np.frombuffer(data[: len(data) & ~1], "<i2")
    assert np.array_equal(np.concatenate(pieces), whole)


def test_an_odd_byte_waits_for_its_other_half() -> None:
    decoder = Pcm16Decoder()
    assert decoder.decode(b"\x01").tolist() == []
    assert decoder.decode(b"").tolist() == []
    assert decoder.decode(b"\x02\x03").tolist() == [0x0201]
    assert decoder.decode(b"\x04").tolist() == [0x0403]


def test_encoding_is_little_endian_whatever_the_array_is() -> None:
    samples = np.array([1, -2, 32767], np.int16)
    assert encode_pcm16(samples) == b"\x01\x00\xfe\xff\xff\x7f"
    assert encode_pcm16(samples.astype(">i2")) == encode_pcm16(samples)

"""G.711 against the codec of another library."""

from __future__ import annotations

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.audio.g711 import RATE_HZ, Law, decode_g711, encode_g711

LAWS: tuple[Law, ...] = ("mulaw", "alaw")


def _reference_levels(law: Law) -> NDArray[np.int16]:
    decoder = av.CodecContext.create(f"pcm_{law}", "r")
    decoder.sample_rate, decoder.layout = RATE_HZ, "mono"  # type: ignore[attr-defined]
    (frame,) = decoder.decode(av.Packet(bytes(range(256))))  # type: ignore[attr-defined]
    return np.asarray(frame.to_ndarray()[0], np.int16)


@pytest.mark.parametrize("law", LAWS)
def test_every_code_stands_for_the_level_of_the_recommendation(law: Law) -> None:
    np.testing.assert_array_equal(decode_g711(bytes(range(256)), law), _reference_levels(law))


@pytest.mark.parametrize("law", LAWS)
def test_every_level_is_given_its_own_code_back(law: Law) -> None:
    levels = decode_g711(bytes(range(256)), law)
    np.testing.assert_array_equal(decode_g711(encode_g711(levels, law), law), levels)


@pytest.mark.parametrize("law", LAWS)
def test_the_code_is_the_nearest_one(law: Law) -> None:
    samples = np.arange(-32_768, 32_768, 7, dtype=np.int32)
    heard = decode_g711(encode_g711(samples.astype(np.int16), law), law).astype(np.int32)
    levels = decode_g711(bytes(range(256)), law).astype(np.int32)
    nearest = np.abs(levels[None, :] - samples[:, None]).min(axis=1)
    np.testing.assert_array_equal(np.abs(heard - samples), nearest)


def test_nothing_is_nothing() -> None:
    assert encode_g711(np.zeros(0, np.int16), "mulaw") == b""
    assert len(decode_g711(b"", "alaw")) == 0

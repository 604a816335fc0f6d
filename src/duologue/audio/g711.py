"""G.711, the telephone's two codes of one byte a sample at 8 kHz (ITU-T recommendation G.711, 1988)."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from duologue.audio.frame import Int16

RATE_HZ = 8_000

Law = Literal["mulaw", "alaw"]
Bytes = NDArray[np.uint8]

_MULAW_BIAS = 0x84


def decode_g711(data: bytes, law: Law) -> Int16:
    """One byte a sample -> int16 [n]."""
    return _levels(law)[np.frombuffer(data, np.uint8)]


def encode_g711(pcm: Int16, law: Law) -> bytes:
    """int16 [n] -> one byte a sample, the code whose level is nearest."""
    return _codes(law).take(pcm.view(np.uint16)).tobytes()


@cache
def _levels(law: Law) -> Int16:
    """int16 [256]: what each code stands for. Codes are sign, exponent (3 bits), mantissa (4 bits)."""
    codes = np.arange(256, dtype=np.int32)
    # On the line mu-law is inverted, A-law has every other bit inverted.
    plain = codes ^ (0xFF if law == "mulaw" else 0x55)
    exponent, mantissa = (plain >> 4) & 7, plain & 0x0F
    if law == "mulaw":
        size = (((mantissa << 3) + _MULAW_BIAS) << exponent) - _MULAW_BIAS
        is_negative = plain & 0x80 != 0
    else:
        size = np.where(exponent == 0, (mantissa << 4) + 8, ((mantissa << 4) + 0x108) << np.maximum(exponent - 1, 0))
        is_negative = plain & 0x80 == 0
    return np.where(is_negative, -size, size).astype(np.int16)


@cache
def _codes(law: Law) -> Bytes:
    """uint8 [65536]: the code for each int16, by its bits as an unsigned number."""
    levels = _levels(law).astype(np.int32)
    order = np.argsort(levels, kind="stable")
    bounds = (levels[order][1:] + levels[order][:-1]) / 2
    return np.roll(order[np.searchsorted(bounds, np.arange(-32_768, 32_768))], -32_768).astype(np.uint8)

"""Samples and the two clocks that count them.

Inside a session sound is float32 mono in [-1, 1] at ``SESSION_RATE_HZ``, the rate that every speech model
here hears; a moment is an index of such a sample. Sound that leaves is int16 mono at ``VOICE_RATE_HZ``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SESSION_RATE_HZ = 16_000
VOICE_RATE_HZ = 24_000

Float32 = NDArray[np.float32]
Int16 = NDArray[np.int16]

_INT16_SCALE = 32_768.0


def to_float(pcm: Int16) -> Float32:
    """int16 -> float32 in [-1, 1)."""
    samples: Float32 = np.multiply(pcm, np.float32(1 / _INT16_SCALE), dtype=np.float32)
    return samples


def to_int16(samples: Float32) -> Int16:
    """float32 -> int16; NaN becomes silence and anything beyond full scale is clipped."""
    finite = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
    scaled: Float32 = np.clip(np.rint(finite * _INT16_SCALE), -_INT16_SCALE, _INT16_SCALE - 1)
    return scaled.astype(np.int16)


def ms_to_samples(ms: float, rate_hz: int = SESSION_RATE_HZ) -> int:
    """Milliseconds -> whole samples, rounded down."""
    return int(ms * rate_hz // 1000)


def samples_to_ms(samples: int, rate_hz: int = SESSION_RATE_HZ) -> int:
    """Samples -> whole milliseconds, rounded down."""
    return samples * 1000 // rate_hz

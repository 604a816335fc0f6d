"""How loud."""

from __future__ import annotations

import numpy as np

from duologue.audio.frame import Float32

SILENCE_DBFS = -120.0


def rms_dbfs(samples: Float32) -> float:
    """Root mean square in dB below full scale; ``SILENCE_DBFS`` for none or for zeros."""
    if not len(samples):
        return SILENCE_DBFS
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return max(SILENCE_DBFS, 10 * float(np.log10(power))) if power > 0 else SILENCE_DBFS

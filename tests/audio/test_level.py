"""Loudness in dB below full scale."""

from __future__ import annotations

import numpy as np
import pytest

from duologue.audio.level import SILENCE_DBFS, rms_dbfs


def test_a_full_square_wave_is_zero() -> None:
    assert rms_dbfs(np.array([1, -1] * 100, np.float32)) == pytest.approx(0.0)


def test_half_the_amplitude_is_six_db_less() -> None:
    assert rms_dbfs(np.full(100, 0.5, np.float32)) == pytest.approx(-6.02, abs=0.01)


@pytest.mark.parametrize("samples", [[], [0.0] * 10, [1e-20] * 10])
def test_silence_has_a_floor(samples: list[float]) -> None:
    assert rms_dbfs(np.array(samples, np.float32)) == SILENCE_DBFS

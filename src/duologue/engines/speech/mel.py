"""What Whisper's encoder hears: the log-mel spectrogram of 30 s windows, worked out only where there is sound.

From the description in "Robust Speech Recognition via Large-Scale Weak Supervision" (Radford et al. 2022, section
2.2) and OpenAI's public code: 25 ms Hann windows every 10 ms, power, a Slaney mel bank, log10, a floor 8 below the
loudest value, then (x + 4) / 4. Sound is followed by zeros to the end of its last window; their value is known
without a transform, and a 4 s turn has 26 s of them (15 ms of CPU against 2).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from duologue.audio.frame import SESSION_RATE_HZ, Float32

if TYPE_CHECKING:
    from torch import Tensor

WINDOW_SAMPLES = 30 * SESSION_RATE_HZ
WINDOW_FRAMES = 3000
_FFT_SAMPLES = 400
_HOP_SAMPLES = 160
# The least power that is told from silence, and its log10.
_LEAST_POWER, _SILENCE = 1e-10, -10.0
# Samples lie within 1; the power of a broken 1e20 would be infinite.
_LOUDEST = 1e4
# Frames are worked out in steps of one second: cuFFT makes a plan for each number of them, and keeps it.
_FRAMES_STEP = 100


def window_count(samples: int) -> int:
    """How many 30 s windows hold so many samples; one at least."""
    return max(1, math.ceil(samples / WINDOW_SAMPLES))


class LogMel:
    """The features of one model. ``bins``: mel bands; ``device``: where they are worked out and stay."""

    def __init__(self, bins: int, device: str) -> None:
        from transformers.audio_utils import mel_filter_bank

        bank = mel_filter_bank(
            num_frequency_bins=1 + _FFT_SAMPLES // 2, num_mel_filters=bins, min_frequency=0.0, max_frequency=8000.0,
            sampling_rate=SESSION_RATE_HZ, norm="slaney", mel_scale="slaney",
        )  # fmt: skip
        self._bank = torch.from_numpy(bank.T).to(device, torch.float32).contiguous()
        self._hann = torch.hann_window(_FFT_SAMPLES, device=device)

    def __call__(self, audio: Float32) -> Tensor:
        """float32 [n] at 16 kHz -> float32 [windows, bins, 3000]; all windows share one floor."""
        windows = window_count(len(audio))
        heard = self._log_power(audio, windows * WINDOW_SAMPLES)
        floor = heard.max() - 8.0
        silence = torch.clamp(floor, min=_SILENCE)
        mel = silence.expand(len(self._bank), windows * WINDOW_FRAMES).clone()
        mel[:, : heard.shape[1]] = torch.maximum(heard, floor)
        mel = (mel + 4.0) / 4.0
        features: Tensor = mel.view(len(self._bank), windows, WINDOW_FRAMES).transpose(0, 1).contiguous()
        return features

    def _log_power(self, audio: Float32, padded_samples: int) -> Tensor:
        """[bins, frames]: the frames that sound reaches into and a few more, of ``audio`` followed by zeros."""
        half = _FFT_SAMPLES // 2
        reached = math.ceil((len(audio) + half) / _HOP_SAMPLES)
        frames = min(padded_samples // _HOP_SAMPLES, _FRAMES_STEP * math.ceil(reached / _FRAMES_STEP))
        held = min(padded_samples, frames * _HOP_SAMPLES + half)
        samples = np.zeros(held, np.float32)
        # One NaN would reach every position of its row, and stay: masked keys are multiplied by nought, not left out.
        finite = np.nan_to_num(audio, nan=0.0, posinf=0.0, neginf=0.0)
        samples[: len(audio)] = finite.clip(-_LOUDEST, _LOUDEST)
        # Frame t is centred on sample 160 t; both ends of the whole are mirrored.
        mirrored = torch.from_numpy(np.pad(samples, half, mode="reflect")).to(self._hann.device)
        spectrum = torch.fft.rfft(mirrored.unfold(0, _FFT_SAMPLES, _HOP_SAMPLES)[:frames] * self._hann)
        power = spectrum.real.square() + spectrum.imag.square()
        log_power: Tensor = (self._bank @ power.T).clamp(min=_LEAST_POWER).log10()
        return log_power

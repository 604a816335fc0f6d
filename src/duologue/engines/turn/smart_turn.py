"""Smart Turn v3.2 on onnxruntime: has the speaker finished? It listens to melody and pace, not to words.

The weights come inside the pipecat-ai wheel, which is not imported. The network hears the log-mel spectrogram
of 8 s, as Whisper makes it (Radford et al., 2022: 80 Slaney mels, 25 ms windows every 10 ms), of sound that is
brought to zero mean and unit variance and padded with silence at its beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from duologue.audio.frame import SESSION_RATE_HZ, Float32
from duologue.engines.base import TurnRequest, TurnResult
from duologue.engines.weights import OnnxSession, onnx_session, packaged_file
from duologue.errors import EngineUnavailable

WINDOW_S = 8
WINDOW_SAMPLES = WINDOW_S * SESSION_RATE_HZ
MELS = 80
FRAMES = 800

_FFT_SAMPLES = 400
_HOP_SAMPLES = 160
# What stays in the processor's cache: 8 s take 2.8 ms so, 7.5 in one go.
_BLOCK_FRAMES = 100
_MEL_FLOOR = 1e-10
_DYNAMIC_RANGE_LOG10 = 8.0


def find_weights() -> Path:
    """The model's file. Raises EngineUnavailable, with the command that brings it, where it is not installed."""
    return packaged_file("pipecat", "audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx")


class SmartTurn:
    """TurnDetector on Smart Turn v3.2.

    ``context_s``: how much of the turn's end it hears, at most 8 s. It takes one request a step: batching gains
    nothing on a CPU and would keep the first of the batch waiting.
    """

    name = "smart_turn"
    max_batch = 1
    device = "cpu"
    is_realtime = False

    def __init__(self, context_s: float = WINDOW_S) -> None:
        self._context_samples = max(1, min(int(context_s * SESSION_RATE_HZ), WINDOW_SAMPLES))
        self._session: OnnxSession | None = None

    def load(self) -> None:
        """Read and warm the model. Raises EngineUnavailable."""
        self._session = onnx_session(find_weights())
        self.step([TurnRequest(audio=np.zeros(SESSION_RATE_HZ, np.float32))])

    def step(self, requests: Sequence[TurnRequest]) -> list[TurnResult]:
        """One probability a request, from the last seconds of its sound."""
        return [self._decide(request.audio) for request in requests]

    def sample(self) -> TurnRequest:
        """The longest that it hears: shorter sound is padded, and costs little less."""
        return TurnRequest(audio=np.zeros(WINDOW_SAMPLES, np.float32))

    def close(self) -> None:
        """Let the weights go."""
        self._session = None

    def _decide(self, audio: Float32) -> TurnResult:
        if self._session is None:
            raise EngineUnavailable("smart_turn is not loaded: call load() first")
        features = log_mel(audio[-self._context_samples :])
        (probs,) = self._session.run(None, {"input_features": features[None]})
        return TurnResult(end_of_turn_prob=float(probs[0, 0]))


def log_mel(audio: Float32) -> Float32:
    """float32 [n] at 16 kHz -> Whisper's log-mel features, float32 [80, 800], of its last 8 s.

    Shorter sound is padded at the beginning; all frames within the padding are alike, so one of them is
    computed. NaN and infinity count as silence.
    """
    sound = np.nan_to_num(audio[-WINDOW_SAMPLES:].astype(np.float32, copy=False), posinf=0.0, neginf=0.0)
    padding_samples = WINDOW_SAMPLES - len(sound)
    half = _FFT_SAMPLES // 2
    mean, deviation = _mean_and_deviation(sound)
    first = max(0, (padding_samples - half) // _HOP_SAMPLES)
    signal = np.zeros(WINDOW_SAMPLES, np.float32)
    signal[padding_samples:] = sound
    padded = np.pad((signal - mean) / deviation, half, mode="reflect")
    windows = sliding_window_view(padded, _FFT_SAMPLES)[::_HOP_SAMPLES]
    mel = np.empty((FRAMES, MELS), np.float32)
    for start in range(first, FRAMES, _BLOCK_FRAMES):
        block = slice(start, min(start + _BLOCK_FRAMES, FRAMES))
        # In double precision, where numpy's transform is six times quicker than in single.
        spectrum = np.fft.rfft(windows[block] * _hann(), axis=1)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        mel[block] = np.log10(np.maximum(power @ _mel_filters(), _MEL_FLOOR))
    mel[:first] = mel[first]
    features = (np.maximum(mel, mel.max() - _DYNAMIC_RANGE_LOG10) + 4.0) / 4.0
    return np.ascontiguousarray(features.T, dtype=np.float32)


def _mean_and_deviation(sound: Float32) -> tuple[np.float32, np.float32]:
    """Of the sound with its padding; the small constant keeps pure silence finite, as in the training."""
    mean = float(sound.sum(dtype=np.float64)) / WINDOW_SAMPLES
    power = float(np.dot(sound, sound)) / WINDOW_SAMPLES
    return np.float32(mean), np.float32(np.sqrt(max(power - mean * mean, 0.0) + 1e-7))


@cache
def _hann() -> NDArray[np.float64]:
    return np.hanning(_FFT_SAMPLES + 1)[:-1].astype(np.float64)


@cache
def _mel_filters() -> Float32:
    """Triangles of equal area on Slaney's mel scale, float32 [201, 80].

    That scale is linear up to 1 kHz (15 mels) and logarithmic above (27 mels to a factor of 6.4).
    """
    top_mel = 15.0 + 27.0 * np.log(SESSION_RATE_HZ / 2 / 1000.0) / np.log(6.4)
    mels = np.linspace(0.0, top_mel, MELS + 2)
    edges_hz = np.where(mels < 15.0, mels * 200.0 / 3.0, 1000.0 * 6.4 ** ((mels - 15.0) / 27.0))
    low, centre, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    bins_hz = np.linspace(0.0, SESSION_RATE_HZ / 2, _FFT_SAMPLES // 2 + 1)[:, None]
    rising = (bins_hz - low) / (centre - low)
    falling = (high - bins_hz) / (high - centre)
    filters = np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (high - low)
    result: Float32 = filters.astype(np.float32)
    return result

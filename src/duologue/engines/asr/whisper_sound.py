"""What Whisper is shown of a turn: stretches of speech of at most 30 s, as log-mel features of exactly 30 s."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from duologue.audio.frame import SESSION_RATE_HZ, Float32
from duologue.engines.asr.clip import pieces_of, speech_of, speech_span

WINDOW_S = 30
_WINDOW_SAMPLES = WINDOW_S * SESSION_RATE_HZ
FRAME_SAMPLES = 160
_WINDOW_FRAMES = _WINDOW_SAMPLES // FRAME_SAMPLES
# Three frames: the last of them sees nothing but zeros through its window of 400 samples.
_ZEROS_SAMPLES = 480


class Stretch(NamedTuple):
    """Speech without its quiet edges: float32 [n] at 16 kHz, at most 30 s, from ``start_s`` of the turn on."""

    sound: Float32
    start_s: float

    @property
    def sound_s(self) -> float:
        return len(self.sound) / SESSION_RATE_HZ

    @property
    def frames(self) -> int:
        """How many frames of the features are sound and not filling."""
        return max(1, min(_WINDOW_FRAMES, len(self.sound) // FRAME_SAMPLES))


def stretches_of(audio: Float32) -> list[Stretch]:
    """The speech of a turn (float32 [n] at 16 kHz, any length); nothing where all is quiet."""
    stretches = []
    start_samples = 0
    for window in _windows_of(audio):
        speech = speech_of(window)
        if len(speech):
            lead, _ = speech_span(window)
            stretches.append(Stretch(speech[:_WINDOW_SAMPLES], (start_samples + lead) / SESSION_RATE_HZ))
        start_samples += len(window)
    return stretches


def features_of(stretch: Stretch, extractor: Any) -> Float32:
    """Log-mel features of ``stretch`` with silence up to 30 s, float32 [mels, 3000].

    ``extractor`` is faster_whisper's ``FeatureExtractor``. Silence has the value of its last frame, which is what
    30 s of samples give at ten times the cost.
    """
    features: Float32 = extractor(stretch.sound, padding=_ZEROS_SAMPLES)[:, :_WINDOW_FRAMES].astype(np.float32)
    missing = _WINDOW_FRAMES - features.shape[1]
    return np.pad(features, ((0, 0), (0, missing)), constant_values=features.min()) if missing else features


def _windows_of(audio: Float32) -> Iterator[Float32]:
    """``audio`` cut at quiet places, each window as long as 30 s allow: the encoder's cost is the same for 1 s."""
    window = audio[:0]
    for piece in pieces_of(audio):
        if len(window) and len(window) + len(piece) > _WINDOW_SAMPLES:
            yield window
            window = piece
        else:
            window = np.concatenate([window, piece]) if len(window) else piece
    yield window

"""Cutting a turn's sound to what a transcriber should hear: quiet edges off, long turns at quiet places."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from duologue.audio.frame import SESSION_RATE_HZ, Float32

PIECE_MAX_S = 15.0
# The last third of a piece is where a quiet place is looked for.
_CUT_FROM_S = 10.0

_FRAME_SAMPLES = 320
# Full scale is 1. A whisper close to a microphone has 0.003; a microphone's own noise 0.0003.
_AUDIBLE_RMS = 0.001
# Speech stands 12 dB above the quietest tenth of its frames, or the clip has no quiet part.
_SPEECH_OVER_NOISE = 4.0
# A weak last word lies up to 20 dB under the loudest frame.
_WEAKEST_WORD = 10.0
_LEAD_SAMPLES = SESSION_RATE_HZ // 5
# With only 60 ms of silence behind the last word the model ends 14 % of commands in a comma, with this 3 %.
_TAIL_SAMPLES = SESSION_RATE_HZ * 3 // 10
_MIN_SAMPLES = SESSION_RATE_HZ * 3 // 10


def pieces_of(audio: Float32) -> Iterator[Float32]:
    """``audio`` (float32 [n] at 16 kHz) in pieces of at most 15 s, cut in the middle of the quietest 100 ms."""
    audio = np.nan_to_num(audio.astype(np.float32, copy=False), nan=0.0, posinf=0.0, neginf=0.0)
    longest, earliest = int(PIECE_MAX_S * SESSION_RATE_HZ), int(_CUT_FROM_S * SESSION_RATE_HZ)
    while len(audio) > longest:
        levels = _levels(audio[earliest:longest])
        smooth = np.convolve(levels, np.ones(5, np.float32), mode="valid")
        cut = earliest + (int(smooth.argmin()) + 2) * _FRAME_SAMPLES
        yield audio[:cut]
        audio = audio[cut:]
    yield audio


def speech_of(audio: Float32) -> Float32:
    """``audio`` from 200 ms before its first loud frame to 300 ms after its last; empty where all is quiet.

    Where the sound ends sooner, silence stands in; at least 0.3 s in all, since the encoder cannot take less.
    """
    start, stop = speech_span(audio)
    speech = audio[start:stop]
    wanted = max(stop - start, _MIN_SAMPLES) if stop else 0
    return np.pad(speech, (0, wanted - len(speech)))


def speech_span(audio: Float32) -> tuple[int, int]:
    """The samples that ``speech_of`` takes, the end perhaps beyond the sound's; (0, 0) where all is quiet."""
    levels = _levels(audio)
    if len(levels) == 0:
        return 0, 0
    noise = float(np.percentile(levels, 10))
    loudest = float(levels.max())
    threshold = max(_AUDIBLE_RMS, min(noise * _SPEECH_OVER_NOISE, loudest / _WEAKEST_WORD))
    loud = np.flatnonzero(levels > threshold)
    if len(loud) == 0:
        return 0, 0
    start = max(0, int(loud[0]) * _FRAME_SAMPLES - _LEAD_SAMPLES)
    return start, (int(loud[-1]) + 1) * _FRAME_SAMPLES + _TAIL_SAMPLES


def syllables(seconds: float) -> Float32:
    """float32 [n] at 16 kHz: a voice without words, two syllables a second in a quiet room, for measuring a
    transcriber with."""
    times_s = np.arange(int(seconds * SESSION_RATE_HZ)) / SESSION_RATE_HZ
    pitch_hz = 120 + 20 * np.sin(2 * np.pi * 0.7 * times_s)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SESSION_RATE_HZ
    voice = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 20))
    opening = np.clip(np.sin(2 * np.pi * 2.2 * times_s), 0.0, 1.0)
    room = np.random.default_rng(0).normal(0.0, 0.003, len(times_s))
    sound: Float32 = (0.1 * voice * opening + room).astype(np.float32)
    return sound


def _levels(audio: Float32) -> Float32:
    """Root mean square of each whole 20 ms."""
    count = len(audio) // _FRAME_SAMPLES
    frames = audio[: count * _FRAME_SAMPLES].reshape(count, _FRAME_SAMPLES)
    levels: Float32 = np.sqrt(np.mean(np.square(frames), axis=1)) if count else np.zeros(0, np.float32)
    return levels

"""The answer taken out of what the microphone hears: WebRTC's echo canceller (AEC3), as browsers have it.

The package ``pywebrtc-audio`` carries it in a wheel of 0.4 MB that needs numpy alone; without it there is none. It is
Google's code under other hands' binding: what it is given decides how well it does. The sound that was played must
come no later than its echo, and by a steady amount earlier.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

import numpy as np

from duologue.audio.frame import VOICE_RATE_HZ, Int16

HOW_TO_GET_IT = "pip install pywebrtc-audio adds echo cancelling"


class _Apm(Protocol):
    def process(self, near: Int16, far: Int16) -> Int16: ...


class EchoCanceller:
    """For one card. ``play`` what it is given, ``clean`` what it captures: int16 [n] at 24 kHz, in frames of the same
    length, whole tens of milliseconds. Each from a thread of its own."""

    def __init__(self, apm: _Apm, delay_s: float, frame_s: float) -> None:
        """``delay_s``: from what the card is given to its echo in what it gives, by its own account."""
        self._apm = apm
        self._played: deque[Int16] = deque(maxlen=max(1, int(delay_s / frame_s) - 1))

    def play(self, pcm: Int16) -> None:
        """This goes to the loudspeaker. A card that asks for much at once will play it later: what is more than its
        delay is forgotten, or it would be taken to have been heard before it was played."""
        self._played.append(pcm)

    def clean(self, captured: Int16) -> Int16:
        """``captured`` without the echo: int16 [n]. Adds 8 to 10 ms of delay."""
        played = self._played.popleft() if self._played else None
        if played is None or len(played) != len(captured):
            played = np.zeros(len(captured), np.int16)
        return self._apm.process(captured, played)


def open_echo_canceller(delay_s: float, frame_s: float) -> EchoCanceller | None:
    """None where the package is not installed."""
    try:
        from pywebrtc_audio import AudioProcessor
    except ImportError:
        return None
    apm = AudioProcessor(sample_rate=VOICE_RATE_HZ, echo_cancellation=True, stream_delay_ms=round(delay_s * 1000))
    return EchoCanceller(apm, delay_s, frame_s)

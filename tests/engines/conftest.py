"""Speech made on the spot, and the recordings where they lie beside the repository."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import anyio
import numpy as np
import pytest
import soxr

from duologue.audio.frame import SESSION_RATE_HZ, VOICE_RATE_HZ, Float32, to_float
from duologue.engines.base import SpeakRequest
from duologue.engines.tts.espeak import Espeak

AUDIO = Path(__file__).parents[3] / "shared" / "audio"


async def _speak(text: str) -> Float32:
    engine = Espeak()
    try:
        async with engine.stream(SpeakRequest(text=text)) as chunks:
            pcm = [chunk.pcm async for chunk in chunks]
    finally:
        await engine.aclose()
    sound = soxr.resample(to_float(np.concatenate(pcm)), VOICE_RATE_HZ, SESSION_RATE_HZ)
    return np.asarray(sound, np.float32)


@pytest.fixture(scope="session")
def spoken() -> Callable[[str], Float32]:
    """Text -> float32 [n] at 16 kHz in espeak-ng's voice. For tests that are not asynchronous."""
    return cache(lambda text: anyio.run(_speak, text))


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded speech."""
    if not (AUDIO / "manifest.jsonl").exists():
        pytest.skip("needs the recordings in ../shared/audio")
    return AUDIO

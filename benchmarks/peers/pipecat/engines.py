"""Engines as Pipecat services: scripted ones, and those that come inside wheels (Moonshine tiny, espeak-ng).

Models are loaded once and shared by all sessions, which is more than Pipecat's own local services do: these load one
per session.
"""

from __future__ import annotations

import asyncio
import ctypes
import math
import queue
import threading
from array import array
from collections.abc import AsyncGenerator
from pathlib import Path

import espeakng_loader
import numpy as np
from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.settings import STTSettings, TTSSettings
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.services.tts_service import TTSService
from pipecat.utils.time import time_now_iso8601
from wire import ENGINE_RATE_HZ

TRANSCRIPT = "this is what the scripted transcriber always hears"
ANSWER = "here is an answer of exactly twelve words for you to hear."
TONE_HZ = 440.0
TONE_S = 3.0
VOICE_RATE_HZ = 24_000
CHUNK_S = 0.1
MOST_TRANSCRIBERS = 2

_AUDIO_OUTPUT_RETRIEVAL = 1
_CHARS_UTF8 = 1


class ScriptedAnswers(FrameProcessor):
    """In the place of a chat model: the same twelve words, at once."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        await self.push_frame(LLMTextFrame(ANSWER))
        await self.push_frame(LLMFullResponseEndFrame())


class ScriptedTranscriber(SegmentedSTTService):
    """Hears the same words, at once."""

    def __init__(self) -> None:
        super().__init__(
            sample_rate=ENGINE_RATE_HZ, ttfs_p99_latency=0.0, settings=STTSettings(model="", language=None)
        )

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame, None]:
        yield TranscriptionFrame(TRANSCRIPT, self._user_id, time_now_iso8601())


class ScriptedVoice(TTSService):
    """A tone, at once."""

    def __init__(self) -> None:
        settings = TTSSettings(model="", voice="tone", language=None)
        super().__init__(push_start_frame=True, push_stop_frames=True, sample_rate=VOICE_RATE_HZ, settings=settings)

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame, None]:
        for start in range(0, len(_TONE), _CHUNK_BYTES):
            yield TTSAudioRawFrame(_TONE[start : start + _CHUNK_BYTES], VOICE_RATE_HZ, 1, context_id=context_id)


class MoonshineTranscriber(SegmentedSTTService):
    """Moonshine tiny-en, as its library runs it, each stretch of speech whole."""

    def __init__(self, ears: Ears) -> None:
        super().__init__(
            sample_rate=ENGINE_RATE_HZ, ttfs_p99_latency=0.5, settings=STTSettings(model="", language=None)
        )
        self._ears = ears

    @property
    def wants_wav_segments(self) -> bool:
        return False

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame, None]:
        text = await asyncio.to_thread(self._ears.transcribe, audio)
        if text:
            yield TranscriptionFrame(text, self._user_id, time_now_iso8601())


class Ears:
    """Transcribers for all sessions, one a core; the next free one hears."""

    def __init__(self) -> None:
        import moonshine_voice
        from moonshine_voice.moonshine_api import ModelArch
        from moonshine_voice.transcriber import Transcriber

        weights = str(Path(moonshine_voice.__file__).parent / "assets" / "tiny-en")
        self._free: queue.SimpleQueue[Transcriber] = queue.SimpleQueue()
        for _ in range(MOST_TRANSCRIBERS):
            self._free.put(Transcriber(weights, ModelArch.TINY))

    def transcribe(self, audio: bytes) -> str:
        samples = (np.frombuffer(audio, dtype="<i2").astype(np.float32) / 32_768).tolist()
        transcriber = self._free.get()
        try:
            heard = transcriber.transcribe_without_streaming(samples, ENGINE_RATE_HZ)
        finally:
            self._free.put(transcriber)
        return " ".join(line.text for line in heard.lines).strip()


class EspeakVoice(TTSService):
    """espeak-ng."""

    def __init__(self, mouth: Mouth) -> None:
        settings = TTSSettings(model="", voice="en-us", language=None)
        super().__init__(push_start_frame=True, push_stop_frames=True, sample_rate=mouth.rate_hz, settings=settings)
        self._mouth = mouth

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame, None]:
        sound = await asyncio.to_thread(self._mouth.say, text)
        chunk = int(self._mouth.rate_hz * CHUNK_S) * 2
        for start in range(0, len(sound), chunk):
            yield TTSAudioRawFrame(sound[start : start + chunk], self._mouth.rate_hz, 1, context_id=context_id)


class Mouth:
    """espeak-ng's library: one state a process, so one phrase at a time (3 s of speech take 9 ms). What it says begins
    without silence, as Duologue's does."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = str(espeakng_loader.get_data_path()).encode()
        self.rate_hz = int(self._library.espeak_Initialize(_AUDIO_OUTPUT_RETRIEVAL, 0, data, 0))
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._callback = kind(self._take)
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_SetVoiceByName(b"en-us")
        self._sound = array("h")
        self._speaking = threading.Lock()

    def say(self, text: str) -> bytes:
        with self._speaking:
            self._sound = array("h")
            words = text.encode()
            self._library.espeak_Synth(words, len(words) + 1, 0, 0, 0, _CHARS_UTF8, None, None)
            self._library.espeak_Synchronize()
            sound = np.frombuffer(self._sound.tobytes(), "<i2")
        loud = np.flatnonzero(np.abs(sound) > 200)
        return sound[loud[0] :].tobytes() if len(loud) else b""

    def _take(self, samples: ctypes._Pointer, count: int, _events: int) -> int:
        if samples and count > 0:
            self._sound.extend(samples[:count])
        return 0


def _tone() -> bytes:
    count = int(TONE_S * VOICE_RATE_HZ)
    return array(
        "h", (int(9_800 * math.sin(2 * math.pi * TONE_HZ * n / VOICE_RATE_HZ)) for n in range(count))
    ).tobytes()


_TONE = _tone()
_CHUNK_BYTES = int(VOICE_RATE_HZ * CHUNK_S) * 2

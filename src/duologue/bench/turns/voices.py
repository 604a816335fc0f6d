"""Short words spoken by espeak-ng in several voices, and when each word of a phrase sounds when it speaks it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import numpy as np

from duologue.bench.turns.heard import PhraseTimes
from duologue.bench.turns.sounds import Sound, as_sound
from duologue.engines.base import SpeakRequest, StreamingSpeaker
from duologue.engines.scripted import ScriptedSynthesizer
from duologue.errors import EngineError

BACKCHANNELS = ("mm-hmm", "yeah", "right", "okay", "uh-huh")
INTERRUPTIONS = ("stop", "wait", "no", "hold on", "excuse me", "that's enough, thank you")
VOICES = ("en-us", "en-us+f3", "en-gb-scotland", "en-gb+f3")


async def spoken(words: Iterable[str], kind: str, dbfs: float, voices: Iterable[str] = VOICES) -> list[Sound]:
    """Each of ``words`` in each voice; nothing where espeak-ng is not installed."""
    try:
        async with _espeak() as voice:
            return [await _say(voice, text, name, kind, dbfs) for text in words for name in voices]
    except (ImportError, EngineError):
        return []


@asynccontextmanager
async def word_clock(tts: str) -> AsyncIterator[PhraseTimes | None]:
    """When each word of a phrase sounds, by speaking it again with the synthesizer of that name; None where that is
    not one that always speaks alike."""
    if tts == "scripted":
        yield lambda phrase: _timed(ScriptedSynthesizer(), phrase)
        return
    if tts != "espeak":
        yield None
        return
    try:
        async with _espeak() as voice:
            yield lambda phrase: _timed(voice, phrase)
    except ImportError:
        yield None


@asynccontextmanager
async def _espeak() -> AsyncIterator[StreamingSpeaker]:
    from duologue.engines.tts.espeak import Espeak

    voice = Espeak()
    try:
        await voice.start()
        yield voice
    finally:
        await voice.aclose()


async def _say(voice: StreamingSpeaker, text: str, name: str, kind: str, dbfs: float) -> Sound:
    async with voice.stream(SpeakRequest(text=text, voice=name)) as chunks:
        parts = [chunk.pcm async for chunk in chunks]
    pcm = np.concatenate([np.zeros(0, np.int16), *parts])
    return as_sound(f"{text} ({name})", kind, "made", pcm, dbfs, text)


async def _timed(voice: StreamingSpeaker, phrase: str) -> tuple[list[tuple[int, int, float, float]], float]:
    """[(text start, text end, start ms, end ms)], and how long the phrase is in ms."""
    async with voice.stream(SpeakRequest(text=phrase)) as stream:
        chunks = [chunk async for chunk in stream]
    times = [(w.text_start, w.text_end, w.start_ms, w.end_ms) for chunk in chunks for w in chunk.words]
    return times, sum(len(chunk.pcm) for chunk in chunks) / 24

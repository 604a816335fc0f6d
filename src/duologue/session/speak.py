"""Phrases -> sound with word times, in pieces small enough to be stopped between."""

from __future__ import annotations

import anyio
import msgspec
from anyio.streams.memory import MemoryObjectSendStream

from duologue.audio.frame import VOICE_RATE_HZ, Int16, ms_to_samples
from duologue.engines.base import SpeakRequest, SpeechChunk, WordTime
from duologue.engines.client import TTS, EngineClient
from duologue.errors import EngineLost
from duologue.session.watch import watched

# The grain of pacing and of holding an answer back.
PIECE_SAMPLES = ms_to_samples(100, VOICE_RATE_HZ)
# A listener notices a first phrase later than this; later phrases have the sound before them as slack.
FIRST_PHRASE_DUE_S = 0.1
LATER_PHRASE_DUE_S = 2.0
# An engine silent for so long in the middle of its work is taken for lost.
PATIENCE_S = 10.0


class Piece(msgspec.Struct, frozen=True, eq=False):
    """A little of the answer. ``text``: the phrase that begins with this piece, "" within one. ``pcm``: int16 at
    24 kHz, None for an answer in writing. ``words``: of the current phrase, times from its first sample."""

    text: str
    pcm: Int16 | None = None
    words: tuple[WordTime, ...] = ()


async def speak(
    engines: EngineClient, request: SpeakRequest, out: MemoryObjectSendStream[Piece], *, is_first: bool
) -> None:
    """One phrase as sound, piece by piece into ``out``. A synthesizer lost before its first sound is asked again.

    Raises EngineError.
    """
    for is_last_try in (False, True):
        spoken = _Phrase(request.text, out)
        try:
            await _speak_once(engines, request, spoken, is_first)
        except EngineLost:
            if is_last_try or spoken.has_begun:
                raise
        else:
            return


class _Phrase:
    """Gives the phrase's text to its first piece, and to no other."""

    def __init__(self, text: str, out: MemoryObjectSendStream[Piece]) -> None:
        self._text = text
        self._out = out
        self.has_begun = False

    async def send(self, pcm: Int16, words: tuple[WordTime, ...]) -> None:
        await self._out.send(Piece("" if self.has_begun else self._text, pcm, words))
        self.has_begun = True


async def _speak_once(engines: EngineClient, request: SpeakRequest, phrase: _Phrase, is_first: bool) -> None:
    due_s = anyio.current_time() + (FIRST_PHRASE_DUE_S if is_first else LATER_PHRASE_DUE_S)
    async with engines.stream(TTS, request, deadline_s=due_s) as chunks:
        async for chunk in watched(chunks, PATIENCE_S, "The synthesizer"):
            for pcm, words in _cut(chunk):
                await phrase.send(pcm, words)
    if not phrase.has_begun:
        raise EngineLost("The synthesizer gave no sound.")


def _cut(chunk: SpeechChunk) -> list[tuple[Int16, tuple[WordTime, ...]]]:
    """The chunk in pieces; its words go with the first, which is never later than they are heard."""
    starts = range(0, len(chunk.pcm), PIECE_SAMPLES)
    return [(chunk.pcm[at : at + PIECE_SAMPLES], chunk.words if at == 0 else ()) for at in starts]

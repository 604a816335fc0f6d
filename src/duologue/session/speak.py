"""Phrases -> sound with word times, in pieces small enough to be stopped between."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from duologue.audio.frame import VOICE_RATE_HZ, Int16, ms_to_samples
from duologue.engines.base import SpeakRequest, WordTime
from duologue.engines.client import TTS, EngineClient
from duologue.errors import EngineLost
from duologue.session.watch import watched

# The grain of pacing and of holding an answer back.
PIECE_SAMPLES = ms_to_samples(100, VOICE_RATE_HZ)
# Less than a frame of sound is not worth an event.
SHORTEST_SAMPLES = ms_to_samples(20, VOICE_RATE_HZ)
# An engine silent for so long in the middle of its work is taken for lost.
PATIENCE_S = 10.0


class Piece(msgspec.Struct, frozen=True, eq=False):
    """A little of the answer. ``text``: the phrase that begins with this piece, "" within one. ``pcm``: int16 at
    24 kHz, None for an answer in writing. ``words``: of the current phrase, times from its first sample."""

    text: str
    pcm: Int16 | None = None
    words: tuple[WordTime, ...] = ()


async def speak(engines: EngineClient, request: SpeakRequest, put: Callable[[Piece], None], *, due_s: float) -> None:
    """One phrase as sound, given to ``put`` piece by piece as it is made. A synthesizer lost before its first sound is
    asked again.

    ``due_s``: when the listener would miss it, on the event loop's clock. Raises EngineError.
    """
    for is_last_try in (False, True):
        spoken = _Phrase(request.text, put)
        try:
            await _speak_once(engines, request, spoken, due_s)
        except EngineLost:
            if is_last_try or spoken.has_begun:
                raise
        else:
            return


class _Phrase:
    """Gives the phrase's text to its first piece, and to no other."""

    def __init__(self, text: str, put: Callable[[Piece], None]) -> None:
        self._text = text
        self._put = put
        self.has_begun = False

    def send(self, pcm: Int16, words: tuple[WordTime, ...]) -> None:
        self._put(Piece("" if self.has_begun else self._text, pcm, words))
        self.has_begun = True


async def _speak_once(engines: EngineClient, request: SpeakRequest, phrase: _Phrase, due_s: float) -> None:
    crumb: Int16 = np.zeros(0, np.int16)
    words: tuple[WordTime, ...] = ()
    async with engines.stream(TTS, request, deadline_s=due_s) as chunks:
        async for chunk in watched(chunks, PATIENCE_S, "The synthesizer"):
            crumb, words = np.concatenate([crumb, chunk.pcm]) if len(crumb) else chunk.pcm, words + chunk.words
            if len(crumb) >= SHORTEST_SAMPLES:
                for piece in _cut(crumb):
                    # The words go with the first piece, which is never later than they are heard.
                    phrase.send(piece, words)
                    words = ()
                crumb = crumb[:0]
    if len(crumb):
        phrase.send(np.pad(crumb, (0, SHORTEST_SAMPLES - len(crumb))), words)
    if not phrase.has_begun:
        raise EngineLost("The synthesizer gave no sound.")


def _cut(pcm: Int16) -> list[Int16]:
    """Pieces of 100 ms; the last is 20 ms at least, and 119 at most."""
    starts = range(0, max(1, len(pcm) - SHORTEST_SAMPLES + 1), PIECE_SAMPLES)
    return [pcm[start : start + PIECE_SAMPLES] for start in starts[:-1]] + [pcm[starts[-1] :]]

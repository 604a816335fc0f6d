"""espeak-ng as a Synthesizer: robotic, and there at once (first sound in 1-2 ms, 3 s of speech in 6-9 ms).

The library keeps one state per process, so it runs in a few processes of its own (``espeak_pipe``), each of which
speaks one phrase at a time; the phrase that is due first goes first. A process is ready in 25 ms and has 5.5 MB of its
own.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import anyio
import numpy as np

from duologue.engines.base import SpeakRequest, SpeechChunk
from duologue.engines.tts import espeak_process as wire
from duologue.engines.tts.espeak_pipe import EspeakPipe, Frames
from duologue.engines.tts.espeak_sound import PhraseSound, speakable
from duologue.engines.tts.places import Places
from duologue.errors import EngineError, EngineLost
from duologue.options import EspeakOptions

# What clients ask for -> what the library calls it (its British English is plain "en"): English first, then one voice
# each of the languages that it says well enough to be understood. It has a hundred more, too many to choose from.
VOICES = {
    "en-us": "en-us",
    "en-us+f3": "en-us+f3",
    "en-gb": "en",
    "en-gb+f3": "en+f3",
    "en-gb-x-rp": "en-gb-x-rp",
    "en-gb-scotland": "en-gb-scotland",
    **{code: code for code in (
        "ar", "ca", "cs", "da", "de", "el", "es", "es-419", "fi", "fr", "hi", "hu", "id", "it", "nb", "nl", "pl", "pt",
        "pt-br", "ro", "ru", "sk", "sv", "tr", "uk", "vi",
    )},
    "zh": "cmn",
}  # fmt: skip

_NORMAL_WPM = 170
# espeak-ng speaks no slower than this, whatever it is told; above 450 it leaves out periods of the sound.
_MIN_WPM = 80
_MAX_WPM = 680
# About five minutes of speech: what is made ahead of the listener is bounded by it.
_MAX_CHARACTERS = 5000
# Where the number of processes is not set: more cores than these have other work.
_MOST_PROCESSES = 4


class Espeak:
    """Synthesizer on espeak-ng. ``speed`` 1.0 is 170 words a minute, within 80 and 680.

    An unknown voice is spoken by the first of ``voices``. A process that has died is replaced at the next phrase.
    """

    name = "espeak"
    voices = tuple(VOICES)
    takes_deadlines = True

    def __init__(self, options: EspeakOptions | None = None) -> None:
        count = (options or EspeakOptions()).processes or min(os.cpu_count() or 1, _MOST_PROCESSES)
        self._mouths = [_Mouth() for _ in range(count)]
        self._places = Places(self._mouths)

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The processes that speak; none before the start, and without those that are lost."""
        return tuple(mouth.process_id for mouth in self._mouths if mouth.process_id is not None)

    @property
    def threads(self) -> int:
        """How many phrases are spoken at once."""
        return len(self._mouths)

    @property
    def waiting(self) -> int:
        """How many phrases wait for a process."""
        return self._places.waiting

    @property
    def running(self) -> int:
        """How many are being spoken."""
        return self._places.taken

    async def start(self) -> None:
        """Start the processes, and say one word with each. Raises EngineUnavailable."""
        # So many at once are given to one process each.
        said = await asyncio.gather(*(self._say_ready() for _ in self._mouths), return_exceptions=True)
        for failure in said:
            if isinstance(failure, BaseException):
                raise failure

    async def _say_ready(self) -> None:
        async with self.stream(SpeakRequest(text="ready")) as chunks:
            async for _ in chunks:
                pass

    @asynccontextmanager
    async def stream(
        self, request: SpeakRequest, deadline_s: float = math.inf
    ) -> AsyncIterator[AsyncIterator[SpeechChunk]]:
        """Chunks of 40-100 ms as they are made. ``deadline_s``: who waits with the earliest is next.

        Raises EngineLost when the process dies meanwhile, EngineError for a phrase of more than 5,000 characters.
        """
        if len(request.text) > _MAX_CHARACTERS:
            raise EngineError(f"a phrase may have {_MAX_CHARACTERS} characters: cut the text at sentences")
        async with AsyncExitStack() as stack:
            place = await self._places.take(deadline_s)
            stack.callback(place.give_back)
            pipe = await place.thing.pipe()
            # However long the sound then takes to be fetched, the process is free for others when it is made.
            request_id, frames = await pipe.open(_speak_payload(request), place.give_back)
            stack.push_async_callback(pipe.close, request_id)
            yield await stack.enter_async_context(aclosing(_speech(pipe, frames, request.text)))

    async def aclose(self) -> None:
        """End the processes. Phrases in flight raise EngineLost, and so do those that come later."""
        async with anyio.create_task_group() as group:
            for mouth in self._mouths:
                group.start_soon(mouth.aclose)


class _Mouth:
    """A process, or the place for one."""

    def __init__(self) -> None:
        self._pipe: EspeakPipe | None = None
        self._changing = anyio.Lock()
        self._is_closed = False

    @property
    def process_id(self) -> int | None:
        pipe = self._pipe
        return None if pipe is None or pipe.is_lost else pipe.process_id

    async def pipe(self) -> EspeakPipe:
        """To a process that lives. Raises EngineUnavailable, EngineLost after the end."""
        async with self._changing:
            if self._is_closed:
                raise EngineLost("The server is shutting down.")
            if self._pipe is not None and self._pipe.is_lost:
                lost, self._pipe = self._pipe, None
                await lost.aclose()
            if self._pipe is None:
                self._pipe = await EspeakPipe.spawn()
            return self._pipe

    async def aclose(self) -> None:
        async with self._changing:
            self._is_closed = True
            pipe, self._pipe = self._pipe, None
            if pipe is not None:
                await pipe.aclose()


async def _speech(pipe: EspeakPipe, frames: Frames, text: str) -> AsyncGenerator[SpeechChunk, None]:
    sound = PhraseSound(text, pipe.rate_hz)
    while (frame := await pipe.next_of(frames)) is not None:
        kind, payload = frame
        if kind == wire.SOUND:
            sound.push(np.frombuffer(payload, "<i2").astype(np.int16, copy=False))
        elif kind == wire.WORD:
            sound.mark(*wire.WORD_PAYLOAD.unpack(payload))
        elif kind == wire.FAILED:
            raise EngineError(payload.decode(errors="replace"))
        elif kind == wire.END:
            last = sound.finish()
            if len(last.pcm):
                yield last
            return
        while (chunk := sound.take()) is not None:
            yield chunk
    raise EngineLost("espeak-ng's process has ended; the next phrase starts a new one")


def _speak_payload(request: SpeakRequest) -> bytes:
    default = next(iter(VOICES.values()))
    voice = VOICES.get(request.voice, default).encode()
    speed = request.speed if request.speed > 0 else 1.0
    rate_wpm = round(min(max(_NORMAL_WPM * speed, _MIN_WPM), _MAX_WPM))
    return wire.SPEAK_HEAD.pack(rate_wpm, len(voice)) + voice + speakable(request.text).encode()

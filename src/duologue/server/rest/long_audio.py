"""A recording of any length -> its words, passage by passage, in bounded memory.

Shared by the REST endpoint and ``duologue transcribe``. The file is read, searched for voices and cut at pauses as
the transcriber gets on. All of it yields to live conversations: deadlines are far away, and no step is long.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import Any, Protocol

import anyio
import msgspec
import numpy as np
from anyio import to_thread

from duologue.audio.frame import SESSION_RATE_HZ, Float32
from duologue.engines.base import VAD_WINDOW_SAMPLES, TimedWord, TranscribeRequest, TranscribeResult, VadRequest
from duologue.engines.client import ASR, VAD, EngineClient
from duologue.errors import ClientError
from duologue.server.rest.cuts import Cutter, Stretch
from duologue.server.rest.quoted import quoted
from duologue.server.rest.words import spread

# 0.5 s: 3-4 ms on the one thread that finds voices for live conversations too.
_VAD_WINDOWS = 16
_VAD_DUE_S = 1.0
# Live turns are due within half a second.
_ASR_DUE_S = 30.0
# Too short to tell its language by; it has that of what was said before.
_SHORT_VOICE_S = 3.0
_LANGUAGE = re.compile(r"([a-z]{2,3})([-_][a-z0-9]{2,8})*", re.IGNORECASE)


def language_code(given: str | None) -> str | None:
    """The language of ``en-GB``, say, in lower case; None for "" and None. Raises ClientError for what is no code."""
    if not given:
        return None
    found = _LANGUAGE.fullmatch(given)
    if found is None:
        raise ClientError(f"{quoted(given)} is no language: give a code such as en or fr", param="language")
    return found[1].lower()


class Passage(msgspec.Struct, frozen=True, eq=False):
    """What was said in one stretch, times in seconds of the recording. ``text`` is never empty.

    ``words``: with their times, empty unless asked for.
    """

    text: str
    start_s: float
    end_s: float
    language: str | None = None
    words: tuple[TimedWord, ...] = ()


class Position(msgspec.Struct, frozen=True):
    """So many seconds of the recording are done."""

    at_s: float


class Sound(Protocol):
    """A ``SoundFile``, for example. ``read`` blocks; it gives nothing when the sound is over."""

    def read(self) -> Float32: ...


class Ask(msgspec.Struct, frozen=True):
    """``language``: ISO 639-1, None to find out. ``at_once``: stretches in the transcriber at a time."""

    language: str | None = None
    wants_words: bool = False
    at_once: int = 1


class LongTranscription:
    """One recording on its way. ``queue``: entered around every transcription, so that requests take turns; without it
    the engines are its own."""

    def __init__(
        self, engines: EngineClient, ask: Ask, queue: Callable[[], AbstractAsyncContextManager[Any]] = nullcontext
    ) -> None:
        self._engines = engines
        self._ask = ask
        self._queue = queue
        self._language = ask.language

    async def run(self, sound: Sound) -> AsyncGenerator[Passage | Position, None]:
        """Passages in order, and after each bit of the file how far it is. Close it to end the work.

        Raises ClientError from the file, EngineError, Overloaded.
        """
        pending: deque[asyncio.Task[Passage | None] | Position] = deque()
        try:
            async with aclosing(self._stretches(sound)) as stretches:
                async for item in stretches:
                    job = item if isinstance(item, Position) else asyncio.create_task(self._hear(item))
                    pending.append(job)
                    while pending and (_is_done(pending[0]) or _running(pending) >= self._ask.at_once):
                        if (done := await _result(pending.popleft())) is not None:
                            yield done
            while pending:
                if (done := await _result(pending.popleft())) is not None:
                    yield done
        finally:
            jobs = [job for job in pending if isinstance(job, asyncio.Task)]
            for job in jobs:
                job.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.gather(*jobs, return_exceptions=True)

    async def _stretches(self, sound: Sound) -> AsyncGenerator[Stretch | Position, None]:
        cutter = Cutter()
        samples = 0
        listener = _Listener(self._engines)
        async with aclosing(_windows(sound)) as blocks:
            async for windows, samples in blocks:
                for stretch in cutter.push(windows, await listener.probs(windows)):
                    yield stretch
                yield Position(samples / SESSION_RATE_HZ)
        for stretch in cutter.flush(samples):
            yield stretch

    async def _hear(self, stretch: Stretch) -> Passage | None:
        language = self._ask.language or (self._language if stretch.voice_s < _SHORT_VOICE_S else None)
        request = TranscribeRequest(stretch.audio, language=language, wants_words=self._ask.wants_words)
        async with self._queue():
            due_s = anyio.current_time() + _ASR_DUE_S
            heard = await self._engines.call(ASR, request, deadline_s=due_s)
        if not heard.text.strip():
            return None
        self._language = heard.language or self._language
        return self._passage(stretch, heard)

    def _passage(self, stretch: Stretch, heard: TranscribeResult) -> Passage:
        offset_s = stretch.start / SESSION_RATE_HZ
        text = " ".join(heard.text.split())
        words: tuple[TimedWord, ...] = ()
        if self._ask.wants_words:
            words = tuple(_later(word, offset_s) for word in heard.words or spread(text, stretch.voiced))
        return Passage(
            text=text,
            start_s=round(offset_s + stretch.voiced[0][0] / SESSION_RATE_HZ, 3),
            end_s=round(offset_s + stretch.voiced[-1][1] / SESSION_RATE_HZ, 3),
            language=heard.language,
            words=words,
        )


class _Listener:
    """Voice activity of one recording, asked for in small steps."""

    def __init__(self, engines: EngineClient) -> None:
        self._engines = engines
        self._state: Any = None

    async def probs(self, windows: Float32) -> Float32:
        """float32 [n], one a window."""
        found: list[Float32] = []
        for start in range(0, len(windows), _VAD_WINDOWS):
            request = VadRequest(windows[start : start + _VAD_WINDOWS], self._state)
            result = await self._engines.call(VAD, request, deadline_s=anyio.current_time() + _VAD_DUE_S)
            self._state = result.state
            found.append(result.speech_probs)
        return np.concatenate(found)


async def _windows(sound: Sound) -> AsyncGenerator[tuple[Float32, int], None]:
    """float32 [n, 512] as they are read, and how many samples that is so far; the last window ends in silence."""
    rest = np.zeros(0, np.float32)
    samples = 0
    while len(block := await to_thread.run_sync(sound.read)):
        samples += len(block)
        block = np.concatenate([rest, block])
        whole = len(block) // VAD_WINDOW_SAMPLES * VAD_WINDOW_SAMPLES
        rest = block[whole:]
        if whole:
            yield block[:whole].reshape(-1, VAD_WINDOW_SAMPLES), samples
    if len(rest):
        yield np.pad(rest, (0, VAD_WINDOW_SAMPLES - len(rest))).reshape(1, -1), samples


def _later(word: TimedWord, by_s: float) -> TimedWord:
    return TimedWord(word.text, round(word.start_s + by_s, 3), round(word.end_s + by_s, 3), word.prob)


_Job = asyncio.Task[Passage | None] | Position


def _is_done(job: _Job) -> bool:
    return isinstance(job, Position) or job.done()


def _running(jobs: deque[_Job]) -> int:
    return sum(not _is_done(job) for job in jobs)


async def _result(job: _Job) -> Passage | Position | None:
    return job if isinstance(job, Position) else await job

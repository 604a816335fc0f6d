"""Deterministic engines without weights, for tests, demos and load.

They answer at once, or after a fixed delay on the event loop's clock, so that a conversation can be replayed on a
virtual one. ``InlineEngines`` puts them behind the seam without threads.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import lru_cache
from typing import Any, Generic, cast

import anyio
import numpy as np
from numpy.typing import NDArray

from duologue.audio.frame import VOICE_RATE_HZ, Float32, Int16, ms_to_samples
from duologue.engines.base import (
    VAD_WINDOW_SAMPLES,
    BatchEngine,
    ChatDelta,
    ChatRequest,
    SpeakRequest,
    SpeechChunk,
    SpeechDelta,
    SpeechRequest,
    StreamEngine,
    TranscribeRequest,
    TranscribeResult,
    TurnRequest,
    TurnResult,
    VadRequest,
    VadResult,
    WordTime,
)
from duologue.engines.client import Req, Res, Stage, StageStats
from duologue.errors import EngineLost

TRANSCRIPT = "this is what the scripted transcriber always hears"
TWELVE_WORDS = "here is an answer of exactly twelve words for you to hear"
TONE_HZ = 440.0
TONE_LEVEL = 0.3


class _Ready:
    """A batch engine that needs nothing."""

    max_batch = 256
    device = "cpu"
    is_realtime = False

    def load(self) -> None:
        return

    def close(self) -> None:
        return


class ScriptedStream(Generic[Req, Res]):
    """A stream engine that needs nothing. What it gives is in ``results``."""

    name = "scripted"

    async def start(self) -> None:
        return

    async def aclose(self) -> None:
        return

    @asynccontextmanager
    async def stream(self, request: Req) -> AsyncIterator[AsyncIterator[Res]]:
        async with aclosing(self.results(request)) as results:
            yield results

    def results(self, request: Req) -> AsyncGenerator[Res, None]:
        """The answer to ``request``, piece by piece."""
        raise NotImplementedError


class ScriptedVad(_Ready):
    """Speech is whatever is louder than -40 dBFS."""

    name = "scripted-vad"
    is_realtime = True

    def sample(self) -> VadRequest:
        return VadRequest(np.zeros((1, VAD_WINDOW_SAMPLES), np.float32))

    def step(self, requests: Sequence[VadRequest]) -> list[VadResult]:
        return [VadResult(_loudness(r.windows), None) for r in requests]


def _loudness(windows: Float32) -> Float32:
    is_loud: NDArray[np.bool_] = np.sqrt(np.mean(np.square(windows), axis=1)) > 0.01
    return is_loud.astype(np.float32)


class ScriptedTurn(_Ready):
    """The same probability each time, or what ``judge`` makes of the request."""

    name = "scripted-turn"

    def __init__(self, prob: float = 1.0, judge: Callable[[TurnRequest], float] | None = None) -> None:
        self._judge = judge or (lambda _request: prob)

    def step(self, requests: Sequence[TurnRequest]) -> list[TurnResult]:
        return [TurnResult(self._judge(r)) for r in requests]


class ScriptedTranscriber(_Ready):
    """The same words each time, or what ``hear`` makes of the request."""

    name = "scripted-asr"

    def __init__(self, text: str = TRANSCRIPT, hear: Callable[[TranscribeRequest], str] | None = None) -> None:
        self._hear = hear or (lambda _request: text)

    def step(self, requests: Sequence[TranscribeRequest]) -> list[TranscribeResult]:
        return [TranscribeResult(self._hear(r)) for r in requests]


class ScriptedChat(ScriptedStream[ChatRequest, ChatDelta]):
    """The same words each time, or what ``answer`` makes of the prompt; ``word_s`` apart, ``first_s`` after the
    question."""

    name = "scripted-chat"

    def __init__(
        self,
        text: str = TWELVE_WORDS,
        answer: Callable[[ChatRequest], str] | None = None,
        first_s: float = 0.0,
        word_s: float = 0.0,
    ) -> None:
        self._answer = answer or (lambda _request: text)
        self._first_s = first_s
        self._word_s = word_s

    async def results(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        await anyio.sleep(self._first_s)
        words = self._answer(request).split()
        allowed = words[: request.max_tokens]
        for word in allowed:
            yield ChatDelta(word if word is allowed[0] else f" {word}")
            await anyio.sleep(self._word_s)
        yield ChatDelta("", finish="length" if len(allowed) < len(words) else "stop")


class ScriptedSpeech(ScriptedStream[SpeechRequest, SpeechDelta]):
    """A model that hears: what ``hear`` makes of the last turn's sound, and what ``answer`` makes of the prompt.

    The answer comes first, ``word_s`` apart; the words heard ``heard_s`` after the question.
    """

    name = "scripted-speech"

    def __init__(
        self,
        answer: Callable[[SpeechRequest], str] | None = None,
        hear: Callable[[Float32], str] | None = None,
        word_s: float = 0.0,
        heard_s: float = 0.0,
    ) -> None:
        self._answer = answer or (lambda _request: TWELVE_WORDS)
        self._hear = hear or (lambda _sound: TRANSCRIPT)
        self._word_s = word_s
        self._heard_s = heard_s

    async def results(self, request: SpeechRequest) -> AsyncGenerator[SpeechDelta, None]:
        asked_s = anyio.current_time()
        sound = request.messages[-1].audio if request.messages else None
        if request.wants in {"answer", "both"}:
            words = self._answer(request).split()
            for index, word in enumerate(words):
                yield SpeechDelta(text=word if index == 0 else f" {word}")
                await anyio.sleep(self._word_s)
            yield SpeechDelta(finish="stop")
        if request.wants in {"transcript", "both"} and sound is not None:
            await anyio.sleep(max(0.0, asked_s + self._heard_s - anyio.current_time()))
            yield SpeechDelta(heard=self._hear(sound), is_heard=True)


class ScriptedSynthesizer(ScriptedStream[SpeakRequest, SpeechChunk]):
    """A tone of ``phrase_s`` for each phrase, whole, its words evenly spread; or ``word_s`` for each word."""

    name = "scripted-tts"
    voices: tuple[str, ...] = ("tone",)

    def __init__(self, phrase_s: float = 1.0, word_s: float | None = None, first_s: float = 0.0) -> None:
        self._phrase_s = phrase_s
        self._word_s = word_s
        self._first_s = first_s

    async def results(self, request: SpeakRequest) -> AsyncGenerator[SpeechChunk, None]:
        await anyio.sleep(self._first_s)
        words = _word_spans(request.text)
        length_s = self._phrase_s if self._word_s is None else self._word_s * len(words)
        each_ms = length_s * 1000 / max(1, len(words))
        times = tuple(WordTime(a, b, i * each_ms, (i + 1) * each_ms) for i, (a, b) in enumerate(words))
        yield SpeechChunk(tone(length_s), times)


def _word_spans(text: str) -> list[tuple[int, int]]:
    spans, at = [], 0
    for word in text.split():
        start = text.index(word, at)
        at = start + len(word)
        spans.append((start, at))
    return spans


@lru_cache(maxsize=64)
def tone(length_s: float) -> Int16:
    """int16 [n] at 24 kHz, audible from its first sample; not to be written to."""
    t = np.arange(ms_to_samples(length_s * 1000, VOICE_RATE_HZ)) / VOICE_RATE_HZ
    pcm = np.round(np.cos(2 * np.pi * TONE_HZ * t) * TONE_LEVEL * 32767).astype(np.int16)
    pcm.flags.writeable = False
    return pcm


class InlineEngines:
    """Engines stepped one request at a time where they are called, each after ``delays_s`` of its stage.

    No threads: with it a whole conversation runs on a virtual clock.
    """

    def __init__(
        self,
        engines: dict[str, BatchEngine[Any, Any] | StreamEngine[Any, Any]],
        delays_s: dict[str, float] | None = None,
    ) -> None:
        self._engines = engines
        self._delays_s = {} if delays_s is None else delays_s

    async def call(
        self,
        stage: Stage[Req, Res],
        request: Req,
        *,
        deadline_s: float,
        lease: str = "",
        best_effort: bool = False,
    ) -> Res:
        await anyio.sleep(self._delays_s.get(stage.name, 0.0))
        engine = self._engines[stage.name]
        if hasattr(engine, "step"):
            return cast("BatchEngine[Req, Res]", engine).step([request])[0]
        async with self.stream(stage, request, deadline_s=deadline_s) as results:
            found = [result async for result in results]
        if not found:
            raise EngineLost(f"The engine {engine.name} gave no result.")
        return found[-1]

    def stream(
        self, stage: Stage[Req, Res], request: Req, *, deadline_s: float, lease: str = ""
    ) -> AbstractAsyncContextManager[AsyncIterator[Res]]:
        return cast("StreamEngine[Req, Res]", self._engines[stage.name]).stream(request)

    def stats(self) -> dict[str, StageStats]:
        return {stage: StageStats(engine=engine.name) for stage, engine in self._engines.items()}

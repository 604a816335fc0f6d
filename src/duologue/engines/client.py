"""The seam between sessions and engines: ``call``, ``stream``, ``stats``.

All that crosses it is plain data with a deadline. Behind it an engine may run in this process, in a child or on
another machine; nothing above it can tell.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Generic, Protocol, TypeVar

import msgspec

from duologue.engines.base import (
    ChatDelta,
    ChatRequest,
    Plain,
    SpeakRequest,
    SpeechChunk,
    SpeechDelta,
    SpeechRequest,
    TranscribeRequest,
    TranscribeResult,
    TurnRequest,
    TurnResult,
    VadRequest,
    VadResult,
)

Req = TypeVar("Req", bound=Plain)
Res = TypeVar("Res", bound=Plain)


class Stage(Generic[Req, Res]):
    """One step of the flow, by name, with the types that it takes and gives."""

    def __init__(self, name: str) -> None:
        self.name = name


VAD: Stage[VadRequest, VadResult] = Stage("vad")
TURN: Stage[TurnRequest, TurnResult] = Stage("turn")
ASR: Stage[TranscribeRequest, TranscribeResult] = Stage("asr")
CHAT: Stage[ChatRequest, ChatDelta] = Stage("chat")
SPEECH: Stage[SpeechRequest, SpeechDelta] = Stage("speech")
TTS: Stage[SpeakRequest, SpeechChunk] = Stage("tts")


class StageStats(msgspec.Struct, frozen=True):
    """What a stage has done since the start. Times are of its last 512 steps; None before the first."""

    engine: str
    steps: int = 0
    requests: int = 0
    waiting: int = 0
    step_p50_ms: float | None = None
    step_p95_ms: float | None = None
    queue_p95_ms: float | None = None


class EngineClient(Protocol):
    """How a session reaches the engines."""

    async def call(
        self,
        stage: Stage[Req, Res],
        request: Req,
        *,
        deadline_s: float,
        request_id: str = "",
        best_effort: bool = False,
    ) -> Res:
        """One request, one result.

        ``deadline_s``: the moment, on the event loop's clock, at which a person would notice; the most urgent goes
        first. ``best_effort``: past the deadline it need not be done at all. Cancelling the call takes the request
        out of the queue. Raises Overloaded, EngineError, EngineLost.
        """

    def stream(
        self, stage: Stage[Req, Res], request: Req, *, deadline_s: float, request_id: str = ""
    ) -> AbstractAsyncContextManager[AsyncIterator[Res]]:
        """One request, results as they come. Leaving the context, by any way, ends the work."""

    def stats(self) -> dict[str, StageStats]:
        """By stage name."""

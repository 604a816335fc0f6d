"""The seam between sessions and engines: ``call``, ``stream``, ``stats``.

All that crosses it is plain data with a deadline. Behind it an engine may run in this process, in a child or on
another machine; nothing above it can tell.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Generic, Literal, Protocol, TypeVar

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
    """What a stage has done since the start. Times are of its last 512 steps; None before the first.

    ``device``: whose threads step it, "" where it is a process or a server of its own; ``threads``: how many of its
    steps run there at once, shared with the other engines of that device. ``busy_s``: thread-seconds spent in steps,
    so that ``busy_s / requests`` is what one request costs; it only grows. ``cancelled``, ``expired``: requests that
    were never run, because nobody wanted the result any more or it came too late. ``batches``: how many steps took
    how many requests.
    """

    engine: str
    device: str = ""
    threads: int = 1
    is_realtime: bool = False
    steps: int = 0
    requests: int = 0
    waiting: int = 0
    running: int = 0
    cancelled: int = 0
    expired: int = 0
    failed: int = 0
    busy_s: float = 0.0
    batches: dict[int, int] = {}
    step_p50_ms: float | None = None
    step_p95_ms: float | None = None
    queue_p50_ms: float | None = None
    queue_p95_ms: float | None = None


class Observer(Protocol):
    """Is told what the engines do, as they do it, for metrics. Must not wait."""

    def stepped(self, engine: str, seconds: float, batch: int) -> None:
        """One step of so many requests took so long. A stream engine's request is a step of one."""

    def queued(self, engine: str, seconds: float) -> None:
        """A request waited so long before its step began."""

    def dropped(self, engine: str, reason: Literal["cancelled", "expired", "failed"]) -> None:
        """A request got no result."""


class EngineClient(Protocol):
    """How a session reaches the engines."""

    async def call(
        self,
        stage: Stage[Req, Res],
        request: Req,
        *,
        deadline_s: float,
        lease: str = "",
        best_effort: bool = False,
    ) -> Res:
        """One request, one result.

        ``deadline_s``: the moment, on the event loop's clock, at which a person would notice; the most urgent goes
        first. ``best_effort``: past the deadline it need not be done at all. ``lease``: of the session that asks;
        the work is shared fairly between leases. Cancelling the call takes the request out of the queue.
        Raises Overloaded, EngineError, EngineLost.
        """

    def stream(
        self, stage: Stage[Req, Res], request: Req, *, deadline_s: float, lease: str = ""
    ) -> AbstractAsyncContextManager[AsyncIterator[Res]]:
        """One request, results as they come. Leaving the context, by any way, ends the work."""

    def stats(self) -> dict[str, StageStats]:
        """By stage name."""

"""The seam between sessions and engines: ``call``, ``stream``, ``stats``.

All that crosses it is plain data with a deadline. Behind it an engine may run in this process, in a child or on
another machine; nothing above it can tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from types import TracebackType
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
from duologue.errors import EngineLost

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
    how many requests. ``alone_ms``: one typical request by itself, measured at the start; None where it was not.
    ``spare``, ``spare_s``: what of ``requests`` and ``busy_s`` was best effort. ``overdue_ms``: how far the most
    overdue request that waits, and is not best effort, is beyond its deadline.

    Of a stream engine a request is a step of one: ``busy_s`` is from entering to leaving, ``cancelled`` were left
    before their first result, the steps' percentiles are of the time to the first result, and there is no queue.
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
    alone_ms: float | None = None
    spare: int = 0
    spare_s: float = 0.0
    overdue_ms: float = 0.0


class Observer(Protocol):
    """Is told what the engines do, as they do it, for metrics. Must not wait."""

    def stepped(self, engine: str, seconds: float, batch: int) -> None:
        """One step of so many requests took so long. A stream engine's request is a step of one."""

    def queued(self, engine: str, seconds: float) -> None:
        """A request waited so long before its step began. Of a realtime step only the longest wait is told."""

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


# A session's requests beyond so many wait with the session: a queue is no place for a thousand of one client.
MOST_AT_ONCE = 8


class Leased:
    """The engines as one session has them: each request carries its lease.

    After ``release`` whatever is under way is cancelled, in any stage, and no result reaches the session, not even
    one that was already on its way: those who wait for it, and those who ask later, get EngineLost.
    """

    def __init__(self, engines: EngineClient, lease: str) -> None:
        self.lease = lease
        self._engines = engines
        self._under_way: set[_UnderWay] = set()
        self._places = asyncio.Semaphore(MOST_AT_ONCE)
        self._is_released = False

    async def call(
        self,
        stage: Stage[Req, Res],
        request: Req,
        *,
        deadline_s: float,
        lease: str = "",
        best_effort: bool = False,
    ) -> Res:
        with self._request():
            if stage.name == VAD.name:
                # One at a time by itself, and too frequent for a look at the others.
                return await self._engines.call(stage, request, deadline_s=deadline_s, lease=self.lease)
            async with self._places:
                return await self._engines.call(
                    stage, request, deadline_s=deadline_s, lease=self.lease, best_effort=best_effort
                )

    @asynccontextmanager
    async def stream(
        self, stage: Stage[Req, Res], request: Req, *, deadline_s: float, lease: str = ""
    ) -> AsyncIterator[AsyncIterator[Res]]:
        with self._request() as under_way:
            async with (
                self._engines.stream(stage, request, deadline_s=deadline_s, lease=self.lease) as results,
                aclosing(_while_wanted(results, under_way)) as wanted,
            ):
                yield wanted

    def stats(self) -> dict[str, StageStats]:
        return self._engines.stats()

    def release(self) -> None:
        """The session has ended, or its lease was taken back. To be called once, or again."""
        self._is_released = True
        for each in list(self._under_way):
            each.drop()

    def _request(self) -> _UnderWay:
        if self._is_released:
            raise EngineLost("The session has given its place back.")
        return _UnderWay(self._under_way)


class _UnderWay:
    """One request, as long as it is asked for. ``drop`` ends it from outside, in the way of ``asyncio.timeout``:
    a cancel scope of anyio's would cost 6 us, for each window of sound of each session."""

    __slots__ = ("_all", "_cancelling", "_is_cancelled", "_task", "is_dropped")

    def __init__(self, under_way: set[_UnderWay]) -> None:
        self._all = under_way
        self.is_dropped = self._is_cancelled = False

    def __enter__(self) -> _UnderWay:
        task = asyncio.current_task()
        assert task is not None, "engines are asked from a task"
        self._task, self._cancelling = task, task.cancelling()
        self._all.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._all.discard(self)
        if not self.is_dropped:
            return
        is_ours = not self._is_cancelled or self._task.uncancel() <= self._cancelling
        if kind is None or (is_ours and kind is asyncio.CancelledError):
            raise EngineLost("The session has given its place back.") from raised

    def drop(self) -> None:
        if not self.is_dropped:
            self.is_dropped = True
            # Who drops its own request finds out where it goes on; a cancellation would hit it somewhere else.
            self._is_cancelled = self._task is not asyncio.current_task()
            if self._is_cancelled:
                self._task.cancel()


async def _while_wanted(results: AsyncIterator[Res], under_way: _UnderWay) -> AsyncGenerator[Res, None]:
    async for result in results:
        if under_way.is_dropped:
            return
        yield result

"""Engines in this process, behind the seam."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, cast

import anyio

from duologue.engines.base import (
    BatchEngine,
    ChatModel,
    StreamEngine,
    Synthesizer,
    Transcriber,
    TurnDetector,
    Vad,
    WarmsUp,
)
from duologue.engines.client import Req, Res, Stage, StageStats
from duologue.engines.runner import Runner
from duologue.errors import EngineError


class LocalEngines:
    """One engine a stage, loaded once, shared by every session of the process.

    Batch engines run on ``runner``; stream engines bring their own process or server.
    """

    def __init__(
        self,
        runner: Runner,
        *,
        vad: Vad,
        turn: TurnDetector,
        asr: Transcriber,
        chat: ChatModel,
        tts: Synthesizer,
    ) -> None:
        self._runner = runner
        self._tts = tts
        self._batch: dict[str, BatchEngine[Any, Any]] = {"vad": vad, "turn": turn, "asr": asr}
        self._streams: dict[str, StreamEngine[Any, Any]] = {"chat": chat, "tts": tts}

    @property
    def voices(self) -> tuple[str, ...]:
        """The synthesizer's voices, its default first."""
        return self._tts.voices

    async def start(self) -> None:
        """Load and warm everything, side by side. Raises EngineUnavailable with what is missing."""
        async with anyio.create_task_group() as tg:
            for engine in self._streams.values():
                tg.start_soon(engine.start)
            tg.start_soon(self._runner.load, list(self._batch.values()))

    async def warm_up(self) -> None:
        """What may take minutes and need not keep anyone waiting: a chat server that loads its model on demand."""
        for engine in self._streams.values():
            if isinstance(engine, WarmsUp):
                with suppress(EngineError):
                    await engine.warm_up()

    async def aclose(self) -> None:
        """Stop all work and give everything back."""
        await self._runner.close()
        for engine in self._batch.values():
            engine.close()
        for stream in self._streams.values():
            await stream.aclose()

    async def call(
        self,
        stage: Stage[Req, Res],
        request: Req,
        *,
        deadline_s: float,
        request_id: str = "",
        best_effort: bool = False,
    ) -> Res:
        result = await self._runner.submit(
            self._batch[stage.name], request, deadline_s=deadline_s, best_effort=best_effort
        )
        return cast("Res", result)

    def stream(
        self, stage: Stage[Req, Res], request: Req, *, deadline_s: float, request_id: str = ""
    ) -> AbstractAsyncContextManager[AsyncIterator[Res]]:
        return self._streams[stage.name].stream(request)

    def stats(self) -> dict[str, StageStats]:
        batch = {stage: self._runner.stats(engine) for stage, engine in self._batch.items()}
        return batch | {stage: StageStats(engine=engine.name) for stage, engine in self._streams.items()}

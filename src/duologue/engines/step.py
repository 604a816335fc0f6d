"""One step of one engine: what it was given, what it gave, or why it did not."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import structlog

from duologue import telemetry
from duologue.engines.base import BatchEngine, Plain
from duologue.errors import DuologueError, EngineError, Overloaded

log = structlog.get_logger(__name__)

AnyBatchEngine = BatchEngine[Any, Any]


class Step:
    """Run by a worker thread, or where it is made; read when it is over.

    ``seconds``: how long the thread was in it. ``is_long``: it is expected to hold its thread for long. A model may
    raise anything: what it raised is kept as data, to be told to those who asked.
    """

    def __init__(self, engine: AnyBatchEngine, requests: Sequence[Plain], is_long: bool = False) -> None:
        self.engine = engine
        self.requests = requests
        self.is_long = is_long
        self.seconds = 0.0
        self._results: Sequence[Any] | None = None
        self._raised: BaseException | None = None

    def run(self) -> None:
        """Step the engine. Raises nothing that is an Exception."""
        began_s = time.perf_counter()
        with self:
            self._results = self.engine.step(self.requests)
        self.seconds = time.perf_counter() - began_s

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._raised = raised
        return isinstance(raised, Exception)

    @property
    def lacked_memory(self) -> bool:
        """Whether it failed for want of memory; torch's error is known by name, since torch may not be installed."""
        raised = self._raised
        return isinstance(raised, MemoryError) or type(raised).__name__ == "OutOfMemoryError"

    def failure(self) -> DuologueError | None:
        """Why there is no result for each request; None if there is."""
        name, raised = self.engine.name, self._raised
        if isinstance(raised, DuologueError):
            return raised
        if self.lacked_memory:
            return Overloaded(f"The engine {name} has no memory for this request now: try again later.")
        if raised is not None or self._results is None:
            log.error(telemetry.ENGINE_STEP_FAILED, engine=name, batch=len(self.requests), exc_info=raised)
            return EngineError(f"The engine {name} failed on this request.")
        if len(self._results) != len(self.requests):
            return EngineError(
                f"The engine {name} gave {len(self._results)} results for {len(self.requests)} requests."
            )
        return None

    def results(self) -> Sequence[Any]:
        """One a request. To be asked for where there is no ``failure``."""
        return self._results or ()

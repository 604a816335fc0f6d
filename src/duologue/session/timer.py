"""Something that is due in a while, unless it is overtaken."""

from __future__ import annotations

from collections.abc import Callable

import anyio
from anyio.abc import TaskGroup


class Timer:
    """Calls ``due`` a while after ``start``, unless stopped or started anew by then. On the event loop's clock."""

    def __init__(self, due: Callable[[], None]) -> None:
        self._due = due
        self._scope: anyio.CancelScope | None = None
        self.tasks: TaskGroup

    @property
    def is_running(self) -> bool:
        return self._scope is not None

    def start(self, seconds: float) -> None:
        self.stop()
        scope = self._scope = anyio.CancelScope()
        self.tasks.start_soon(self._run, scope, seconds)

    def stop(self) -> None:
        if self._scope is not None:
            self._scope.cancel()
            self._scope = None

    async def _run(self, scope: anyio.CancelScope, seconds: float) -> None:
        with scope:
            await anyio.sleep(seconds)
            if self._scope is scope:
                self._scope = None
                self._due()

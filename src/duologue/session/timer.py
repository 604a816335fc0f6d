"""Something that is due in a while, unless it is overtaken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Timer:
    """Calls ``due`` a while after ``start``, unless stopped or started anew by then. On the event loop's clock.

    One that is started anew again and again is only put off: it wakes the loop when it was first due and looks again,
    instead of costing the loop an entry for each frame of sound. Stopped, it wakes nobody.
    """

    def __init__(self, due: Callable[[], None]) -> None:
        self._due = due
        self._due_s: float | None = None
        self._handle: asyncio.TimerHandle | None = None
        # Kept here, since not every loop's handles know it.
        self._wakes_s = 0.0
        # Kept, since asking for it asks the system for the process's id, each time.
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_running(self) -> bool:
        return self._due_s is not None

    def start(self, seconds: float) -> None:
        loop = self._loop = self._loop or asyncio.get_running_loop()
        self._due_s = due_s = loop.time() + seconds
        if self._handle is None or self._wakes_s > due_s:
            self._wake_at(due_s, loop)

    def stop(self) -> None:
        self._due_s = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _wake_at(self, due_s: float, loop: asyncio.AbstractEventLoop) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._wakes_s = due_s
        self._handle = loop.call_at(due_s, self._wake)

    def _wake(self) -> None:
        assert self._due_s is not None, "stopped, it wakes nobody"
        self._handle = None
        if self._due_s > self._wakes_s:
            self._wake_at(self._due_s, asyncio.get_running_loop())
            return
        self._due_s = None
        self._due()

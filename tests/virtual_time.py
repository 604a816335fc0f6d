"""An event loop whose clock jumps to the next timer instead of waiting for it: a minute of talk in milliseconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any

# What one pass through the loop takes. A real clock always moves; on one that stands still, a sleep that is too short
# to be added to the time would be asked for again for ever.
PASS_S = 1e-9


class _NoWaitSelector(selectors.DefaultSelector):
    """Never blocks; remembers how long it was asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_s: float | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.asked_s = timeout
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """``time()`` starts at 0 and moves, but for a nanosecond a pass, only when every task waits for a timer.

    Raises RuntimeError when nothing is left that could ever happen: a deadlock, found at once.
    """

    def __init__(self) -> None:
        self._selector_of_mine = _NoWaitSelector()
        super().__init__(self._selector_of_mine)
        self._now_s = 0.0

    def time(self) -> float:
        return self._now_s

    def _run_once(self) -> None:
        self._selector_of_mine.asked_s = 0
        super()._run_once()  # type: ignore[misc]
        asked_s = self._selector_of_mine.asked_s
        if asked_s is None:
            raise RuntimeError("deadlock: every task waits for something that cannot happen")
        self._now_s += max(asked_s, PASS_S)


VIRTUAL: tuple[str, Mapping[str, Any]] = ("asyncio", {"loop_factory": VirtualTimeLoop})

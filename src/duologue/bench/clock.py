"""The caller's clock. Tests and ``talk --fast`` let it run faster than the wall's."""

from __future__ import annotations

import time
from typing import Protocol

import anyio


class Clock(Protocol):
    """Seconds that only go forward."""

    def now(self) -> float:
        """The moment, in seconds."""

    async def sleep_until(self, moment: float) -> None:
        """Return at ``moment``; at once, but not without giving others a turn, when it is past."""


class WallClock:
    """The monotonic clock, ``speed`` times as fast."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._zero_s = time.perf_counter()

    def now(self) -> float:
        return (time.perf_counter() - self._zero_s) * self._speed

    async def sleep_until(self, moment: float) -> None:
        await anyio.sleep(max(0.0, (moment - self.now()) / self._speed))

"""Waiting for what comes piece by piece, and not for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

import anyio

from duologue.errors import EngineLost

T = TypeVar("T")


async def watched(items: AsyncIterator[T], patience_s: float, who: str) -> AsyncIterator[T]:
    """``items``, but EngineLost when the next one does not come within ``patience_s``."""
    while True:
        with anyio.CancelScope(deadline=anyio.current_time() + patience_s) as scope:
            try:
                item = await anext(items)
            except StopAsyncIteration:
                return
        if scope.cancelled_caught:
            raise EngineLost(f"{who} said nothing for {patience_s:.0f} s.")
        yield item

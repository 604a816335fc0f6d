"""What is to happen to a session, one thing after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any


class Mailbox:
    """Anybody on the event loop's thread may ``post``; one task takes out what is ``next``.

    An event through a stream of anyio's costs 18 us more, most of it for its checkpoints.
    """

    def __init__(self) -> None:
        self._events: deque[Any] = deque()
        self._wanted: asyncio.Future[None] | None = None
        self._is_closed = False
        # Kept, since asking for it asks the system for the process's id, each time.
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._events)

    def post(self, event: object) -> None:
        """After all that was posted before; to nobody once it is closed."""
        if self._is_closed:
            return
        self._events.append(event)
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)

    async def next(self) -> Any:
        """The oldest event. Others on the loop have their turn before each."""
        if self._events:
            await asyncio.sleep(0)
        while not self._events:
            self._loop = self._loop or asyncio.get_running_loop()
            self._wanted = self._loop.create_future()
            await self._wanted
        return self._events.popleft()

    def close(self) -> None:
        """Nobody will take out what is in it."""
        self._is_closed = True
        self._events.clear()

"""Web servers in the test's own event loop."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


class Web(uvicorn.Server):
    """Leaves the process's signals alone: several may live at once, and end in any order.

    One that is cancelled, by a test that fails, closes what it has open: uvloop stumbles over the warning of what was
    not closed, and its loop would then never end.
    """

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().serve(sockets)
        finally:
            for connection in list(self.server_state.connections):
                connection.transport.abort()
            for listener in getattr(self, "servers", ()):
                listener.close()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

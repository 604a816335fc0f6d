"""One conversation with an MCP server, in a task of its own: the package's contexts are entered and left in it.

Streamable HTTP first; the older transport of server-sent events where the server does not know that.
"""

from __future__ import annotations

import logging
import math
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing
from importlib import metadata
from typing import TYPE_CHECKING, Any

import anyio
import httpx2

from duologue.engines.addresses import Address
from duologue.engines.mcp_http import Guard, Seen, client, seen_now
from duologue.items import McpServer

if TYPE_CHECKING:
    from mcp import ClientSession

CONNECT_S = 10.0
# For taking leave of a server that keeps sessions.
_LEAVE_S = 1.0
# How a server answers a POST that has only the older transport; the specification of 2025-03-26 names 400, 404, 405.
_NOT_STREAMABLE = {400, 404, 405, 406, 415, 501}
# The largest message in a stream of events; as mcp_http's largest answer.
_MAX_EVENT_BYTES = 4 * 1_048_576


def import_package() -> type[Exception]:
    """Bring in ``mcp``: 0.8 s of work, so not on the event loop. Gives the class of the errors that servers report.

    Its log lines carry arguments, results and addresses: what is to be known, we say ourselves.
    """
    from mcp import MCPError

    logging.getLogger("mcp").setLevel(logging.CRITICAL + 1)
    return MCPError


def odd_errors() -> tuple[type[Exception], ...]:
    """All that ``mcp`` has been seen to raise for what a server does: never a reason to end a conversation."""
    return (
        import_package(),
        httpx2.HTTPError,
        httpx2.InvalidURL,
        anyio.BrokenResourceError,
        anyio.ClosedResourceError,
        anyio.EndOfStream,
        AttributeError,
        LookupError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
    )


def _version() -> str:
    try:
        return metadata.version("duologue")
    except metadata.PackageNotFoundError:  # run from its source
        return "0"


class Link:
    """To be run once. ``ready``: ``session`` is there, or never will be; ``seen`` then tells why. ``waiting``: requests
    under way, counted by whoever makes them."""

    def __init__(
        self, server: McpServer, context: ssl.SSLContext, is_allowed: Callable[[Address], bool] | None
    ) -> None:
        self._server = server
        self._context = context
        self._is_allowed = is_allowed
        self._guard: Guard | None = None
        # Whoever runs it may be cancelled; taking leave of the server is not.
        self._scope = anyio.CancelScope(shield=True, deadline=anyio.current_time() + CONNECT_S)
        self._closing = anyio.Event()
        self.ready = anyio.Event()
        self.seen = Seen()
        self.session: ClientSession | None = None
        self.is_sse = False
        self.waiting = 0

    @property
    def is_alive(self) -> bool:
        has_ended = self._guard is not None and self._guard.has_ended
        return self.session is not None and not (self.is_sse and has_ended)

    async def run(self) -> None:
        """Connect, and stay connected until ``close``; ends without an exception."""
        seen_now.set(self.seen)
        try:
            with self._scope:
                await self._hold(self._streamable)
                if self.seen.status in _NOT_STREAMABLE and not self.ready.is_set():
                    self.is_sse = True
                    await self._hold(self._sse)
        finally:
            self.session = None
            self.ready.set()

    def close(self) -> None:
        """From outside and without waiting; ``run`` ends within a second."""
        self._closing.set()
        if self.session is None:
            self._scope.cancel()
        else:
            self._scope.deadline = min(self._scope.deadline, anyio.current_time() + _LEAVE_S)

    async def _hold(self, dial: Callable[[httpx2.AsyncClient], AbstractAsyncContextManager[Any]]) -> None:
        self._guard = Guard(self._context, self._is_allowed)
        try:
            http = client(self._guard, dict(self._server.headers))
            async with aclosing(http), dial(http) as talk:
                self.session = talk.session
                self._scope.deadline = math.inf
                self.ready.set()
                await self._closing.wait()
        except* odd_errors():
            self.session = None

    def _streamable(self, http: httpx2.AsyncClient) -> AbstractAsyncContextManager[Any]:
        from mcp.client.streamable_http import streamable_http_client

        transport = streamable_http_client(self._server.url, http_client=http, max_sse_event_size=_MAX_EVENT_BYTES)
        return self._talk(transport, "auto")

    def _sse(self, http: httpx2.AsyncClient) -> AbstractAsyncContextManager[Any]:
        from mcp.client.sse import sse_client

        def ours(
            headers: dict[str, str] | None = None,
            timeout: httpx2.Timeout | None = None,
            auth: httpx2.Auth | None = None,
        ) -> httpx2.AsyncClient:
            return http

        return self._talk(sse_client(self._server.url, httpx_client_factory=ours), "legacy")

    def _talk(self, transport: Any, mode: str) -> AbstractAsyncContextManager[Any]:
        from mcp import Client, Implementation

        me = Implementation(name="duologue", version=_version())
        return Client(transport, mode=mode, client_info=me, cache=None)

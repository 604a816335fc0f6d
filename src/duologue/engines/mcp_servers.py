"""Tools of MCP servers, through the official ``mcp`` package.

``McpServers.open`` gives a session its connection to one server. The ``Link`` behind it is replaced, once a request,
where the server has dropped it in the meantime; a request that may have arrived is never sent twice.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import structlog
from anyio.abc import TaskGroup

from duologue.engines.addresses import Address, is_public
from duologue.engines.mcp_http import Permits, Seen, refuse, seen_now
from duologue.engines.mcp_link import CONNECT_S, Link, import_package, odd_errors
from duologue.engines.mcp_results import result_text, size_of, tool_of
from duologue.engines.tool_text import CONNECTION_CLOSED, INTERNAL_ERROR, TIMED_OUT, arguments_of, cut
from duologue.engines.tools import ToolConnection
from duologue.errors import DuologueError, EngineError, EngineLost
from duologue.items import McpFailure, McpServer, McpTool

if TYPE_CHECKING:
    from mcp import ClientSession

LIST_S = 10.0
# What a server may offer: more than a chat model can choose from, and far less than what fills a memory.
_MAX_PAGES = 100
_MAX_TOOLS = 1_000
_MAX_LISTING_CHARS = 1_048_576
# What a server's own words of failure may take.
_MAX_MESSAGE_BYTES = 2_000

log = structlog.get_logger(__name__)
T = TypeVar("T")
Ask = Callable[["ClientSession"], Awaitable[T]]


class McpServers:
    """``permits``: which servers a session may name: "any", "public" (https, and no address inside the house), "none".

    ``is_allowed``, ``context``: what counts as public there, and whose certificates are trusted.
    """

    def __init__(
        self,
        permits: Permits,
        *,
        tool_timeout_s: float = 60.0,
        is_allowed: Callable[[Address], bool] = is_public,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._permits = permits
        self._tool_timeout_s = tool_timeout_s
        self._is_allowed = is_allowed if permits == "public" else None
        self._context = context

    @asynccontextmanager
    async def open(self, server: McpServer) -> AsyncIterator[ToolConnection]:
        """Connect, within 10 s. Raises ClientError for an address that is not allowed here (with ``param``), EngineLost
        when the server is away, EngineError when it refuses."""
        refuse(server.url, self._permits)
        await anyio.to_thread.run_sync(self._get_ready)
        try:
            async with anyio.create_task_group() as tasks:
                connection = _Connection(server, lambda: self._link(server), tasks, self._tool_timeout_s)
                try:
                    await connection.link()
                    yield connection
                finally:
                    connection.close()
        except BaseExceptionGroup as group:
            # The links raise nothing: it is what was raised in the caller's block.
            if len(group.exceptions) == 1:
                raise group.exceptions[0] from None
            raise

    def _get_ready(self) -> None:
        import_package()
        self._context = self._context or ssl.create_default_context()

    def _link(self, server: McpServer) -> Link:
        assert self._context is not None, "made ready first"
        return Link(server, self._context, self._is_allowed)


class _Failed(Exception):
    """A request came to nothing; ``failure`` tells why."""

    def __init__(self, failure: McpFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class _Connection:
    """Of one session to one server."""

    def __init__(
        self, server: McpServer, make_link: Callable[[], Link], tasks: TaskGroup, tool_timeout_s: float
    ) -> None:
        host = urlsplit(server.url).hostname
        self._who = f"the MCP server '{server.label}' at {host}"
        self._make_link = make_link
        self._tasks = tasks
        self._tool_timeout_s = tool_timeout_s
        self._connecting = anyio.Lock()
        self._link: Link | None = None
        # No longer used, but for the requests that are still under way on them.
        self._retired: set[Link] = set()

    async def offers(self) -> tuple[McpTool, ...]:
        """All tools, of however many pages. Raises EngineLost, EngineError, ClientError."""
        try:
            return await self._ask(self._list, LIST_S)
        except _Failed as failed:
            is_away = failed.failure.kind == "http_error" or failed.failure.code == TIMED_OUT
            raise (EngineLost if is_away else EngineError)(failed.failure.message) from None

    async def run(self, name: str, arguments: str) -> str | McpFailure:
        """Call a tool; see ``ToolConnection``."""
        given = arguments_of(arguments)
        if isinstance(given, McpFailure):
            return given

        async def call(session: ClientSession) -> str | McpFailure:
            import mcp.types as wire

            # Not by call_tool: it checks the result by the server's own schema, whose patterns may take for ever.
            asked = wire.CallToolRequest(params=wire.CallToolRequestParams(name=name, arguments=given))
            return result_text(await session.send_request(asked, wire.CallToolResult))

        try:
            return await self._ask(call, self._tool_timeout_s)
        except _Failed as failed:
            return failed.failure
        except DuologueError as error:
            return McpFailure(kind="http_error", code=503, message=error.message)

    async def link(self) -> Link:
        """The link, made anew where it is lost. Raises ClientError, EngineLost, EngineError."""
        async with self._connecting:
            if self._link is not None and not self._link.is_alive:
                self._retire(self._link)
            if self._link is None:
                self._link = await self._connect()
            return self._link

    def close(self) -> None:
        """Give all up, from outside and without waiting."""
        for link in [*self._retired, *([] if self._link is None else [self._link])]:
            link.close()

    def _retire(self, link: Link) -> None:
        """The next request gets another link; this one closes once nobody waits for an answer on it."""
        if link is self._link:
            self._link = None
        self._retired.add(link)
        if not link.waiting:
            self._retired.discard(link)
            link.close()

    async def _connect(self) -> Link:
        link = self._make_link()
        self._tasks.start_soon(link.run)
        try:
            await link.ready.wait()
        finally:
            if not link.ready.is_set():
                link.close()
        if link.session is None:
            error = self._why_not(link.seen)
            log.warning("mcp_unreachable", reason=error.code, status=link.seen.status)
            raise error
        return link

    async def _ask(self, send: Ask[T], timeout_s: float) -> T:
        """Raises _Failed, and what ``link`` raises."""
        for is_last_try in (False, True):
            link, seen = await self.link(), Seen()
            try:
                return await self._ask_once(link, send, timeout_s, seen)
            except _Failed as failed:
                is_gone = seen.is_unsent or seen.is_session_lost
                if is_gone or failed.failure.code in (TIMED_OUT, CONNECTION_CLOSED):
                    self._retire(link)
                if is_last_try or not is_gone:
                    raise
        raise AssertionError("the last try returns or raises")

    async def _ask_once(self, link: Link, send: Ask[T], timeout_s: float, seen: Seen) -> T:
        assert link.session is not None, "a link that is alive has a session"
        token = seen_now.set(seen)
        link.waiting += 1
        try:
            with anyio.CancelScope(deadline=anyio.current_time() + timeout_s) as scope:
                # On the older transport a request that is refused is never answered.
                seen.scope = scope if link.is_sse else None
                return await send(link.session)
        except odd_errors() as error:
            raise _Failed(self._failure(seen, error)) from None
        finally:
            seen_now.reset(token)
            link.waiting -= 1
            if link in self._retired:
                self._retire(link)
        raise _Failed(self._failure(seen, None, timeout_s))

    def _failure(self, seen: Seen, error: Exception | None, timeout_s: float = 0.0) -> McpFailure:
        """Why there is no answer; ``error`` None: it did not come in time."""
        if seen.has_failed:
            return McpFailure(kind="http_error", code=seen.status or 503, message=self._why_not(seen).message)
        if error is None:
            return McpFailure(
                kind="protocol_error", code=TIMED_OUT, message=f"{self._who} did not answer within {timeout_s:g} s"
            )
        code = getattr(error, "code", None)
        if isinstance(code, int) and isinstance(error, import_package()):
            return McpFailure(kind="protocol_error", code=code, message=cut(str(error), _MAX_MESSAGE_BYTES))
        return McpFailure(
            kind="protocol_error", code=INTERNAL_ERROR, message=f"{self._who} sent something that is no answer"
        )

    def _why_not(self, seen: Seen) -> DuologueError:
        if seen.refusal is not None:
            return seen.refusal
        if seen.is_unsent:
            return EngineLost(f"{self._who} does not answer")
        if seen.status is None:
            return EngineLost(f"{self._who} did not answer as an MCP server does, within {CONNECT_S:g} s")
        if seen.status in (401, 403):
            return EngineError(f"{self._who} refuses us ({seen.status}): look at its authorization and headers")
        if seen.status < 400:
            return EngineError(
                f"{self._who} sends us elsewhere ({seen.status}), which is not followed: name the place itself, "
                "with or without the slash at its end"
            )
        kind = EngineLost if seen.status >= 500 or seen.status == 429 else EngineError
        return kind(f"{self._who} answers with status {seen.status}")

    async def _list(self, session: ClientSession) -> tuple[McpTool, ...]:
        import mcp.types as wire

        tools: list[McpTool] = []
        cursor: str | None = None
        for _ in range(_MAX_PAGES):
            page = await session.list_tools(params=wire.PaginatedRequestParams(cursor=cursor))
            tools += [tool_of(each) for each in page.tools]
            if len(tools) > _MAX_TOOLS or sum(map(size_of, tools)) > _MAX_LISTING_CHARS:
                break
            cursor = page.next_cursor
            if cursor is None:
                return tuple(tools)
        raise EngineError(f"{self._who} offers more tools than can be listed: at most {_MAX_TOOLS}, of 1 MiB")

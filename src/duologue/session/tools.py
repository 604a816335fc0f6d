"""One session's tools: functions that the client runs, and tools of MCP servers that this server runs.

A server is asked for its tools as soon as it is named, and the connection is kept until it is named no more. Which of
its tools the model is offered, and may call, is the session's own choice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import structlog
from anyio.abc import TaskGroup
from msgspec import structs

from duologue.engines.base import Tool
from duologue.engines.tool_text import INVALID_PARAMS, arguments_of
from duologue.engines.tools import ToolConnection, ToolServers
from duologue.errors import ClientError, DuologueError, EngineError
from duologue.events import Event, Failed, ItemAdded, ItemDone, McpListingProgress
from duologue.items import FunctionTool, McpFailure, McpServer, McpTool, McpTools, ToolSpec, new_id
from duologue.session.conversation import Conversation

# How long after it was asked for its tools a server holds prompts up.
LISTING_PATIENCE_S = 5.0
# What chat servers take for the name of a function.
LONGEST_NAME = 64
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_MODES = ("auto", "none", "required")

log = structlog.get_logger(__name__)
_Key = tuple[str, str, frozenset[tuple[str, str]]]


class _Listing:
    """One server, from the question on. ``known``: it has answered, or never will; ``connection`` None: it is away."""

    def __init__(self, server: McpServer) -> None:
        self.server = server
        self.asked_at_s = anyio.current_time()
        self.item = McpTools(id=new_id("mcpl"), status="in_progress", label=server.label)
        self.tools: tuple[McpTool, ...] = ()
        self.connection: ToolConnection | None = None
        self.known = anyio.Event()
        self.scope = anyio.CancelScope()

    @property
    def has_failed(self) -> bool:
        return self.known.is_set() and self.connection is None


class NoServers:
    """For a session without MCP."""

    def open(self, server: McpServer) -> Any:
        raise ClientError("MCP servers are not available here.", param="session.tools")


class Tools:
    """Works in the session's ``tasks``. Methods without ``async`` neither wait nor are told anything later."""

    def __init__(self, servers: ToolServers, conversation: Conversation, say: Callable[[Event], None]) -> None:
        self._servers = servers
        self._conversation = conversation
        self._say = say
        self._specs: tuple[ToolSpec, ...] = ()
        self._listings: dict[_Key, _Listing] = {}
        # What the model knows a tool by, and whose name that is; kept, so that no name ever comes to mean another tool.
        self._names: dict[tuple[str, str], str] = {}
        self._owners: dict[str, tuple[str, str]] = {}
        self.tasks: TaskGroup

    # --- which there are ----------------------------------------------------------------------------------------

    def configure(self, specs: tuple[ToolSpec, ...]) -> None:
        """The session's tools, replaced whole. Servers that are named no more are left; one that failed is tried
        again."""
        self._specs = specs
        named = {_key(spec) for spec in specs if isinstance(spec, McpServer)}
        for key in [key for key in self._listings if key not in named]:
            listing = self._listings.pop(key)
            self._settle(listing, "failed")
            listing.scope.cancel()
        self.add(specs)

    def add(self, specs: tuple[ToolSpec, ...]) -> None:
        """A reply's own tools: servers that the session does not know yet are asked, and kept until ``configure``."""
        for spec in specs:
            if isinstance(spec, McpServer):
                listing = self._listings.get(_key(spec))
                if listing is None or listing.has_failed:
                    self._list(spec)

    async def known(self) -> None:
        """Wait until all servers have told their tools or failed; not for one that was asked long ago."""
        for listing in list(self._listings.values()):
            with anyio.CancelScope(deadline=listing.asked_at_s + LISTING_PATIENCE_S):
                await listing.known.wait()

    def close(self) -> None:
        """Leave all servers, from outside and without waiting."""
        for listing in self._listings.values():
            listing.scope.cancel()
        self._listings.clear()

    def _list(self, server: McpServer) -> None:
        listing = self._listings[_key(server)] = _Listing(server)
        self._conversation.history.add(listing.item)
        previous_id = self._conversation.history.previous_id(listing.item.id)
        self._say(ItemAdded(item=listing.item, previous_item_id=previous_id))
        self._say(McpListingProgress(item_id=listing.item.id, phase="in_progress"))
        self.tasks.start_soon(self._hold, listing)

    async def _hold(self, listing: _Listing) -> None:
        """Ask the server for its tools and stay connected; ends without an exception."""
        try:
            with listing.scope:
                async with self._servers.open(listing.server) as connection:
                    listing.tools = await connection.offers()
                    listing.connection = connection
                    self._settle(listing, "completed")
                    await anyio.sleep_forever()
        except (ClientError, EngineError) as error:
            log.warning("mcp_listing_failed", reason=error.code)
            self._settle(listing, "failed", error)
        finally:
            listing.connection = None
            listing.known.set()

    def _settle(self, listing: _Listing, phase: str, error: DuologueError | None = None) -> None:
        """Say how it ended. The item is done in either case: clients wait for that."""
        if listing.known.is_set():
            return
        is_completed = phase == "completed"
        status = "completed" if is_completed else "incomplete"
        listing.item = structs.replace(listing.item, status=status, tools=listing.tools)
        listing.known.set()
        if error is not None:
            param = error.param if isinstance(error, ClientError) else None
            self._say(Failed(kind=error.kind, code=error.code, message=error.message, param=param))
        self._say(McpListingProgress(item_id=listing.item.id, phase="completed" if is_completed else "failed"))
        entry = self._conversation.history.find(listing.item.id)
        if entry is None:
            return
        entry.item = listing.item
        previous_id = self._conversation.history.previous_id(listing.item.id)
        self._say(ItemDone(item=listing.item, previous_item_id=previous_id))

    # --- what the model is offered ------------------------------------------------------------------------------

    def offered(self, specs: tuple[ToolSpec, ...] | None = None) -> tuple[Tool, ...]:
        """For a prompt: the tools of the session, or of ``specs``, that are known and allowed."""
        functions, servers = self._split(specs)
        found = [Tool(each.name, each.description, each.parameters) for each in functions.values()]
        for server in servers:
            for tool in self._allowed(server):
                found.append(Tool(self._name(server, tool, functions), tool.description, tool.parameters))
        return tuple(found)

    def kind_of(
        self, name: str, specs: tuple[ToolSpec, ...] | None = None
    ) -> FunctionTool | tuple[McpServer, McpTool] | None:
        """What the model means by ``name``, as ``offered``; None for what it may not call, or made up."""
        functions, servers = self._split(specs)
        if name in functions:
            return functions[name]
        label, tool_name = self._owners.get(name, ("", ""))
        return next(
            (
                (server, tool)
                for server in servers
                if server.label == label
                for tool in self._allowed(server)
                if tool.name == tool_name
            ),
            None,
        )

    def owner_of(self, name: str, specs: tuple[ToolSpec, ...] | None = None) -> tuple[str, str] | None:
        """The server's label and its own name for what the model means by ``name``, offered still or not; None for
        what is no tool of a server's."""
        functions, _ = self._split(specs)
        return None if name in functions else self._owners.get(name)

    def server_of(self, label: str, tool_name: str, specs: tuple[ToolSpec, ...] | None = None) -> McpServer | None:
        """The server that offers a tool, None where none does."""
        kind = self.kind_of(self.name_of(label, tool_name), specs)
        return kind[0] if isinstance(kind, tuple) else None

    def choice(self, wanted: str, specs: tuple[ToolSpec, ...] | None = None) -> str:
        """``tool_choice`` with the name by which the model knows the tool; "auto" for one that is not there."""
        functions, servers = self._split(specs)
        if wanted in _MODES or wanted in functions:
            return wanted
        for server in servers:
            for tool in self._allowed(server):
                if tool.name == wanted:
                    return self._name(server, tool, functions)
        return "auto"

    def name_of(self, label: str, tool_name: str) -> str:
        """By what the model knows, or would know, a tool of an MCP server: for calls of it in a prompt."""
        return self._names.get((label, tool_name)) or _as_name(tool_name)

    def _split(self, specs: tuple[ToolSpec, ...] | None) -> tuple[dict[str, FunctionTool], list[McpServer]]:
        given = self._specs if specs is None else specs
        functions = {spec.name: spec for spec in given if isinstance(spec, FunctionTool)}
        return functions, [spec for spec in given if isinstance(spec, McpServer)]

    def _allowed(self, server: McpServer) -> Iterator[McpTool]:
        listing = self._listings.get(_key(server))
        # A tool that a server names twice is one: chat servers refuse two of a name.
        tools = {tool.name: tool for tool in reversed(listing.tools)} if listing is not None else {}
        for tool in reversed(tools.values()):
            is_named = server.allowed is None or tool.name in server.allowed
            if is_named and (tool.is_read_only or not server.only_read_only):
                yield tool

    def _name(self, server: McpServer, tool: McpTool, functions: dict[str, FunctionTool]) -> str:
        """A name of its own. A function's is the client's choice and stays; a tool makes way."""
        owner = (server.label, tool.name)
        name = self._names.get(owner)
        if name is None or name in functions:
            names = _candidates(*owner)
            name = next(each for each in names if each not in functions and each not in self._owners)
            self._names[owner] = name
            self._owners[name] = owner
        return name

    # --- calls --------------------------------------------------------------------------------------------------

    def needs_approval(self, server: McpServer, tool: McpTool) -> bool:
        """Must the client be asked before this tool is called?"""
        if tool.name in server.never_asks or (server.asks_unless_read_only and tool.is_read_only):
            return False
        return server.asks_first is None or tool.name in server.asks_first

    async def run(self, server: McpServer, tool_name: str, arguments: str) -> str | McpFailure:
        """Call a tool by the server's own name for it. Cancelling the call cancels it there too."""
        given = arguments_of(arguments)
        if isinstance(given, McpFailure):
            return given
        listing = self._listings.get(_key(server))
        if listing is None or listing.connection is None:
            return McpFailure(kind="http_error", code=503, message=f"the MCP server '{server.label}' is not connected")
        if all(tool.name != tool_name for tool in self._allowed(server)):
            message = f"the MCP server '{server.label}' has no tool of that name that may be called"
            return McpFailure(kind="protocol_error", code=INVALID_PARAMS, message=message)
        return await listing.connection.run(tool_name, arguments)


def _key(server: McpServer) -> _Key:
    """What makes a connection another one: who is asked, and with what powers."""
    return server.label, server.url, frozenset(server.headers.items())


def _as_name(text: str) -> str:
    return _NOT_IN_NAMES.sub("_", text)[:LONGEST_NAME] or "tool"


def _candidates(label: str, tool_name: str) -> Iterator[str]:
    yield _as_name(tool_name)
    name = _as_name(f"{label}__{tool_name}")
    yield name
    number = 2
    while True:
        yield f"{name[: LONGEST_NAME - 6]}_{number}"
        number += 1

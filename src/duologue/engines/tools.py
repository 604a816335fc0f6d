"""Tools on other servers: what a session may ask of them. ``mcp_servers`` does it over MCP."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from duologue.items import McpFailure, McpServer, McpTool


class ToolConnection(Protocol):
    """One session's connection to one server."""

    async def offers(self) -> tuple[McpTool, ...]:
        """All that the server offers, whatever the session allows of it.

        Raises EngineLost when the server is away, EngineError when it refuses; the message is fit for the client.
        """

    async def run(self, name: str, arguments: str) -> str | McpFailure:
        """Call a tool. ``arguments``: a JSON object as text. Its answer as text, or why there is none: never raises
        for what the server does. Cancelling the call cancels it there too."""


class ToolServers(Protocol):
    """Where sessions get their connections."""

    def open(self, server: McpServer) -> AbstractAsyncContextManager[ToolConnection]:
        """Connect. Raises ClientError for an address that is not allowed here (with ``param``), EngineLost when the
        server is away, EngineError when it refuses."""

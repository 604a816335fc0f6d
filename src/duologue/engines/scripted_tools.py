"""Servers with tools, without servers: what they offer and answer is written down."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import anyio

from duologue.engines.tools import ToolConnection
from duologue.errors import DuologueError
from duologue.items import McpFailure, McpServer, McpTool

Answer = str | McpFailure
Answers = Mapping[str, Answer | Callable[[str], Answer] | Callable[[str], Awaitable[Answer]]]


class ScriptedToolServers:
    """``offers``: by label, the tools of each server; ``failures``: by label, why it cannot be reached.

    ``answers``: by tool, what it gives: a text, a failure, or what a function makes of the arguments, which may wait.
    ``delay_s``: of listing and of each call, on the event loop's clock. ``calls`` and ``cancelled`` are what came of it
    so far, ``opened`` and ``closed`` the labels of connections.
    """

    def __init__(
        self,
        offers: Mapping[str, Sequence[McpTool]],
        answers: Answers | None = None,
        *,
        delay_s: float = 0.0,
        failures: Mapping[str, DuologueError] | None = None,
    ) -> None:
        self._offers = offers
        self._answers = answers or {}
        self._failures = failures or {}
        self.delay_s = delay_s
        self.calls: list[tuple[str, str, str]] = []
        self.cancelled: list[tuple[str, str, str]] = []
        self.opened: list[str] = []
        self.closed: list[str] = []

    @asynccontextmanager
    async def open(self, server: McpServer) -> AsyncIterator[ToolConnection]:
        """See ``ToolServers``."""
        if server.label in self._failures:
            raise self._failures[server.label]
        self.opened.append(server.label)
        try:
            yield _Scripted(self, server.label)
        finally:
            self.closed.append(server.label)

    async def offers(self, label: str) -> tuple[McpTool, ...]:
        await anyio.sleep(self.delay_s)
        return tuple(self._offers[label])

    async def answer(self, label: str, name: str, arguments: str) -> Answer:
        call = (label, name, arguments)
        self.calls.append(call)
        try:
            await anyio.sleep(self.delay_s)
            given = self._answers.get(name, f"{name} was called")
            said = given(arguments) if callable(given) else given
            return said if isinstance(said, str | McpFailure) else await said
        except anyio.get_cancelled_exc_class():
            self.cancelled.append(call)
            raise


class _Scripted:
    def __init__(self, servers: ScriptedToolServers, label: str) -> None:
        self._servers = servers
        self._label = label

    async def offers(self) -> tuple[McpTool, ...]:
        return await self._servers.offers(self._label)

    async def run(self, name: str, arguments: str) -> Answer:
        return await self._servers.answer(self._label, name, arguments)

"""One server for all tests of a module, where each test has a connection of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from duologue.server.loop import LOOP
from tests.server.serving import Serving, serving


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that serves."""
    return "asyncio", LOOP


@pytest.fixture(scope="module")
async def server(anyio_backend: str) -> AsyncIterator[Serving]:
    """A server with scripted engines as they are."""
    async with serving() as shared:
        yield shared

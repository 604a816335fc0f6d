"""One server for all tests of a module, where each test has a connection of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.server.serving import Serving, serving


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def server(anyio_backend: str) -> AsyncIterator[Serving]:
    """A server with scripted engines as they are."""
    async with serving() as shared:
        yield shared

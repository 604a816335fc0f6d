from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from httpx2 import AsyncClient

from duologue.server.loop import LOOP
from tests.server.rest.house import house


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that serves."""
    return "asyncio", LOOP


@pytest.fixture(scope="module")
async def http(anyio_backend: str) -> AsyncIterator[AsyncClient]:
    """A client of one server for all of a module's tests that need nothing special of it."""
    async with house() as client:
        yield client


@pytest.fixture
def no_blocked_rest() -> Iterator[BlockBuster]:
    """Endpoints, too, leave the event loop free."""
    with blockbuster_ctx(["duologue.server.rest"]) as busted:
        yield busted

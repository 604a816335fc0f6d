"""One server for the tests of a module that ask for no engines of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from duologue.server.loop import LOOP
from tests.server.serving import Serving, serving, until


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that serves."""
    return "asyncio", LOOP


@pytest.fixture(scope="module")
async def _module_server() -> AsyncIterator[Serving]:
    async with serving() as server:
        yield server


@pytest.fixture
async def server(_module_server: Serving) -> AsyncIterator[Serving]:
    """Its places are free again at the end of every test."""
    yield _module_server
    await until(lambda: _module_server.state.slots.taken == 0 == len(_module_server.state.calls))

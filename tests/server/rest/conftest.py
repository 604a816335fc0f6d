from __future__ import annotations

from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster, blockbuster_ctx


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def no_blocked_rest() -> Iterator[BlockBuster]:
    """Endpoints, too, leave the event loop free."""
    with blockbuster_ctx(["duologue.server.rest"]) as busted:
        yield busted

from __future__ import annotations

import pytest

from duologue.server.loop import LOOP


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that serves."""
    return "asyncio", LOOP

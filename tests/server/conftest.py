from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from duologue.server.loop import LOOP
from duologue.store.sqlite import SqliteStore


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that serves."""
    return "asyncio", LOOP


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(tmp_path / "talk.sqlite", busy_s=0.05)
    yield store
    await store.aclose()

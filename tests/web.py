"""Web servers in the test's own event loop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


class Web(uvicorn.Server):
    """Leaves the process's signals alone: several may live at once, and end in any order."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

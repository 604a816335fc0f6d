"""For every test: no event loop is blocked, and nothing is left behind at the end."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from tempfile import TemporaryDirectory

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import settings

# The same cases in every run: what fails was written by this change. `make fuzz` looks for new ones.
settings.load_profile("ci")


@pytest.fixture(autouse=True)
def _no_blocked_loop() -> Iterator[BlockBuster]:
    """A call that blocks the event loop, made by what runs in a session, raises BlockingError."""
    server = ["admission", "connection", "live", "load", "observe", "websocket"]
    scanned = ["duologue.session", "duologue.protocols", *(f"duologue.server.{room}" for room in server)]
    with blockbuster_ctx(scanned) as busted:
        yield busted


@pytest.fixture(autouse=True)
def _no_signal_taken() -> Iterator[None]:
    """A server that keeps a signal when it has ended takes it from those that come after."""
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def pytest_configure(config: pytest.Config) -> None:
    # Servers that tests start keep what is said there, and nothing in the home of whoever runs them.
    folder = TemporaryDirectory()
    config.add_cleanup(folder.cleanup)
    os.environ["XDG_DATA_HOME"] = folder.name


def pytest_unconfigure() -> None:
    # Resamplers of ended sessions hang in reference cycles, and their library complains of those that outlive Python.
    gc.collect()

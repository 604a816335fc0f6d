"""A server that can die and come back: on the same port, with what it kept."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.served import START_S

# It hears nothing worth reading, but remembers a name that was typed.
SETUP = ["--profile", "scripted", "--chat", "builtin"]


class MortalServer:
    """``store``: "on" or "off", whether it keeps conversations in ``folder``."""

    def __init__(self, folder: Path, store: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port = listener.getsockname()[1]
        self._environment = os.environ | {"XDG_DATA_HOME": str(folder), "DUOLOGUE_STORE": store}
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}/"

    def start(self) -> None:
        """Returns when it takes conversations."""
        command = [sys.executable, "-m", "duologue.cli.main", "serve", "--port", str(self._port), *SETUP]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=self._environment)
        deadline_s = time.monotonic() + START_S
        while not self._is_ready():
            assert time.monotonic() < deadline_s, "the server did not start"
            time.sleep(0.1)

    def kill(self) -> None:
        """It has no time to say goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}readyz").is_success
        except httpx.TransportError:
            return False


@contextmanager
def mortal_server(folder: Path, store: str = "on") -> Iterator[MortalServer]:
    server = MortalServer(folder, store)
    server.start()
    try:
        yield server
    finally:
        server.kill()

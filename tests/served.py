"""A real server process for tests: ``duologue serve`` as a person would start it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

START_S = 60.0


@contextmanager
def serving(profile: str, *options: str) -> Iterator[str]:
    """The URL of a server with this profile on a free port; stopped, and seen to stop cleanly, at the end."""
    command = [sys.executable, "-m", "duologue.cli.main", "serve", "--port", "0", "--profile", profile, *options]
    environment = {name: value for name, value in os.environ.items() if name != "OPENAI_BASE_URL"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            assert "http://" in line, f"the server did not start: {line!r}"
            yield "http://" + line.split("http://", 1)[1].strip()
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.close()
            process.wait(START_S)

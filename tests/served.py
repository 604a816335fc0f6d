"""A real server process for tests: ``duologue serve`` as a person would start it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

START_S = 60.0


@contextmanager
def serving(profile: str, *options: str, data_folder: Path | None = None) -> Iterator[str]:
    """The URL of a server with this profile on a free port; stopped, and seen to stop cleanly, at the end.
    ``data_folder``: where a certificate of its own making is kept, and what is said; else in one that goes with it."""
    command = [sys.executable, "-m", "duologue.cli.main", "serve", "--port", "0", "--profile", profile, *options]
    environment = {name: value for name, value in os.environ.items() if name != "OPENAI_BASE_URL"}
    with (
        TemporaryDirectory() as folder,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            env=environment | {"XDG_DATA_HOME": str(data_folder or folder)},
        ) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            url = re.search(r"https?://\S+", line)
            assert url is not None, f"the server did not start: {line!r}"
            yield url[0]
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.close()
            process.wait(START_S)

"""A real server process that serves https with a certificate of its own making."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.served import START_S


@contextmanager
def serving_https(profile: str, *options: str, data_folder: Path) -> Iterator[str]:
    """The URL of a server with this profile on a free port; its certificate is kept in ``data_folder``."""
    command = [sys.executable, "-m", "duologue.cli.main", "serve", "--port", "0", "--profile", profile]
    environment = {**os.environ, "XDG_DATA_HOME": str(data_folder)}
    environment.pop("OPENAI_BASE_URL", None)
    with subprocess.Popen(
        [*command, "--tls-self-signed", *options], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            assert "https://" in line, f"the server did not start: {line!r}"
            yield "https://" + line.split("https://", 1)[1].strip()
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.close()
            process.wait(START_S)

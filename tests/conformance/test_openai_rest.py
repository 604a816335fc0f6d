"""The stock OpenAI SDK for Python at the REST endpoints of a real server."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(90)


def test_openai_rest(sdk_python: str, server_url: str, speech: Path) -> None:
    script = Path(__file__).parent / "client_openai_rest.py"
    # PYTHONPATH is the tests', not the SDK's.
    done = subprocess.run(
        [sdk_python, str(script), server_url, str(speech)],
        capture_output=True, text=True, timeout=60, env={}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "all of the SDK's types" in done.stdout

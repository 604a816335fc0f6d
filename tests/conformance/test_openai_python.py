"""The stock OpenAI SDKs for Python hold a conversation with a real server."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(90)

HERE = Path(__file__).parent


def _run(python: str, script: str, url: str, speech: Path) -> str:
    command = [python, str(HERE / script), url, str(speech)]
    # PYTHONPATH is the tests', not the SDK's.
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={}, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_openai(sdk_python: str, server_url: str, speech: Path) -> None:
    story = _run(sdk_python, "client_openai.py", server_url, speech)
    assert "all of the SDK's types" in story


def test_openai_agents(sdk_python: str, server_url: str, speech: Path) -> None:
    found = subprocess.run([sdk_python, "-c", "import agents.realtime"], capture_output=True, check=False)
    if found.returncode != 0:
        pytest.skip("openai-agents is not in the SDK environment")
    story = _run(sdk_python, "client_agents.py", server_url, speech)
    assert "spoken turn" in story
    assert "assistant: here is an answer" in story

"""Frameworks that bring a client of their own for the protocol hold a conversation with a real server.

Each has a spoken turn, an interruption and a function. Those that are not installed are left out: LiveKit Agents is
some 340 MB.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.conftest import Run, run_script

pytestmark = pytest.mark.timeout(90)

PARTS = ("spoken turn: here is an answer", "interruption: ", "tool call: ", "nine degrees in Oslo")


def _skip_without(python: str, module: str, packages: str) -> None:
    found = subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False, env={})
    if found.returncode != 0:
        pytest.skip(f"{module} is not installed: {python} -m pip install {packages}")


def test_pipecat(server_url: str, speech: Path) -> None:
    """It comes with the extra ``turn``, so it is in the tests' own environment."""
    _skip_without(sys.executable, "pipecat", "pipecat-ai")
    story = run_script(sys.executable, "client_pipecat.py", server_url, speech)
    assert all(part in story for part in PARTS), story


def test_pydantic_ai(sdk_python: str, run_python: Run, server_url: str, speech: Path) -> None:
    _skip_without(sdk_python, "pydantic_ai", "pydantic-ai-slim[openai]")
    story = run_python("client_pydantic_ai.py", server_url, speech)
    assert all(part in story for part in PARTS), story


def test_livekit(sdk_python: str, run_python: Run, server_url: str, speech: Path) -> None:
    _skip_without(sdk_python, "livekit.plugins.openai", "livekit-agents livekit-plugins-openai")
    story = run_python("client_livekit.py", server_url, speech)
    assert all(part in story for part in PARTS), story

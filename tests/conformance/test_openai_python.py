"""The stock OpenAI SDKs for Python hold a conversation with a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.conftest import Run

pytestmark = pytest.mark.timeout(90)


def test_openai(run_python: Run, server_url: str, speech: Path) -> None:
    story = run_python("client_openai.py", server_url, speech)
    assert "tool call" in story
    assert "all of the SDK's types" in story


def test_openai_agents(run_python: Run, server_url: str, speech: Path) -> None:
    story = run_python("client_agents.py", server_url, speech)
    assert "tool call: nine degrees in Oslo" in story
    assert "assistant: here is an answer" in story

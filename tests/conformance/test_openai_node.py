"""The stock OpenAI SDKs for Node.js hold a conversation with a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.conftest import Run

pytestmark = pytest.mark.timeout(90)

PARTS = ("spoken turn: here is an answer", "interruption: the story ended", "tool call: The answer is: nine degrees")


def test_openai_over_tls(run_node: Run, tls_server: tuple[str, Path], speech: Path) -> None:
    url, certificate = tls_server
    story = run_node("openai_ws.mjs", url, speech, ca=certificate)
    assert all(part in story for part in PARTS), story


def test_openai_agents(run_node: Run, server_url: str, speech: Path) -> None:
    story = run_node("agents_ws.mjs", server_url, speech)
    assert all(part in story for part in PARTS), story


def test_what_else_an_agent_does(run_node: Run, server_url: str, speech: Path, mcp_url: str) -> None:
    assert run_node("agents_more.mjs", server_url, speech, mcp_url).count("done") == 7

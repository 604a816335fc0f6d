"""Each thing that a server of this protocol should do, and what else it can do here, has a test that names it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

SHOULD = [
    "idle_timeout",
    "g711_in_and_out",
    "speed",
    "max_output_tokens_incomplete",
    "item_reference",
    "per_response_overrides",
    "input_image",
    "transcription_session_by_intent",
    "transcription_session_by_type",
    "transcription_delta_while_speaking",
    "logprobs",
    "sideband_by_call_id",
    "truncation_retention_ratio",
    "session_expired",
    "transcript_aligned_to_audio",
    "livekit_replay",
    "mcp_server_url",
    "rest_sse",
    "429_or_503_when_full",
    "retrieve_without_huge_audio",
]
COULD = ["realtime_sessions", "vendor_events"]


@cache
def _named() -> list[str]:
    """The names of the tests beside this one."""
    return [
        node.name
        for path in Path(__file__).parent.glob("test_should_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.AsyncFunctionDef)
    ]


@pytest.mark.parametrize("item", [f"test_should_{name}" for name in SHOULD] + [f"test_could_{name}" for name in COULD])
def test_each_has_a_test_that_names_it(item: str) -> None:
    assert any(name.startswith(item) for name in _named())

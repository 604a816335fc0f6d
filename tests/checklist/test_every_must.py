"""Each of the 23 things that a server of this protocol must do has tests that name it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

MUST = {
    1: "a socket is opened with a key, refused with JSON",
    2: "the first frame is the whole session",
    3: "updates at any time, and how they merge",
    4: "turns of both kinds of voice activity, in order",
    5: "events that fit the SDKs' types, with ids of their own",
    6: "sound in pieces that every client takes",
    7: "transcripts in step with the sound",
    8: "each response ends once",
    9: "one response at a time",
    10: "speech interrupts",
    11: "cancelling",
    12: "truncating, and what the model remembers",
    13: "items",
    14: "functions",
    15: "metadata",
    16: "transcripts of the user",
    17: "turns by hand",
    18: "errors",
    19: "answers in text",
    20: "client secrets",
    21: "WebRTC",
    22: "REST",
    23: "TLS, pings, and nothing left behind",
}


@cache
def _named() -> set[int]:
    """The numbers that the tests beside this one begin with."""
    found: set[int] = set()
    for path in Path(__file__).parent.glob("test_must_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_must_"):
                found.add(int(node.name.split("_", maxsplit=3)[2]))
    return found


@pytest.mark.parametrize("number", MUST, ids=MUST.values())
def test_each_has_a_test_that_names_it(number: int) -> None:
    assert number in _named()


def test_no_test_names_what_is_not_in_the_list() -> None:
    assert _named() <= MUST.keys()

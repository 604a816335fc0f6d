"""Function calls, in the dialects of several servers."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from duologue.engines.base import ChatDelta
from duologue.engines.chat.answer import Answer
from duologue.engines.chat.openai_wire import Chunk


def answer_to(*deltas: dict[str, Any], finish: str = "tool_calls") -> list[ChatDelta]:
    """The deltas of an answer whose chunks carry ``deltas``."""
    answer, found = Answer(), []
    for delta in deltas:
        found += answer.feed(msgspec.convert({"choices": [{"delta": delta}]}, Chunk))
    found += answer.feed(msgspec.convert({"choices": [{"delta": {}, "finish_reason": finish}]}, Chunk))
    return found + answer.end()


def pieces(*calls: dict[str, Any]) -> list[dict[str, Any]]:
    """One delta a piece of a call."""
    return [{"tool_calls": [call]} for call in calls]


def calls_of(deltas: list[ChatDelta]) -> list[tuple[str, str, Any]]:
    """Id, name and arguments of every call; the first delta of each has the id and the name, no other has."""
    calls: dict[int, list[str]] = {}
    for delta in deltas:
        if (piece := delta.tool_call) is None:
            continue
        assert bool(piece.id) == bool(piece.name) == (piece.index not in calls)
        calls.setdefault(piece.index, [piece.id, piece.name, ""])[2] += piece.arguments
    assert list(calls) == list(range(len(calls)))
    return [(call_id, name, json.loads(arguments)) for call_id, name, arguments in calls.values()]


TWO = [("a", "f", {"x": 1}), ("b", "g", {"y": 2})]

DIALECTS = {
    "by the book": [
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"x"'}},
        {"index": 0, "function": {"arguments": ": 1}"}},
        {"index": 1, "id": "b", "function": {"name": "g", "arguments": '{"y": 2}'}},
    ],
    "side by side": [
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x"'}},
        {"index": 1, "id": "b", "function": {"name": "g", "arguments": '{"y"'}},
        {"index": 0, "function": {"arguments": ": 1}"}},
        {"index": 1, "function": {"arguments": ": 2}"}},
    ],
    "whole, all with the index 0": [
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x": 1}'}},
        {"index": 0, "id": "b", "function": {"name": "g", "arguments": '{"y": 2}'}},
    ],
    "no index": [
        {"id": "a", "function": {"name": "f", "arguments": '{"x"'}},
        {"function": {"arguments": ": 1}"}},
        {"id": "b", "function": {"name": "g", "arguments": '{"y": 2}'}},
    ],
    "objects": [
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1}}},
        {"index": 1, "id": "b", "function": {"name": "g", "arguments": {"y": 2}}},
    ],
    "an id on every piece": [
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x"'}},
        {"index": 0, "id": "other", "function": {"arguments": ": 1}"}},
        {"index": 1, "id": "b", "function": {"name": "g", "arguments": '{"y"'}},
        {"index": 1, "id": "another", "function": {"arguments": ": 2}"}},
    ],
    "id and name on every piece": [
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x"'}},
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": ": 1}"}},
        {"index": 1, "id": "b", "function": {"name": "g", "arguments": '{"y": 2}'}},
    ],
    "the name late": [
        {"index": 0, "id": "a", "function": {"arguments": '{"x"'}},
        {"index": 0, "function": {"name": "f", "arguments": ": 1}"}},
        {"index": 1, "id": "b", "function": {"name": "g", "arguments": '{"y": 2}'}},
    ],
}


@pytest.mark.parametrize("calls", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize("finish", ["tool_calls", "stop", "function_call"])
def test_every_dialect_says_the_same(calls: list[dict[str, Any]], finish: str) -> None:
    deltas = answer_to(*pieces(*calls), finish=finish)
    assert calls_of(deltas) == TWO
    assert [delta.finish for delta in deltas if delta.finish] == ["tool_calls"]
    assert deltas[-1].finish == "tool_calls"


def test_whole_calls_in_one_message() -> None:
    calls = [{"id": "a", "function": {"name": "f", "arguments": '{"x": 1}'}}]
    calls.append({"id": "b", "function": {"name": "g", "arguments": '{"y": 2}'}})
    assert calls_of(answer_to({"tool_calls": calls})) == TWO


def test_missing_ids_are_made_up_and_differ() -> None:
    whole = {"function": {"name": "f", "arguments": '{"x": 1}'}}
    (first, _, one), (second, _, other) = calls_of(answer_to(*pieces(whole, whole)))
    assert one == other == {"x": 1}
    assert first != second
    assert min(first, second).startswith("call_")


@pytest.mark.parametrize("arguments", ["", None, {}])
def test_no_arguments_are_an_empty_object(arguments: object) -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": arguments}}
    assert calls_of(answer_to(*pieces(call))) == [("a", "f", {})]


def test_words_before_a_call_and_a_call_that_breaks_off() -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x"'}}
    deltas = answer_to({"content": "Let me see."}, *pieces(call), finish="length")
    assert deltas[0].text == "Let me see."
    assert deltas[-1].finish == "length"


def test_a_call_without_a_name_is_none() -> None:
    deltas = answer_to(*pieces({"index": 0, "id": "a", "function": {"arguments": "{}"}}), finish="stop")
    assert [delta.tool_call for delta in deltas] == [None]
    assert deltas[-1].finish == "stop"


def test_an_answer_in_parts_leaves_thoughts_out() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Hi"}]
    assert answer_to({"content": parts}, finish="stop")[0].text == "Hi"

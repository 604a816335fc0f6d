"""Requests as bytes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from duologue.engines.base import ChatMessage, ChatRequest, Tool, ToolCall
from duologue.engines.chat.openai_wire import decode_models, encode_request
from duologue.errors import EngineError

ASKED = ChatMessage("user", "Time?")


def encoded(request: ChatRequest, **more: object) -> dict[str, object]:
    body = json.loads(encode_request(request, model="m", **more))  # type: ignore[arg-type]
    assert isinstance(body, dict)
    return body


def test_a_plain_request_has_nothing_but_what_every_server_takes() -> None:
    assert encoded(ChatRequest((ASKED,))) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Time?"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_calls_and_their_results_go_back() -> None:
    call = ToolCall("c1", "clock", '{"zone": "UTC"}')
    messages = (ASKED, ChatMessage("assistant", "", tool_calls=(call,)), ChatMessage("tool", "noon", tool_call_id="c1"))
    assert encoded(ChatRequest(messages))["messages"] == [
        {"role": "user", "content": "Time?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": '{"zone": "UTC"}'}}
            ],
        },
        {"role": "tool", "content": "noon", "tool_call_id": "c1"},
    ]


@pytest.mark.parametrize("broken", ["", '{"zone": "U', "noon", "[1]"])
def test_arguments_that_broke_off_go_back_as_none(broken: str) -> None:
    message = ChatMessage("assistant", "", tool_calls=(ToolCall("c1", "clock", broken),))
    body = encode_request(ChatRequest((ASKED, message)), model="m")
    assert b'"arguments":"{}"' in body


@pytest.mark.parametrize(("choice", "sent"), [("none", "none"), ("required", "required"), ("auto", None)])
def test_tool_choice(choice: str, sent: str | None) -> None:
    body = encoded(ChatRequest((ASKED,), tools=(Tool("clock"),), tool_choice=choice))
    assert body.get("tool_choice") == sent
    assert "parallel_tool_calls" not in body
    assert body["tools"] == [
        {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}
    ]


def test_tool_choice_without_tools_is_not_sent() -> None:
    body = encoded(ChatRequest((ASKED,), tool_choice="required", parallel_tool_calls=False))
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(body)


def test_options_and_fields_to_leave_out() -> None:
    request = ChatRequest((ASKED,), max_tokens=9)
    body = encoded(request, temperature=0.5, extra={"cache_prompt": True}, without={"stream_options", "max_tokens"})
    assert (body["temperature"], body["cache_prompt"], body["max_completion_tokens"]) == (0.5, True, 9)
    assert not {"stream_options", "max_tokens"} & set(body)


def test_what_cannot_be_sent() -> None:
    with pytest.raises(EngineError, match="'clock'"):
        encode_request(ChatRequest((ASKED,), tools=(Tool("clock", parameters="{"),)), model="m")
    with pytest.raises(EngineError, match="takes words"):
        encode_request(ChatRequest((ChatMessage("user", "", np.zeros(4, np.float32)),)), model="m")


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data": null}', b'{"data": [{"name": "x"}]}'])
def test_no_list_of_models(body: bytes) -> None:
    assert decode_models(body) == []

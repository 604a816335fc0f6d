"""Client events as the session is told of them, and what is answered to those that do not fit."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from duologue.events import (
    AppendAudio,
    CancelReply,
    ClearAudio,
    CommitAudio,
    Configure,
    CreateItem,
    CreateReply,
    DeleteItem,
    RetrieveItem,
    Told,
    TruncateItem,
)
from duologue.items import Message, Part, ReplyOptions
from tests.protocols.exchange import NOW_S, exchange, fault, protocol, tell

HELLO = {"type": "message", "id": "i1", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
HELLO_ITEM = Message(id="i1", role="user", parts=(Part(kind="input_text", text="hi"),))


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ({"type": "input_audio_buffer.append", "audio": "AAEC"}, AppendAudio(pcm=b"\0\1\2")),
        ({"type": "input_audio_buffer.append", "audio": ""}, AppendAudio(pcm=b"")),
        ({"type": "input_audio_buffer.commit"}, CommitAudio()),
        ({"type": "input_audio_buffer.clear"}, ClearAudio()),
        ({"type": "conversation.item.create", "item": HELLO}, CreateItem(item=HELLO_ITEM)),
        (
            {"type": "conversation.item.create", "item": HELLO, "previous_item_id": "root"},
            CreateItem(item=HELLO_ITEM, after="root"),
        ),
        (
            {"type": "conversation.item.create", "item": HELLO, "previous_item_id": None},
            CreateItem(item=HELLO_ITEM),
        ),
        ({"type": "conversation.item.delete", "item_id": "a"}, DeleteItem(item_id="a")),
        ({"type": "conversation.item.retrieve", "item_id": "a"}, RetrieveItem(item_id="a")),
        (
            {"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": 90},
            TruncateItem(item_id="a", audio_end_ms=90),
        ),
        (
            {"type": "conversation.item.truncate", "item_id": "a", "audio_end_ms": 90.7},
            TruncateItem(item_id="a", audio_end_ms=90),
        ),
        ({"type": "response.create"}, CreateReply()),
        ({"type": "response.create", "response": None}, CreateReply()),
        ({"type": "response.create", "response": {}}, CreateReply()),
        (
            {"type": "response.create", "response": {"conversation": "none", "metadata": {"a": "b"}}},
            CreateReply(options=ReplyOptions(in_conversation=False, metadata={"a": "b"})),
        ),
        (
            {
                "type": "response.create",
                "response": {
                    "instructions": "",
                    "output_modalities": ["text"],
                    "max_output_tokens": 7,
                    "audio": {"output": {"voice": {"id": "ash"}}},
                    "input": [HELLO],
                    "tools": [],
                    "something_new": 1,
                },
            },
            CreateReply(
                options=ReplyOptions(
                    instructions="",
                    modality="text",
                    max_output_tokens=7,
                    voice="ash",
                    items=(HELLO_ITEM,),
                    tools=(),
                )
            ),
        ),
        ({"type": "response.cancel"}, CancelReply()),
        ({"type": "response.cancel", "response_id": "r"}, CancelReply(reply_id="r")),
    ],
)
def test_what_the_session_is_told(event: dict[str, Any], told: Told) -> None:
    assert tell(protocol(), event) == told
    referred = tell(protocol(), {"event_id": "evt_1", **event})
    assert referred.ref == "evt_1"


def test_fields_that_nobody_knows_are_passed_over() -> None:
    assert tell(protocol(), {"type": "response.cancel", "new": {"x": [1]}}) == CancelReply()


def test_an_item_without_an_id_gets_one() -> None:
    wire = protocol()
    items = [tell(wire, {"type": "conversation.item.create", "item": {**HELLO, "id": i}}) for i in (None, "")]
    ids = [told.item.id for told in items if isinstance(told, CreateItem)]
    assert len(set(ids)) == 2
    assert all(each.startswith("item_") for each in ids)


@pytest.mark.parametrize(
    ("role", "part", "kept"),
    [
        ("system", {"type": "input_text", "text": "a"}, Part(kind="input_text", text="a")),
        ("user", {"type": "input_audio", "audio": "AAAA", "transcript": "a"}, Part(kind="input_audio", text="a")),
        ("assistant", {"type": "output_text", "text": "a"}, Part(kind="output_text", text="a")),
        ("assistant", {"type": "output_audio", "transcript": "a"}, Part(kind="output_audio", text="a")),
        ("assistant", {"type": "text", "text": "a"}, Part(kind="output_text", text="a")),
    ],
)
def test_kinds_of_content(role: str, part: dict[str, str], kept: Part) -> None:
    item = {"type": "message", "role": role, "content": [part]}
    told = tell(protocol(), {"type": "conversation.item.create", "item": item})
    assert isinstance(told, CreateItem)
    assert (told.item.role, told.item.parts) == (role, (kept,))


def test_the_greeting_shows_the_whole_session() -> None:
    (frame,) = protocol(instructions="be kind").greet()
    greeting = json.loads(frame)
    session = greeting["session"]
    assert greeting["type"] == "session.created"
    assert (session["object"], session["type"], session["model"]) == ("realtime.session", "realtime", "house")
    assert session["expires_at"] == NOW_S + 3_600
    assert session["instructions"] == "be kind"
    assert session["audio"]["output"]["voice"] == "tone"
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    }


def _create(**item: Any) -> dict[str, Any]:
    return {"type": "conversation.item.create", "item": {**HELLO, **item}}


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({}, "missing_required_parameter", "type"),
        ({"type": None}, "missing_required_parameter", "type"),
        ({"type": "response.dance"}, "invalid_value", "type"),
        ({"type": 7}, "invalid_value", "type"),
        ({"type": []}, "invalid_value", "type"),
        ({"type": {"a": []}}, "invalid_value", "type"),
        ({"type": "x" * 1_000_000}, "invalid_value", "type"),
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        ({"type": "session.update", "session": None}, "invalid_value", "session"),
        ({"type": "session.update", "session": [1]}, "invalid_value", "session"),
        ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
        ({"type": "input_audio_buffer.append", "audio": 5}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": None}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "@@@@"}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "AAA"}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "AA AA=="}, "invalid_value", "audio"),
        ({"type": "conversation.item.create"}, "missing_required_parameter", "item"),
        ({"type": "conversation.item.create", "item": {}}, "missing_required_parameter", "item.type"),
        (_create(type="magic"), "invalid_value", "item.type"),
        (_create(type="mcp_call"), "missing_required_parameter", "item.server_label"),
        (_create(type="function_call"), "missing_required_parameter", "item.name"),
        (_create(type="function_call_output", call_id="c"), "missing_required_parameter", "item.output"),
        (_create(role="robot"), "invalid_value", "item.role"),
        (_create(role="r" * 500_000), "invalid_value", "item.role"),
        (_create(content=None), "missing_required_parameter", "item.content"),
        (_create(content=[]), "missing_required_parameter", "item.content"),
        (_create(content=[{"type": "magic"}]), "invalid_value", "item.content[0].type"),
        (_create(content=[{"type": "input_image"}]), "missing_required_parameter", "item.content[0].image_url"),
        (
            _create(content=[{"type": "input_image", "image_url": "http://x/"}]),
            "invalid_value",
            "item.content[0].image_url",
        ),
        (_create(content=[{"type": "input_text"}]), "missing_required_parameter", "item.content[0].text"),
        (_create(content=[{"type": "input_audio"}]), "missing_required_parameter", "item.content[0].audio"),
        (_create(content=[{"type": "input_text", "text": "x" * 300_000}]), "invalid_value", "item.content"),
        (_create(content=[{"type": "input_text", "text": ""}] * 257), "invalid_value", "item.content"),
        (_create(id="x" * 513), "invalid_value", "item.id"),
        ({"type": "conversation.item.delete"}, "missing_required_parameter", "item_id"),
        ({"type": "conversation.item.delete", "item_id": 5}, "invalid_value", "item_id"),
        ({"type": "conversation.item.truncate", "item_id": "a"}, "missing_required_parameter", "audio_end_ms"),
        (
            {"type": "conversation.item.truncate", "item_id": "a", "audio_end_ms": -1},
            "invalid_value",
            "audio_end_ms",
        ),
        (
            {"type": "conversation.item.truncate", "item_id": "a", "audio_end_ms": 10**50},
            "invalid_value",
            "audio_end_ms",
        ),
        ({"type": "response.create", "response": 5}, "invalid_value", "response"),
        ({"type": "response.create", "response": []}, "invalid_value", "response"),
        ({"type": "response.create", "response": {"metadata": {"a": 5}}}, "invalid_value", "response.metadata"),
        ({"type": "response.create", "response": {"metadata": []}}, "invalid_value", "response.metadata"),
        ({"type": "response.create", "response": {"input": [5]}}, "invalid_value", "response.input[0]"),
        (
            {"type": "response.create", "response": {"output_modalities": ["audio", "text"]}},
            "invalid_value",
            "response.output_modalities",
        ),
        (
            {"type": "response.create", "response": {"max_output_tokens": 0}},
            "invalid_value",
            "response.max_output_tokens",
        ),
        ({"type": "response.create", "response": {"instructions": 5}}, "invalid_value", "response.instructions"),
        ({"type": "output_audio_buffer.clear"}, "invalid_value", None),
    ],
)
def test_what_does_not_fit_is_answered(event: dict[str, Any], code: str, param: str | None) -> None:
    error = fault(protocol(), {**event, "event_id": "evt_9"})
    assert error["type"] == "invalid_request_error"
    assert (error["code"], error["param"], error["event_id"]) == (code, param, "evt_9")
    assert error["message"].endswith((".", "buffer"))


@pytest.mark.parametrize("event_id", [5, None, [], {}, True])
def test_an_event_id_that_is_no_string_is_not_echoed(event_id: object) -> None:
    assert fault(protocol(), {"type": "no", "event_id": event_id})["event_id"] is None


NOT_JSON = {
    "nothing": "",
    "a word": "hello",
    "half": '{"type":"response.cancel"',
    "two": '{"type":"response.cancel"}{}',
    "NaN": '{"type":"session.update","session":{"tools":NaN}}',
    "infinity": '{"type":"session.update","session":{"speed":-Infinity}}',
    "a byte order mark": '\ufeff{"type":"response.cancel"}',
    "a zero": "\0",
    "a lone surrogate": '{"type":"response.cancel","event_id":"\ud800"}',
    "an escaped lone surrogate": r'{"type":"conversation.item.delete","item_id":"\udc00"}',
    "brackets": "[" * 100_000,
    "brackets in a type": '{"type":' + "[" * 100_000,
    "braces": '{"a":' * 100_000,
    "closed brackets": "[" * 100_000 + "]" * 100_000,
    "brackets in a known event": '{"type":"response.cancel","x":' + "[" * 100_000 + "]" * 100_000 + "}",
    "16 MiB of junk": "x" * (16 * 2**20),
    "16 MiB of lists": "[" + "[]," * (4 * 2**20) + "[]]",
    "bytes that are not UTF-8": b'{"type":"\xff\xfe"}',
    "random bytes": bytes(range(256)),
    "16 MiB in a type": '{"type":[' + "[]," * (5 * 2**20) + "[]]}",
    "16 MiB in an event id": '{"type":"response.cancel","event_id":[' + "[]," * (5 * 2**20) + "[]]}",
    "a number": "5",
    "null": "null",
    "a list": "[]",
}


@pytest.mark.parametrize("data", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_hostile_text_is_one_error(data: str | bytes) -> None:
    assert fault(protocol(), data)["code"] in ("invalid_json", "invalid_value")


HOSTILE_OBJECTS = {
    "deep": '{"tools":' + "[" * 900 + "]" * 900 + "}",
    "deeper than can be copied": '{"prompt":' + '{"a":' * 400 + "1" + "}" * 400 + "}",
    "large": '{"instructions":"' + "x" * 300_000 + '"}',
    "an endless number": '{"tools":' + "9" * 5_000 + "}",
    "a number beyond floats": '{"tools":1e999}',
}


@pytest.mark.parametrize("kind", ["session.update", "response.create"])
@pytest.mark.parametrize("text", HOSTILE_OBJECTS.values(), ids=HOSTILE_OBJECTS.keys())
def test_hostile_objects_are_one_error(kind: str, text: str) -> None:
    wire = protocol()
    field, _, _ = kind.partition(".")
    error = fault(wire, f'{{"type":"{kind}","event_id":"e","{field}":{text}}}')
    assert error["event_id"] == "e"
    told, frames = exchange(wire, {"type": "session.update", "session": {"type": "realtime"}})
    assert isinstance(told[0], Configure)
    assert frames[0]["type"] == "session.updated"


def test_sound_of_any_size() -> None:
    for size in (0, 1, 2, 3, 959, 15 * 2**20):
        audio = base64.b64encode(bytes(size)).decode()
        told = tell(protocol(), {"type": "input_audio_buffer.append", "audio": audio})
        assert isinstance(told, AppendAudio)
        assert len(told.pcm) == size


def test_a_binary_frame_is_refused_in_words() -> None:
    (frame,) = protocol().receive(None).frames
    error = json.loads(frame)["error"]
    assert error["type"] == "invalid_request_error"
    assert "text frames" in error["message"]

"""Every field of every client event with values of the wrong type: each is one ``error`` that names it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.checklist.refusals import lives, refused
from tests.server.caller import calling
from tests.server.serving import Serving

pytestmark = pytest.mark.anyio

# By what a field should be, what it is not.
WRONG: dict[str, list[Any]] = {
    "text": [5, True, [], {}],
    "needed text": [5, True, [], {}, None],
    "number": ["5", True, [], {}],
    "needed number": ["5", True, [], {}, None],
    "flag": ["true", 1, [], {}],
    "needed flag": ["true", 1, [], {}, None],
    "object": [5, "text", True, []],
    "needed object": [5, "text", True, [], None],
    "list": [5, "text", True, {}],
    "needed list": [5, "text", True, {}, None],
    "texts": [5, "text", {}, [5], [None], [[]]],
    "modalities": [5, "audio", {}, [5], [[]], [], ["video"], ["audio", "text"]],
    "text or object": [5, True, []],
    "choice": [5, True, [], {}, {"type": 5}, {"type": "function"}, {"type": "function", "name": 5}, "sometimes"],
    "tokens": [0, -1, 4_097, 1.5, "5", "many", True, [], {}],
    "format": [5, "pcm16", True, [], {"type": 5}, {"type": []}, {"type": "audio/opus"}, {"type": "pcm16"}],
    "rate": [8_000, 16_000, 44_100, 48_000, 0, -24_000, "24000", True, [], {}],
    "metadata": [5, "text", True, [], {"a": 5}, {"a": None}, {"a": {}}, {f"k{i}": "v" for i in range(17)}],
}
MESSAGE = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]}
SPOKEN = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "AAAA"}]}
SEEN = {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,"}]}
SAID = {"type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": "a"}]}
CALL = {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"}
MCP_CALL = {"type": "mcp_call", "server_label": "s", "name": "f", "arguments": "{}"}
LEAVE = {"type": "mcp_approval_response", "approval_request_id": "r", "approve": True}
FUNCTION = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}
MCP = {"type": "mcp", "server_label": "s", "server_url": "http://127.0.0.1:9/mcp"}
IDLE = {"type": "server_vad", "idle_timeout_ms": 5_000}
KEEPING = {"type": "retention_ratio", "retention_ratio": 0.5, "token_limits": {"post_instructions": 500}}


def _session(**fields: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "realtime", **fields}}


def _input(**fields: Any) -> dict[str, Any]:
    return _session(audio={"input": fields})


def _output(**fields: Any) -> dict[str, Any]:
    return _session(audio={"output": fields})


def _create(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "conversation.item.create", "item": item}


def _respond(**fields: Any) -> dict[str, Any]:
    return {"type": "response.create", "response": {"conversation": "none", **fields}}


PCM = {"type": "audio/pcm", "rate": 24_000}
DETECTION = "session.audio.input.turn_detection"
CASES: dict[str, list[tuple[dict[str, Any], str, str]]] = {
    "session.update": [
        (_session(), "session", "needed object"),
        (_session(), "session.type", "text"),
        (_session(), "session.model", "text"),
        (_session(), "session.instructions", "text"),
        (_session(), "session.output_modalities", "modalities"),
        (_session(), "session.max_output_tokens", "tokens"),
        (_session(), "session.parallel_tool_calls", "flag"),
        (_session(), "session.tool_choice", "choice"),
        (_session(), "session.truncation", "text or object"),
        (_session(truncation=KEEPING), "session.truncation.retention_ratio", "needed number"),
        (_session(truncation=KEEPING), "session.truncation.token_limits", "object"),
        (_session(truncation=KEEPING), "session.truncation.token_limits.post_instructions", "number"),
        (_session(), "session.tracing", "text or object"),
        (_session(), "session.prompt", "object"),
        (_session(), "session.reasoning", "object"),
        (_session(), "session.include", "texts"),
        (_session(), "session.audio", "object"),
    ],
    "session.update of sound in": [
        (_input(), "session.audio.input", "object"),
        (_input(), "session.audio.input.format", "format"),
        (_input(format=PCM), "session.audio.input.format.rate", "rate"),
        (_input(), "session.audio.input.noise_reduction", "object"),
        (_input(noise_reduction={"type": "near_field"}), "session.audio.input.noise_reduction.type", "text"),
        (_input(), "session.audio.input.transcription", "object"),
        (_input(transcription={}), "session.audio.input.transcription.model", "text"),
        (_input(transcription={}), "session.audio.input.transcription.language", "text"),
        (_input(transcription={}), "session.audio.input.transcription.prompt", "text"),
        (_input(transcription={}), "session.audio.input.transcription.languages", "texts"),
        (_input(transcription={}), "session.audio.input.transcription.keywords", "texts"),
        (_input(), DETECTION, "object"),
        (_input(turn_detection=IDLE), f"{DETECTION}.type", "text"),
        (_input(turn_detection=IDLE), f"{DETECTION}.threshold", "number"),
        (_input(turn_detection=IDLE), f"{DETECTION}.prefix_padding_ms", "number"),
        (_input(turn_detection=IDLE), f"{DETECTION}.silence_duration_ms", "number"),
        (_input(turn_detection=IDLE), f"{DETECTION}.idle_timeout_ms", "number"),
        (_input(turn_detection=IDLE), f"{DETECTION}.create_response", "flag"),
        (_input(turn_detection=IDLE), f"{DETECTION}.interrupt_response", "flag"),
        (_input(turn_detection={"type": "semantic_vad"}), f"{DETECTION}.eagerness", "text"),
        (_input(turn_detection={"type": "semantic_vad"}), f"{DETECTION}.create_response", "flag"),
    ],
    "session.update of sound out": [
        (_output(), "session.audio.output", "object"),
        (_output(), "session.audio.output.format", "format"),
        (_output(format=PCM), "session.audio.output.format.rate", "rate"),
        (_output(), "session.audio.output.voice", "text or object"),
        (_output(voice={"id": "v"}), "session.audio.output.voice.id", "needed text"),
        (_output(), "session.audio.output.speed", "number"),
    ],
    "session.update of tools": [
        (_session(), "session.tools", "list"),
        (_session(tools=[FUNCTION]), "session.tools[0]", "needed object"),
        (_session(tools=[FUNCTION]), "session.tools[0].type", "needed text"),
        (_session(tools=[FUNCTION]), "session.tools[0].name", "needed text"),
        (_session(tools=[FUNCTION]), "session.tools[0].description", "text"),
        (_session(tools=[FUNCTION]), "session.tools[0].parameters", "object"),
        (_session(tools=[MCP]), "session.tools[0].server_label", "needed text"),
        (_session(tools=[MCP]), "session.tools[0].server_url", "needed text"),
        (_session(tools=[MCP]), "session.tools[0].server_description", "text"),
        (_session(tools=[MCP]), "session.tools[0].authorization", "text"),
        (_session(tools=[MCP]), "session.tools[0].headers", "object"),
        (_session(tools=[MCP]), "session.tools[0].require_approval", "text or object"),
    ],
    "input_audio_buffer.append": [({"type": "input_audio_buffer.append"}, "audio", "needed text")],
    "conversation.item.create": [
        (_create(MESSAGE), "item", "needed object"),
        (_create(MESSAGE), "previous_item_id", "text"),
        (_create(MESSAGE), "item.id", "text"),
        (_create(MESSAGE), "item.type", "needed text"),
        (_create(MESSAGE), "item.role", "needed text"),
        (_create(MESSAGE), "item.content", "needed list"),
        (_create(MESSAGE), "item.content[0]", "needed object"),
        (_create(MESSAGE), "item.content[0].type", "needed text"),
        (_create(MESSAGE), "item.content[0].text", "needed text"),
        (_create(SPOKEN), "item.content[0].audio", "needed text"),
        (_create(SPOKEN), "item.content[0].transcript", "text"),
        (_create(SEEN), "item.content[0].image_url", "needed text"),
        (_create(SEEN), "item.content[0].detail", "text"),
        (_create(SAID), "item.content[0].transcript", "needed text"),
    ],
    "conversation.item.create of tools": [
        (_create(CALL), "item.name", "needed text"),
        (_create(CALL), "item.arguments", "needed text"),
        (_create(CALL), "item.call_id", "text"),
        (_create({"type": "function_call_output", "call_id": "c", "output": "o"}), "item.call_id", "needed text"),
        (_create({"type": "function_call_output", "call_id": "c", "output": "o"}), "item.output", "needed text"),
        (_create(MCP_CALL), "item.server_label", "needed text"),
        (_create(MCP_CALL), "item.name", "needed text"),
        (_create(MCP_CALL), "item.arguments", "needed text"),
        (_create(MCP_CALL), "item.output", "text"),
        (_create({"type": "mcp_list_tools", "server_label": "s", "tools": []}), "item.server_label", "needed text"),
        (_create(LEAVE), "item.approval_request_id", "needed text"),
        (_create(LEAVE), "item.approve", "needed flag"),
        (_create(LEAVE), "item.reason", "text"),
    ],
    "conversation.item.delete": [({"type": "conversation.item.delete"}, "item_id", "needed text")],
    "conversation.item.retrieve": [({"type": "conversation.item.retrieve"}, "item_id", "needed text")],
    "conversation.item.truncate": [
        ({"type": "conversation.item.truncate", "content_index": 0, "audio_end_ms": 5}, "item_id", "needed text"),
        ({"type": "conversation.item.truncate", "item_id": "a", "audio_end_ms": 5}, "content_index", "number"),
        ({"type": "conversation.item.truncate", "item_id": "a", "content_index": 0}, "audio_end_ms", "needed number"),
    ],
    "response.create": [
        (_respond(), "response", "object"),
        (_respond(), "response.conversation", "text"),
        (_respond(), "response.input", "list"),
        (_respond(input=[MESSAGE]), "response.input[0]", "needed object"),
        (_respond(input=[MESSAGE]), "response.input[0].type", "needed text"),
        (_respond(input=[MESSAGE]), "response.input[0].content", "needed list"),
        (_respond(input=[{"type": "item_reference", "id": "a"}]), "response.input[0].id", "needed text"),
        (_respond(), "response.instructions", "text"),
        (_respond(), "response.output_modalities", "modalities"),
        (_respond(), "response.max_output_tokens", "tokens"),
        (_respond(), "response.metadata", "metadata"),
        (_respond(), "response.tools", "list"),
        (_respond(tools=[FUNCTION]), "response.tools[0].name", "needed text"),
        (_respond(), "response.tool_choice", "choice"),
        (_respond(), "response.parallel_tool_calls", "flag"),
        (_respond(), "response.audio", "object"),
        (_respond(audio={}), "response.audio.output", "object"),
        (_respond(audio={"output": {}}), "response.audio.output.voice", "text or object"),
        (_respond(audio={"output": {}}), "response.audio.output.format", "format"),
        (_respond(audio={"output": {"format": PCM}}), "response.audio.output.format.rate", "rate"),
    ],
    "response.cancel": [({"type": "response.cancel"}, "response_id", "text")],
}


@pytest.mark.parametrize("kind", CASES)
async def test_wrong_types(server: Serving, kind: str) -> None:
    """All that is wrong is told before the session is asked to live on."""
    told: list[str] = []
    async with calling(server.ws) as caller:
        for base, path, should_be in CASES[kind]:
            for wrong in WRONG[should_be]:
                event = _with(base, path, wrong) | {"event_id": f"evt_{path}"}
                before = len(caller.frames)
                await caller.socket.send(json.dumps(event))
                await caller.settled()
                answers = caller.frames[before:-1]
                fault = _fault(answers, path, wrong)
                if fault:
                    told.append(f"{path} = {json.dumps(wrong)}: {fault}")
        assert not told, "\n".join(told)
        await lives(caller)


def _with(event: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """``event`` with ``value`` at ``path`` ("item.content[0].text")."""
    event = copy.deepcopy(event)
    place: Any = event
    *way, last = [int(part) if part.isdigit() else part for part in path.replace("[", ".").replace("]", "").split(".")]
    for step in way:
        place = place[step] if isinstance(step, int) else place.setdefault(step, {})
    place[last] = value
    return event


def _fault(answers: list[dict[str, Any]], path: str, wrong: object) -> str:
    """What is wrong with the answer; "" for nothing."""
    if [frame["type"] for frame in answers] != ["error"]:
        return f"answered with {[frame['type'] for frame in answers]}"
    error = answers[0]["error"]
    codes = ("invalid_value", "invalid_type", *(["missing_required_parameter"] if wrong in (None, {}, []) else []))
    if error["type"] != "invalid_request_error" or error["code"] not in codes:
        return f"{error['type']} {error['code']}"
    if error["event_id"] != f"evt_{path}":
        return f"event_id {error['event_id']}"
    if not error["param"] or not _is_about(error["param"], path):
        return f"param {error['param']}"
    return "" if 10 < len(error["message"]) < 1_000 else f"message {error['message']!r}"


def _is_about(param: str, path: str) -> bool:
    """The field itself, what holds it, or what it holds."""
    return path.startswith(param) or param.startswith(path)


@pytest.mark.parametrize("event_id", [5, 1.5, True, [], {}, ["a"], "x" * 10_000])
async def test_an_event_id_that_is_none(server: Serving, event_id: object) -> None:
    """It cannot be echoed, and is not taken for the event's own fault to be passed over."""
    async with calling(server.ws) as caller:
        error = await refused(caller, json.dumps({"type": "input_audio_buffer.clear", "event_id": event_id}))
        assert (error["param"], error["event_id"]) == ("event_id", None)
        assert caller.count("input_audio_buffer.cleared") == 0
        await lives(caller)


MISSING: list[tuple[dict[str, Any], str]] = [
    ({"type": "session.update"}, "session"),
    ({"type": "input_audio_buffer.append"}, "audio"),
    ({"type": "conversation.item.create"}, "item"),
    ({"type": "conversation.item.create", "item": {}}, "item.type"),
    ({"type": "conversation.item.delete"}, "item_id"),
    ({"type": "conversation.item.retrieve"}, "item_id"),
    ({"type": "conversation.item.truncate", "audio_end_ms": 5, "content_index": 0}, "item_id"),
    ({"type": "conversation.item.truncate", "item_id": "a", "content_index": 0}, "audio_end_ms"),
    (_create({**MESSAGE, "content": [{"type": "input_text"}]}), "item.content[0].text"),
    (_create({"type": "function_call_output", "output": "o"}), "item.call_id"),
    (_create({"type": "function_call", "arguments": "{}"}), "item.name"),
    (_respond(input=[{"type": "item_reference"}]), "response.input[0].id"),
    (_session(tools=[{"type": "function"}]), "session.tools[0].name"),
    (_session(tools=[{"type": "mcp", "server_url": "http://127.0.0.1:9/"}]), "session.tools[0].server_label"),
]


async def test_what_is_missing_is_named(server: Serving) -> None:
    async with calling(server.ws) as caller:
        for event, param in MISSING:
            error = await refused(caller, json.dumps({**event, "event_id": param}))
            assert (error["code"], error["param"], error["event_id"]) == ("missing_required_parameter", param, param)
            assert param in error["message"]
        await lives(caller)

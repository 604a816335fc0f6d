"""Items of a conversation, between the wire's shape and ours.

On the way out a field without a value is left out and never null, but for the transcript of sound whose words are not
known and the output of a tool that has not answered: one client's schemas drop every item that has a null more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from duologue.audio.codec import encode_pcm16
from duologue.audio.g711 import RATE_HZ, decode_g711
from duologue.errors import ClientError
from duologue.items import (
    FunctionCall,
    FunctionOutput,
    Item,
    ItemReference,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpTool,
    McpTools,
    Message,
    Part,
    PartKind,
    Role,
    SoundFormat,
    new_id,
)
from duologue.protocols.openai_realtime.messages import LARGEST_OBJECT_BYTES, ContentPart, WireItem, brief

# An image of 8 megapixels as JPEG is 3 MB, in base64 4 MB.
LONGEST_IMAGE_CHARS = 8 * 1024 * 1024
_ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_KINDS: dict[str, PartKind] = {
    "input_text": "input_text",
    "input_audio": "input_audio",
    "input_image": "input_image",
    "output_text": "output_text",
    "output_audio": "output_audio",
    # Names of the protocol's beta, which some clients still write into items.
    "text": "output_text",
    "audio": "output_audio",
}

T = TypeVar("T")


def missing(param: str, hint: str = "") -> ClientError:
    """The error for a field that is not there."""
    message = f"Missing required parameter: '{param}'.{hint and f' {hint}'}"
    return ClientError(message, code="missing_required_parameter", param=param)


def _need(value: T | None, param: str) -> T:
    if value is None:
        raise missing(param)
    return value


# --- from the client ------------------------------------------------------------------------------------------


def to_item(wire: WireItem, param: str = "item", sound: SoundFormat = "pcm16") -> Item:
    """``sound``: what the session's input is, and so the sound in an item. Raises ClientError for what cannot be."""
    read = _READERS.get(wire.type)
    if read is None:
        raise ClientError(
            f"Invalid value: {brief(wire.type)}. Supported values are: {', '.join(_READERS)}.", param=f"{param}.type"
        )
    for name in ("arguments", "output", "reason"):
        _refuse_long(getattr(wire, name) or "", f"{param}.{name}")
    return read(wire, param, sound)


def to_items(items: Sequence[WireItem], param: str, sound: SoundFormat) -> tuple[Item | ItemReference, ...]:
    """A list of items and references, as a response may be given it."""
    return tuple(_item_or_reference(item, f"{param}[{i}]", sound) for i, item in enumerate(items))


def _item_or_reference(wire: WireItem, param: str, sound: SoundFormat) -> Item | ItemReference:
    if wire.type == "item_reference":
        return ItemReference(id=_need(wire.id, f"{param}.id"))
    return to_item(wire, param, sound)


def _message(wire: WireItem, param: str, sound: SoundFormat) -> Message:
    role = _ROLES.get(wire.role or "")
    if role is None:
        raise ClientError(
            f"Invalid value: {brief(wire.role)}. Supported values are: system, user, assistant.", param=f"{param}.role"
        )
    parts = tuple(_part(part, f"{param}.content[{i}]", sound) for i, part in enumerate(wire.content or []))
    _refuse_long("".join(part.text or "" for part in parts), f"{param}.content")
    if not parts:
        raise missing(f"{param}.content")
    return Message(id=wire.id or new_id("item"), role=role, parts=parts)


def _refuse_long(text: str, param: str) -> None:
    if len(text) > LARGEST_OBJECT_BYTES:
        raise ClientError(f"'{param}' holds more than {LARGEST_OBJECT_BYTES // 1024} KiB of text.", param=param)


def _part(wire: ContentPart, param: str, sound: SoundFormat) -> Part:
    kind = _KINDS.get(wire.type)
    if kind is None:
        raise ClientError(f"Content of type {brief(wire.type)} is not supported.", param=f"{param}.type")
    if kind == "input_image":
        return _image(wire, param)
    if kind == "input_audio":
        return _sound(wire, param, sound)
    needed = "transcript" if kind == "output_audio" else "text"
    text = wire.text if kind != "output_audio" else wire.transcript if wire.transcript is not None else wire.text
    if text is None:
        raise missing(f"{param}.{needed}")
    return Part(kind=kind, text=text)


def _sound(wire: ContentPart, param: str, sound: SoundFormat) -> Part:
    """Sound whose words come along is kept as its words."""
    if wire.transcript is not None:
        return Part(kind="input_audio", text=wire.transcript)
    if not wire.audio:
        raise missing(f"{param}.audio", "Give the sound in base64, or its 'transcript'.")
    pcm, rate_hz = to_pcm(wire.audio, sound)
    return Part(kind="input_audio", pcm=pcm, rate_hz=rate_hz)


def to_pcm(data: bytes, sound: SoundFormat) -> tuple[bytes, int]:
    """Sound as the wire carries it -> s16le mono and its rate."""
    if sound == "pcm16":
        return data, 24_000
    return encode_pcm16(decode_g711(data, sound)), RATE_HZ


def _image(wire: ContentPart, param: str) -> Part:
    url = _need(wire.image_url, f"{param}.image_url")
    if not url.startswith("data:image/"):
        raise ClientError(
            f"Invalid value for '{param}.image_url': give the image as a data URI (data:image/png;base64,...).",
            param=f"{param}.image_url",
        )
    if len(url) > LONGEST_IMAGE_CHARS:
        raise ClientError(
            f"'{param}.image_url' is larger than {LONGEST_IMAGE_CHARS // 2**20} MiB.", param=f"{param}.image_url"
        )
    detail = wire.detail if wire.detail in ("low", "high") else "auto"
    return Part(kind="input_image", image_url=url, detail=detail)


def _call(wire: WireItem, param: str, _sound: SoundFormat) -> FunctionCall:
    return FunctionCall(
        id=wire.id or new_id("item"),
        call_id=wire.call_id or new_id("call"),
        name=_need(wire.name, f"{param}.name"),
        arguments=_need(wire.arguments, f"{param}.arguments"),
    )


def _output(wire: WireItem, param: str, _sound: SoundFormat) -> FunctionOutput:
    return FunctionOutput(
        id=wire.id or new_id("item"),
        call_id=_need(wire.call_id, f"{param}.call_id"),
        output=_need(wire.output, f"{param}.output"),
    )


def _mcp_tools(wire: WireItem, param: str, _sound: SoundFormat) -> McpTools:
    """Told by a client that brings back an earlier conversation; what the server offers now is asked anew."""
    return McpTools(id=wire.id or new_id("mcpl"), label=_need(wire.server_label, f"{param}.server_label"))


def _mcp_call(wire: WireItem, param: str, _sound: SoundFormat) -> McpCall:
    return McpCall(
        id=wire.id or new_id("mcp"),
        label=_need(wire.server_label, f"{param}.server_label"),
        name=_need(wire.name, f"{param}.name"),
        arguments=_need(wire.arguments, f"{param}.arguments"),
        output=wire.output,
        approval_request_id=wire.approval_request_id,
    )


def _mcp_request(wire: WireItem, param: str, _sound: SoundFormat) -> McpApprovalRequest:
    return McpApprovalRequest(
        id=wire.id or new_id("mcpr"),
        label=_need(wire.server_label, f"{param}.server_label"),
        name=_need(wire.name, f"{param}.name"),
        arguments=_need(wire.arguments, f"{param}.arguments"),
    )


def _mcp_response(wire: WireItem, param: str, _sound: SoundFormat) -> McpApprovalResponse:
    return McpApprovalResponse(
        id=wire.id or new_id("mcpa"),
        approval_request_id=_need(wire.approval_request_id, f"{param}.approval_request_id"),
        approve=_need(wire.approve, f"{param}.approve"),
        reason=wire.reason,
    )


_READERS: dict[str, Callable[[WireItem, str, SoundFormat], Item]] = {
    "message": _message,
    "function_call": _call,
    "function_call_output": _output,
    "mcp_list_tools": _mcp_tools,
    "mcp_call": _mcp_call,
    "mcp_approval_request": _mcp_request,
    "mcp_approval_response": _mcp_response,
}


# --- to the client --------------------------------------------------------------------------------------------


def from_item(item: Item) -> dict[str, Any]:
    """An item as the wire shows it."""
    return _WRITERS[type(item)](item)


def _from_message(item: Message) -> dict[str, Any]:
    head = _head(item, "message", role=item.role)
    return {**head, "content": [_from_part(part) for part in item.parts]}


def _from_part(part: Part) -> dict[str, Any]:
    if part.kind == "input_image":
        # Whoever sent the image has it; a copy in every event would be megabytes.
        return {"type": part.kind, "detail": part.detail}
    return {"type": part.kind, ("transcript" if part.kind.endswith("audio") else "text"): part.text}


def _head(item: Item, kind: str, **fields: Any) -> dict[str, Any]:
    given = {key: value for key, value in fields.items() if value is not None}
    return {"id": item.id, "object": "realtime.item", "type": kind, "status": item.status, **given}


def _fields(kind: str, names: Mapping[str, str], item: Item) -> dict[str, Any]:
    """``names``: the wire's for each of ours."""
    return _head(item, kind, **{theirs: getattr(item, ours) for ours, theirs in names.items()})


def _from_tools(item: McpTools) -> dict[str, Any]:
    return {**_head(item, "mcp_list_tools", server_label=item.label), "tools": [_from_tool(t) for t in item.tools]}


def _from_tool(tool: McpTool) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": tool.name, "description": tool.description}
    shown["input_schema"] = json.loads(tool.parameters)
    return shown if tool.annotations is None else {**shown, "annotations": json.loads(tool.annotations)}


def _from_mcp_call(item: McpCall) -> dict[str, Any]:
    shown = _fields("mcp_call", {**_CALLED, "approval_request_id": "approval_request_id"}, item)
    # A client's parser wants it from the start.
    shown["output"] = item.output
    if item.failure is not None:
        code = {} if item.failure.code is None else {"code": item.failure.code}
        shown["error"] = {"type": item.failure.kind, "message": item.failure.message, **code}
    return shown


_CALLED = {"label": "server_label", "name": "name", "arguments": "arguments"}
_WRITERS: dict[type[Item], Callable[[Any], dict[str, Any]]] = {
    Message: _from_message,
    FunctionCall: partial(_fields, "function_call", {"call_id": "call_id", "name": "name", "arguments": "arguments"}),
    FunctionOutput: partial(_fields, "function_call_output", {"call_id": "call_id", "output": "output"}),
    McpTools: _from_tools,
    McpCall: _from_mcp_call,
    McpApprovalRequest: partial(_fields, "mcp_approval_request", _CALLED),
    McpApprovalResponse: partial(
        _fields,
        "mcp_approval_response",
        {"approval_request_id": "approval_request_id", "approve": "approve", "reason": "reason"},
    ),
}

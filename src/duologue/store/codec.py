"""A record <-> what the database has of it: JSON with the item's kind.

An item of a kind that this version does not know, written by a later one, is passed over and stays where it is.
"""

from __future__ import annotations

import msgspec
from msgspec import structs

from duologue.items import (
    FunctionCall,
    FunctionOutput,
    Item,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpTools,
    Message,
)
from duologue.store.records import Record, Timing

MOST_SEARCHED_CHARS = 65_536

KINDS: dict[str, type[Item]] = {
    "message": Message,
    "function_call": FunctionCall,
    "function_output": FunctionOutput,
    "mcp_tools": McpTools,
    "mcp_call": McpCall,
    "mcp_approval_request": McpApprovalRequest,
    "mcp_approval_response": McpApprovalResponse,
}
_NAMES = {kind: name for name, kind in KINDS.items()}


class _Around(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a record says besides its item. A missing field is as it is by default, an unknown one nothing."""

    item: msgspec.Raw
    said_at_s: float
    heard_ms: float | None = None
    words: tuple[tuple[int, float], ...] = ()
    text_heard: str | None = None
    backchannels: tuple[str, ...] = ()
    is_filler: bool = False
    timing: Timing | None = None


def encode(record: Record) -> tuple[str, str]:
    """The item's kind, and the record as JSON. Sound that came within the item is left out."""
    item = _without_sound(record.item)
    around = _Around(
        item=msgspec.Raw(_json(item)),
        said_at_s=float(record.said_at_s),
        heard_ms=record.heard_ms,
        words=record.words,
        text_heard=record.text_heard,
        backchannels=record.backchannels,
        is_filler=record.is_filler,
        timing=record.timing,
    )
    return _NAMES[type(item)], _json(around).decode()


def decode(kind: str, encoded: str, *, has_sound: bool = False) -> Record | None:
    """None for what this version cannot read."""
    known = KINDS.get(kind)
    if known is None:
        return None
    try:
        around = msgspec.json.decode(encoded, type=_Around)
        item = msgspec.json.decode(around.item, type=known)
    except msgspec.DecodeError:
        return None
    return Record(
        item=item,
        said_at_s=around.said_at_s,
        heard_ms=around.heard_ms,
        words=around.words,
        text_heard=around.text_heard,
        backchannels=around.backchannels,
        is_filler=around.is_filler,
        timing=around.timing,
        has_sound=has_sound,
    )


def is_turn(record: Record) -> bool:
    """Whether the user said something with it. A cough has no words."""
    return isinstance(record.item, Message) and record.item.role == "user" and text_of(record) != ""


def full_text(item: Item) -> str:
    """All words of a message; "" of anything else."""
    parts = item.parts if isinstance(item, Message) else ()
    return " ".join(part.text for part in parts if part.text)


def text_of(record: Record) -> str:
    """The words of it that were said and heard."""
    return full_text(record.item) if record.text_heard is None else record.text_heard


def searched_text(record: Record) -> str:
    """What it is found by: not what bridged a wait, nor what an application told the model; of a whole book its
    beginning, since making a megabyte fit to be searched takes a second."""
    if not isinstance(record.item, Message) or record.item.role == "system" or record.is_filler:
        return ""
    return text_of(record)[:MOST_SEARCHED_CHARS]


def _without_sound(item: Item) -> Item:
    if not isinstance(item, Message) or all(part.pcm is None for part in item.parts):
        return item
    return structs.replace(item, parts=tuple(structs.replace(part, pcm=None) for part in item.parts))


def _json(data: msgspec.Struct) -> bytes:
    # Times may come as numpy has them.
    return msgspec.json.encode(data, enc_hook=float)

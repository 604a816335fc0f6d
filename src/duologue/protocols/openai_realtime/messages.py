"""The client's events of the OpenAI Realtime protocol (GA), as they stand on the wire.

Only what must have a shape is given one: the ids, the sound and the items. ``session`` and ``response`` stay raw
JSON, since a partial, unknown or newer field there must never be an error (``settings`` reads them).
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from duologue.errors import ClientError

# Objects in free form are small; parsing a hostile 16 MiB one would hold up every session for seconds.
LARGEST_OBJECT_BYTES = 256 * 1024
# JSON schemas of tools nest some 20 deep. Copying and encoding recurse, and Python's stack ends at 1,000.
DEEPEST_OBJECT = 100
# Ids are echoed in frames that clients take up to 1 MiB of.
LONGEST_ID_CHARS = 512
LONGEST_HEADER_BYTES = 4 * LONGEST_ID_CHARS
MOST_PARTS = 256
MOST_ITEMS = 1024
LONGEST_AUDIO_MS = 24 * 60 * 60 * 1000

Id = Annotated[str, Meta(max_length=LONGEST_ID_CHARS)]


NULL = msgspec.Raw(b"null")


class ClientEvent(msgspec.Struct, frozen=True, tag_field="type", kw_only=True):
    event_id: Id | None = None


class SessionUpdate(ClientEvent, frozen=True, tag="session.update", kw_only=True):
    session: msgspec.Raw


class AudioAppend(ClientEvent, frozen=True, tag="input_audio_buffer.append", kw_only=True):
    audio: bytes


class AudioCommit(ClientEvent, frozen=True, tag="input_audio_buffer.commit"):
    pass


class AudioClear(ClientEvent, frozen=True, tag="input_audio_buffer.clear"):
    pass


class ContentPart(msgspec.Struct, frozen=True):
    type: str
    text: str | None = None
    transcript: str | None = None
    audio: bytes | None = None
    image_url: str | None = None
    detail: str | None = None


class WireItem(msgspec.Struct, frozen=True, kw_only=True):
    """Any item, or a reference to one: what each kind needs of it, ``items`` checks."""

    type: str
    id: Id | None = None
    role: str | None = None
    content: Annotated[list[ContentPart], Meta(max_length=MOST_PARTS)] | None = None
    call_id: Id | None = None
    name: Id | None = None
    arguments: str | None = None
    output: str | None = None
    server_label: Id | None = None
    tools: msgspec.Raw = msgspec.Raw(b"[]")
    approval_request_id: Id | None = None
    approve: bool | None = None
    reason: str | None = None


class ItemCreate(ClientEvent, frozen=True, tag="conversation.item.create", kw_only=True):
    item: WireItem
    previous_item_id: Id | None = None


class ItemDelete(ClientEvent, frozen=True, tag="conversation.item.delete", kw_only=True):
    item_id: Id


class ItemRetrieve(ClientEvent, frozen=True, tag="conversation.item.retrieve", kw_only=True):
    item_id: Id


class ItemTruncate(ClientEvent, frozen=True, tag="conversation.item.truncate", kw_only=True):
    item_id: Id
    audio_end_ms: Annotated[float, Meta(ge=0, le=LONGEST_AUDIO_MS)]
    content_index: int = 0


class ResponseCreate(ClientEvent, frozen=True, tag="response.create"):
    response: msgspec.Raw = NULL


class ResponseCancel(ClientEvent, frozen=True, tag="response.cancel"):
    response_id: Id | None = None


class OutputClear(ClientEvent, frozen=True, tag="output_audio_buffer.clear"):
    pass


class AudioPlayed(ClientEvent, frozen=True, tag="duologue.output_audio.played", kw_only=True):
    """Duologue's own, for clients that asked for it: so much of the item has been heard, and it goes on."""

    item_id: Id
    audio_end_ms: Annotated[int, Meta(ge=0, le=LONGEST_AUDIO_MS)]


AnyClientEvent = (
    SessionUpdate
    | AudioAppend
    | AudioCommit
    | AudioClear
    | ItemCreate
    | ItemDelete
    | ItemRetrieve
    | ItemTruncate
    | ResponseCreate
    | ResponseCancel
    | OutputClear
)
OwnClientEvent = AnyClientEvent | AudioPlayed


class _WithInput(msgspec.Struct):
    input: Annotated[list[WireItem], Meta(max_length=MOST_ITEMS)] | None = None


class _Header(msgspec.Struct):
    """What can be read of an event that does not fit: enough to answer it."""

    type: msgspec.Raw = NULL
    event_id: msgspec.Raw = NULL


_decoder: msgspec.json.Decoder[AnyClientEvent] = msgspec.json.Decoder(AnyClientEvent)
_own_decoder: msgspec.json.Decoder[OwnClientEvent] = msgspec.json.Decoder(OwnClientEvent)
_with_input = msgspec.json.Decoder(_WithInput)
_header_decoder = msgspec.json.Decoder(_Header)
_TYPES = frozenset(str(kind.__struct_config__.tag) for kind in AnyClientEvent.__args__)
_OWN_TYPES = frozenset(str(kind.__struct_config__.tag) for kind in OwnClientEvent.__args__)
_MISSING_FIELD = re.compile(r"missing required field `(\w+)`")
_AT_PATH = re.compile(r" - at `\$\.?(.*)`")


class BadEvent(ClientError):
    """A message that is not a client event. ``ref``: its ``event_id``, where one could be read."""

    def __init__(self, message: str, *, code: str, param: str | None = None, ref: str | None = None) -> None:
        super().__init__(message, code=code, param=param)
        self.ref = ref


def decode(data: str | bytes, *, with_own: bool = False) -> OwnClientEvent:
    """One text frame -> one client event; ``with_own``: Duologue's own among them. Raises BadEvent for anything
    else."""
    try:
        return (_own_decoder if with_own else _decoder).decode(data)
    except msgspec.ValidationError as error:
        raise _explain(data, str(error), _OWN_TYPES if with_own else _TYPES) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise _no_json() from None


def _no_json() -> BadEvent:
    return BadEvent("The message is not valid JSON.", code="invalid_json")


def _no_object(data: str | bytes) -> BadEvent:
    """What is no object may be no JSON either; a ``Raw`` is only looked over."""
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return _no_json()
    return BadEvent("An event is a JSON object with a 'type'.", code="invalid_value")


def _explain(data: str | bytes, problem: str, types: frozenset[str]) -> BadEvent:
    try:
        header = _header_decoder.decode(data)
    except msgspec.ValidationError:
        return _no_object(data)
    except (msgspec.DecodeError, RecursionError):
        return _no_json()
    kind, event_id = _glance(header.type), _glance(header.event_id)
    is_whole = isinstance(event_id, str) and len(bytes(header.event_id)) <= LONGEST_HEADER_BYTES
    ref = event_id if is_whole and len(event_id) <= LONGEST_ID_CHARS else None
    if kind is None:
        return BadEvent("Missing required parameter: 'type'.", code="missing_required_parameter", param="type", ref=ref)
    if not isinstance(kind, str) or kind not in types:
        known = ", ".join(sorted(types))
        return BadEvent(
            f"Invalid value: {brief(kind)}. Supported values are: {known}.",
            code="invalid_value",
            param="type",
            ref=ref,
        )
    path = found[1] if (found := _AT_PATH.search(problem)) else ""
    if missing := _MISSING_FIELD.search(problem):
        param = f"{path}.{missing[1]}".lstrip(".")
        return BadEvent(
            f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param, ref=ref
        )
    return BadEvent(f"Invalid value for '{path}': {problem}.", code="invalid_value", param=path or None, ref=ref)


def _glance(raw: msgspec.Raw) -> Any:
    """The value of a header field; of one that is far too long to be right, its first bytes as text."""
    data = bytes(raw)
    return msgspec.json.decode(data) if len(data) <= LONGEST_HEADER_BYTES else data[:64].decode(errors="replace")


def brief(value: object) -> str:
    """A value of the client's as an error message quotes it: never long, whatever it is."""
    if isinstance(value, list | dict):
        return "an array" if isinstance(value, list) else "an object"
    return repr(value[:64] if isinstance(value, str) else value)[:80]


def parse_response(raw: msgspec.Raw) -> tuple[dict[str, Any], list[WireItem] | None]:
    """The ``response`` of a response.create: its free form, and its ``input``, whose items may hold sound and images.
    Raises ClientError."""
    try:
        given = _with_input.decode(raw)
    except msgspec.ValidationError as error:
        at = found[1] if (found := _AT_PATH.search(str(error))) else ""
        param = f"response.{at}".rstrip(".")
        raise ClientError(f"Invalid value for '{param}': {error}.", param=param) from None
    if given.input is None:
        return parse_object(raw, "response"), None
    rest = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    del rest["input"]
    return parse_object(msgspec.Raw(msgspec.json.encode(rest)), "response"), given.input


def parse_object(raw: msgspec.Raw, param: str) -> dict[str, Any]:
    """A free-form JSON object. Raises ClientError for one that is no object, too large or too deep."""
    if len(bytes(raw)) > LARGEST_OBJECT_BYTES:
        raise ClientError(f"'{param}' is larger than {LARGEST_OBJECT_BYTES // 1024} KiB.", param=param)
    try:
        parsed = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        raise ClientError(f"'{param}' is not valid JSON.", code="invalid_json", param=param) from None
    if not isinstance(parsed, dict):
        raise ClientError(f"Invalid type for '{param}': expected an object.", param=param)
    if _is_deeper(parsed, DEEPEST_OBJECT):
        raise ClientError(f"'{param}' is nested more than {DEEPEST_OBJECT} deep.", param=param)
    return parsed


def _is_deeper(value: object, limit: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return limit == 0 or any(_is_deeper(each, limit - 1) for each in inner)

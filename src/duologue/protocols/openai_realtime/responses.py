"""The ``response`` of a ``response.create``: what one answer does differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from duologue.errors import ClientError
from duologue.items import ReplyOptions, SoundFormat, ToolSpec
from duologue.protocols.openai_realtime import fields, tooling
from duologue.protocols.openai_realtime.choices import Anything, Choices, check_voice
from duologue.protocols.openai_realtime.items import to_items
from duologue.protocols.openai_realtime.messages import WireItem


def reply_options(
    response: Mapping[str, Any],
    items: Sequence[WireItem] | None = None,
    sound: SoundFormat = "pcm16",
    offered: Sequence[ToolSpec] = (),
    choices: Choices | None = None,
) -> ReplyOptions:
    """``items``: its ``input``; ``sound``: the session's input format; ``offered``: the session's tools; ``choices``:
    what there is of voices. Raises ClientError for a value that cannot be."""
    output = fields.object_in(fields.object_in(response, "audio", "response"), "output", "response.audio")
    given = {key: value for key, value in response.items() if value is not None}
    own_tools = tooling.tools(given["tools"], "response.tools", offered) if "tools" in given else None
    return ReplyOptions(
        instructions=fields.optional_text(given.get("instructions"), "response.instructions"),
        modality=_read(given, "output_modalities", fields.modality),
        voice=_voice(output.get("voice"), choices or Anything()),
        output_format=_format(output.get("format")),
        max_output_tokens=_read(given, "max_output_tokens", _max_tokens),
        metadata=fields.metadata(response, "response"),
        items=None if items is None else to_items(items, "response.input", sound),
        in_conversation=_in_conversation(given.get("conversation", "auto")),
        tools=own_tools,
        tool_choice=_choice(given, offered if own_tools is None else own_tools),
        parallel_tool_calls=_read(given, "parallel_tool_calls", fields.flag),
    )


def _read(given: Mapping[str, Any], key: str, reader: Any) -> Any:
    return reader(given[key], f"response.{key}") if key in given else None


def _voice(value: object, choices: Choices) -> str | None:
    param = "response.audio.output.voice"
    return None if value is None else check_voice(fields.voice(value, param), param, choices)


def _max_tokens(value: object, param: str) -> int | Literal["inf"]:
    """As much as it takes may be wanted where the session has a limit."""
    return fields.max_tokens(value, param) or "inf"


def _format(value: object) -> SoundFormat | None:
    if value is None:
        return None
    return fields.FORMATS[fields.sound_format(value, "response.audio.output.format")["type"]]


def _choice(given: Mapping[str, Any], offered: Sequence[ToolSpec]) -> str | None:
    if "tool_choice" not in given:
        return None
    return tooling.tool_choice(given["tool_choice"], offered, "response.tool_choice")


def _in_conversation(value: object) -> bool:
    if not isinstance(value, str):
        raise ClientError("Invalid type for 'response.conversation': 'auto' or 'none'.", param="response.conversation")
    return value != "none"

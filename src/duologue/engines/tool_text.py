"""What goes to a tool and comes back from it, as text: arguments checked, results joined and cut to a size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from duologue.events import McpFailure

if TYPE_CHECKING:
    import mcp.types

# What one result may add to a prompt and to the history: some 16,000 tokens.
MAX_RESULT_BYTES = 65_536
# JSON-RPC 2.0, section 5.1; the last two are MCP's own.
INTERNAL_ERROR = -32603
INVALID_PARAMS = -32602
TIMED_OUT = -32001
CONNECTION_CLOSED = -32000


def arguments_of(text: str) -> dict[str, Any] | McpFailure:
    """The arguments of a call as the model wrote them; "" stands for none."""
    try:
        found = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        found = None
    if isinstance(found, dict):
        return found
    return McpFailure(kind="protocol_error", code=INVALID_PARAMS, message="the arguments are not a JSON object")


def result_text(result: mcp.types.CallToolResult) -> str | McpFailure:
    """The answer of a tool. What cannot be read is described in brackets; structured content is read where there is
    no text, since servers that give both say the same in both."""
    texts = [said for part in result.content if (said := _part_text(part))]
    has_text = any(part.type == "text" for part in result.content)
    if not has_text and result.structured_content is not None:
        texts.insert(0, msgspec.json.encode(result.structured_content).decode())
    text = cut("\n".join(texts))
    if result.is_error:
        return McpFailure(kind="tool_execution_error", message=text or "the tool failed and does not say why")
    return text


def cut(text: str, most_bytes: int = MAX_RESULT_BYTES) -> str:
    """``text`` of at most ``most_bytes`` in UTF-8, with a note where something is missing."""
    data = text.encode("utf-8", "replace")
    if len(data) <= most_bytes:
        return data.decode()
    note = f"\n[cut here: the result has {len(data)} bytes]"
    return data[: most_bytes - len(note)].decode("utf-8", "ignore") + note


def _part_text(part: mcp.types.ContentBlock) -> str:
    if part.type == "text":
        return part.text
    if part.type == "image" or part.type == "audio":  # noqa: PLR1714 (mypy does not narrow a set)
        return f"[{part.type}, {part.mime_type}, {_bytes_of(part.data)} bytes]"
    if part.type == "resource_link":
        return f"[resource {part.name}: {part.uri}]"
    said = getattr(part.resource, "text", None)
    if said is None:
        return f"[resource {part.resource.uri}, {_bytes_of(part.resource.blob)} bytes]"  # type: ignore[union-attr]
    return f"[resource {part.resource.uri}]\n{said}"


def _bytes_of(base64: str) -> int:
    return len(base64) * 3 // 4

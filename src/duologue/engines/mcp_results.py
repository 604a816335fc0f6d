"""What an MCP server says, as the rest of Duologue knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from duologue.engines.tool_text import cut
from duologue.items import McpFailure, McpTool

if TYPE_CHECKING:
    import mcp.types as wire


def tool_of(each: wire.Tool) -> McpTool:
    """A tool as it is offered; its schema is passed on as it came."""
    hints = each.annotations
    return McpTool(
        name=each.name,
        description=each.description or each.title or "",
        parameters=msgspec.json.encode(each.input_schema).decode(),
        annotations=None if hints is None else hints.model_dump_json(by_alias=True, exclude_none=True),
        is_read_only=hints is not None and hints.read_only_hint is True,
    )


def size_of(tool: McpTool) -> int:
    """What it takes of a memory, in characters."""
    return len(tool.name) + len(tool.description) + len(tool.parameters) + len(tool.annotations or "")


def result_text(result: wire.CallToolResult) -> str | McpFailure:
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


def _part_text(part: wire.ContentBlock) -> str:
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

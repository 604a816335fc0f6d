"""Arguments and results of tools, as text."""

from __future__ import annotations

from typing import Any

import mcp.types as wire
import pytest

from duologue.engines.mcp_results import result_text, tool_of
from duologue.engines.tool_text import arguments_of, cut
from duologue.items import McpFailure, McpTool


def text(said: str) -> wire.TextContent:
    return wire.TextContent(text=said)


def result(*parts: Any, **more: Any) -> str | McpFailure:
    return result_text(wire.CallToolResult(content=list(parts), **more))


def test_parts_are_joined() -> None:
    assert result(text("one"), text("two")) == "one\ntwo"
    assert result() == ""


def test_structured_content_is_read_where_there_is_no_text() -> None:
    assert result(structured_content={"a": [1, None]}) == '{"a":[1,null]}'
    assert result(text("one"), structured_content={"a": 1}) == "one"


def test_what_cannot_be_read_is_described() -> None:
    image = wire.ImageContent(data="AAAA" * 100, mime_type="image/png")
    audio = wire.AudioContent(data="AAAA", mime_type="audio/wav")
    link = wire.ResourceLink(name="menu", uri="https://shop.example/menu")
    page = wire.EmbeddedResource(resource=wire.TextResourceContents(uri="file:///a", text="the page"))
    blob = wire.EmbeddedResource(resource=wire.BlobResourceContents(uri="file:///b", blob="AAAA"))
    assert result(image, audio, link, page, blob) == (
        "[image, image/png, 300 bytes]\n[audio, audio/wav, 3 bytes]\n[resource menu: https://shop.example/menu]\n"
        "[resource file:///a]\nthe page\n[resource file:///b, 3 bytes]"
    )


@pytest.mark.parametrize(("parts", "message"), [([text("why")], "why"), ([], "the tool failed and does not say why")])
def test_a_failure_of_the_tool(parts: list[Any], message: str) -> None:
    assert result(*parts, is_error=True) == McpFailure(kind="tool_execution_error", message=message)


def test_a_cut_text_keeps_its_size_and_its_letters() -> None:
    assert cut("é" * 50, 100) == "é" * 50
    short = cut("é" * 51, 100)
    assert short == "é" * ((100 - len("\n[cut here: the result has 102 bytes]")) // 2) + (
        "\n[cut here: the result has 102 bytes]"
    )


def test_arguments() -> None:
    assert arguments_of('{"a": {"b": 1}}') == {"a": {"b": 1}}
    assert arguments_of("") == {}
    assert isinstance(arguments_of("[]"), McpFailure)


def test_a_tool_that_says_little_of_itself() -> None:
    assert tool_of(wire.Tool(name="x", input_schema={"type": "object"})) == McpTool(
        name="x", parameters='{"type":"object"}'
    )
    titled = wire.Tool(name="x", title="An X", input_schema={"type": "object"}, annotations=wire.ToolAnnotations())
    assert (tool_of(titled).description, tool_of(titled).is_read_only) == ("An X", False)

"""The tools that a client offers, and which of them the model may call."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import structs

from duologue.errors import ClientError
from duologue.items import FunctionTool, McpServer, ToolSpec
from duologue.protocols.openai_realtime import fields
from duologue.protocols.openai_realtime.items import missing

MOST_TOOLS = 128
# What chat servers take for the name of a function.
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def tools(value: object, path: str, known: Sequence[ToolSpec] = ()) -> tuple[ToolSpec, ...]:
    """``path``: where they stand ("session.tools"); ``known``: the session's so far, since an MCP server that is named
    without its URL is one of them. Raises ClientError."""
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MOST_TOOLS:
        raise ClientError(f"Invalid value for '{path}': expected an array of at most {MOST_TOOLS} tools.", param=path)
    servers = {tool.label: tool for tool in known if isinstance(tool, McpServer)}
    found = tuple(_tool(each, f"{path}[{i}]", servers) for i, each in enumerate(value))
    names = [each.name if isinstance(each, FunctionTool) else f"{each.label} (MCP server)" for each in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ClientError(f"Invalid value for '{path}': there are two tools named '{twice}'.", param=path)
    return found


def _tool(value: object, path: str, servers: Mapping[str, McpServer]) -> ToolSpec:
    if not isinstance(value, dict):
        raise ClientError(f"Invalid type for '{path}': expected an object.", param=path)
    kind = fields.one_of(value.get("type", "function"), f"{path}.type", ("function", "mcp"))
    return _function(value, path) if kind == "function" else _server(value, path, servers)


def _function(value: Mapping[str, Any], path: str) -> FunctionTool:
    if value.get("name") is None:
        raise missing(f"{path}.name")
    name = fields.text(value["name"], f"{path}.name")
    if not _NAME.fullmatch(name):
        raise ClientError(
            f"Invalid value for '{path}.name': up to 64 letters, digits, '_' and '-'.", param=f"{path}.name"
        )
    schema = fields.object_in(value, "parameters", path) or {"type": "object", "properties": {}}
    return FunctionTool(
        name=name,
        description=fields.optional_text(value.get("description"), f"{path}.description") or "",
        parameters=msgspec.json.encode(schema).decode(),
    )


def _server(value: Mapping[str, Any], path: str, servers: Mapping[str, McpServer]) -> McpServer:
    if value.get("server_label") is None:
        raise missing(f"{path}.server_label")
    label = fields.text(value["server_label"], f"{path}.server_label")
    if value.get("server_url") is not None:
        server = McpServer(
            label=label,
            url=_url(value["server_url"], f"{path}.server_url"),
            headers=_headers(value, path),
            description=fields.optional_text(value.get("server_description"), f"{path}.server_description") or "",
        )
    elif label in servers:
        server = servers[label]
        if value.get("allowed_tools") is value.get("require_approval") is None:
            return server
    else:
        raise missing(f"{path}.server_url", "OpenAI's connectors and tunnels do not exist here: name the server's URL.")
    allowed, only_read_only = _allowed(value.get("allowed_tools"), f"{path}.allowed_tools")
    asks_first, never_asks, asks_unless_read_only = _approval(value.get("require_approval"), f"{path}.require_approval")
    return structs.replace(
        server,
        allowed=allowed,
        only_read_only=only_read_only,
        asks_first=asks_first,
        never_asks=never_asks,
        asks_unless_read_only=asks_unless_read_only,
    )


def _url(value: object, param: str) -> str:
    url = fields.text(value, param)
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
    except ValueError:
        is_url = False
    if not is_url:
        raise ClientError(f"Invalid value for '{param}': expected an http or https URL.", param=param)
    return url


def _headers(value: Mapping[str, Any], path: str) -> dict[str, str]:
    headers = fields.object_in(value, "headers", path)
    for key, content in headers.items():
        is_plain = isinstance(content, str) and content.isprintable() and content.isascii()
        if not _HEADER.fullmatch(key) or not is_plain:
            raise ClientError(
                f"Invalid value for '{path}.headers': names and printable values.", param=f"{path}.headers"
            )
    token = fields.optional_text(value.get("authorization"), f"{path}.authorization")
    if token is not None and not (token.isprintable() and token.isascii()):
        raise ClientError(f"Invalid value for '{path}.authorization'.", param=f"{path}.authorization")
    return {**headers, "Authorization": f"Bearer {token}"} if token else headers


def _allowed(value: object, param: str) -> tuple[frozenset[str] | None, bool]:
    """(names or None for all, only those that only read)."""
    if value is None:
        return None, False
    if isinstance(value, list):
        return frozenset(fields.strings(value, param)), False
    if not isinstance(value, dict):
        raise ClientError(f"Invalid type for '{param}': expected an array of names or an object.", param=param)
    names = value.get("tool_names")
    return (
        None if names is None else frozenset(fields.strings(names, f"{param}.tool_names")),
        fields.flag(value.get("read_only") or False, f"{param}.read_only"),
    )


def _approval(value: object, param: str) -> tuple[frozenset[str] | None, frozenset[str], bool]:
    """(tools that ask first or None for all, tools that never do, whether those that only read do not). The default
    is to ask, as at OpenAI."""
    if value is None or value == "always":
        return None, frozenset(), False
    if value == "never":
        return frozenset(), frozenset(), False
    if not isinstance(value, dict):
        raise ClientError(f"Invalid value for '{param}': 'always', 'never' or a filter.", param=param)
    always, never = (fields.object_in(value, key, param) for key in ("always", "never"))
    return (
        _names(always, f"{param}.always"),
        _names(never, f"{param}.never") or frozenset(),
        fields.flag(never.get("read_only") or False, f"{param}.never.read_only"),
    )


def _names(filter_: Mapping[str, Any], param: str) -> frozenset[str] | None:
    names = filter_.get("tool_names")
    return None if names is None else frozenset(fields.strings(names, f"{param}.tool_names"))


def tool_choice(value: object, offered: Sequence[ToolSpec], param: str) -> str:
    """ "auto", "none", "required", or the name of the one function to call."""
    if value is None:
        return "auto"
    if isinstance(value, str):
        return fields.one_of(value, param, ("auto", "none", "required"))
    if not isinstance(value, dict):
        raise ClientError(f"Invalid type for '{param}': expected a string or an object.", param=param)
    kind = fields.one_of(value.get("type"), f"{param}.type", ("function", "mcp"))
    if kind == "mcp":
        return fields.optional_text(value.get("name"), f"{param}.name") or "required"
    name = fields.text(value.get("name"), f"{param}.name")
    if not any(isinstance(tool, McpServer) or tool.name == name for tool in offered):
        raise ClientError(f"Invalid value for '{param}': there is no tool named '{name[:64]}'.", param=param)
    return name


def shown(value: list[Any]) -> list[Any]:
    """The tools as ``session.updated`` shows them: without what lets one in at an MCP server."""
    return [
        {key: each[key] for key in each if key not in ("authorization", "headers")} if isinstance(each, dict) else each
        for each in value
    ]

"""Chat completions as bytes: a request out, the chunks of its answer in. No sockets here.

Format: platform.openai.com/docs/api-reference/chat, and what Ollama, vLLM and llama.cpp make of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from duologue.engines.base import ChatMessage, ChatRequest, ChatUsage, Tool, ToolCall
from duologue.errors import EngineError

_CHOICES = {"auto", "none", "required"}


class FunctionPiece(msgspec.Struct):
    """``arguments`` is JSON as text, or, from servers that decode it, the object itself."""

    name: str | None = None
    arguments: Any = None


class CallPiece(msgspec.Struct):
    """A piece of a function call, or a whole one."""

    index: int | None = None
    id: str | None = None
    function: FunctionPiece | None = None


class _Part(msgspec.Struct):
    """A piece of an answer in parts; what is thought or refused has no ``text``."""

    text: str | None = None


class Said(msgspec.Struct):
    """What a chunk adds to the answer."""

    content: str | list[_Part] | None = None
    tool_calls: list[CallPiece] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text or "" for part in self.content)
        return self.content or ""


class Choice(msgspec.Struct):
    delta: Said | None = None
    message: Said | None = None
    finish_reason: str | None = None


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None


class Chunk(msgspec.Struct):
    """One event of a streamed answer, or a whole answer."""

    choices: list[Choice] | None = None
    usage: _Usage | None = None
    error: msgspec.Raw = msgspec.Raw()

    @property
    def choice(self) -> Choice | None:
        return self.choices[0] if self.choices else None

    @property
    def has_failed(self) -> bool:
        return bytes(self.error) not in {b"", b"null"}


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model] | None = None


def decode_chunk(payload: str | bytes) -> Chunk:
    """Raises msgspec.MsgspecError for what is no chunk."""
    return msgspec.json.decode(payload, type=Chunk)


def decode_models(body: bytes) -> list[str]:
    """The names in a list of models; none where the body is no such list."""
    try:
        models = msgspec.json.decode(body, type=_Models)
    except msgspec.MsgspecError:
        return []
    return [model.id for model in models.data or []]


def usage_of(chunk: Chunk) -> ChatUsage | None:
    """The tokens that the chunk accounts for, where it does."""
    if chunk.usage is None or chunk.usage.prompt_tokens is None:
        return None
    details = chunk.usage.prompt_tokens_details
    cached = details.cached_tokens if details is not None else None
    return ChatUsage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens or 0, cached or 0)


def encode_request(
    request: ChatRequest,
    *,
    model: str,
    temperature: float | None = None,
    extra: Mapping[str, object] | None = None,
    without: Collection[str] = (),
) -> bytes:
    """The body of the POST. ``extra``: more fields; ``without``: names of fields that this server does not take.

    Without ``max_tokens`` the limit goes under its newer name. Raises EngineError for a message in sound and for a
    tool whose parameters are no JSON.
    """
    body: dict[str, object] = {
        "model": model,
        "messages": [_message(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.max_tokens is not None:
        body["max_completion_tokens" if "max_tokens" in without else "max_tokens"] = request.max_tokens
    if temperature is not None:
        body["temperature"] = temperature
    if request.tools:
        body |= _tool_fields(request)
    body |= extra or {}
    return msgspec.json.encode({name: value for name, value in body.items() if name not in without})


def _tool_fields(request: ChatRequest) -> dict[str, object]:
    """What is as the servers have it anyway is not sent: some refuse what they do not know."""
    fields: dict[str, object] = {"tools": [_tool(tool) for tool in request.tools]}
    choice = request.tool_choice
    if choice != "auto":
        fields["tool_choice"] = choice if choice in _CHOICES else {"type": "function", "function": {"name": choice}}
    if not request.parallel_tool_calls:
        fields["parallel_tool_calls"] = False
    return fields


def _tool(tool: Tool) -> dict[str, object]:
    try:
        parameters = msgspec.json.decode(tool.parameters)
    except msgspec.MsgspecError as error:
        raise EngineError(f"the parameters of the tool {tool.name!r} are no JSON schema: {error}") from error
    described = {"description": tool.description} if tool.description else {}
    return {"type": "function", "function": {"name": tool.name, **described, "parameters": parameters}}


def _message(message: ChatMessage) -> dict[str, object]:
    if message.audio is not None:
        raise EngineError("this chat model takes words, and was given sound: choose an engine that hears")
    fields: dict[str, object] = {"role": message.role, "content": _content(message)}
    if message.tool_calls:
        fields["tool_calls"] = [_call(call) for call in message.tool_calls]
    if message.role == "tool":
        fields["tool_call_id"] = message.tool_call_id
    return fields


def _content(message: ChatMessage) -> object:
    """Words alone are a string, as every server takes them."""
    if not message.images:
        return message.content
    words = [{"type": "text", "text": message.content}] if message.content else []
    images = [{"type": "image_url", "image_url": {"url": i.url, "detail": i.detail}} for i in message.images]
    return [*words, *images]


def _call(call: ToolCall) -> dict[str, object]:
    """Arguments that broke off are sent as none at all: llama.cpp and Ollama decode them, and refuse what is broken."""
    try:
        is_object = isinstance(msgspec.json.decode(call.arguments), dict)
    except msgspec.MsgspecError:
        is_object = False
    arguments = call.arguments if is_object else "{}"
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}

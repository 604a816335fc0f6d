"""A chat model without weights that calls functions, so that clients' tools can be tried on fixed words.

It calls a function of those offered when the user's words have a part of its name in them: "What is the weather in
Oslo?" calls ``get_weather``, with the last word where a string is asked for and the numbers where numbers are. When
the result is there it says it. A user who asks for a story gets one that takes a while, to be interrupted.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from itertools import takewhile
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from duologue.engines.base import ChatDelta, ChatMessage, ChatRequest, ChatUsage, Tool, ToolCallDelta
from duologue.engines.scripted import TWELVE_WORDS, ScriptedStream

STORY = " ".join(f"This is sentence number {n} of a story that takes its time." for n in range(1, 11))
PIECE_CHARS = 6
# Shorter parts of a function's name ("get", "set", "my") are in many sentences.
TELLING_CHARS = 4
_ANY_OF: dict[str, Any] = {"boolean": True, "array": [], "object": {}, "null": None}


class ScriptedToolChat(ScriptedStream[ChatRequest, ChatDelta]):
    """Calls functions, tells their results, tells stories ``word_s`` a word; else the same ``text`` at once."""

    name = "scripted-tools"

    def __init__(self, text: str = TWELVE_WORDS, word_s: float = 0.04) -> None:
        self._text = text
        self._word_s = word_s

    async def results(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        asked = _asked(request.messages)
        results = _results(request.messages)
        calls = [] if results else _wanted(request, asked)
        if calls:
            async for delta in _call(calls, asked, prefix=f"call_{len(request.messages)}_"):
                yield delta
            return
        if results:
            text, word_s = f"The answer is: {' and '.join(results)}.", 0.0
        elif "story" in asked.lower():
            text, word_s = STORY, self._word_s
        else:
            text, word_s = self._text, 0.0
        async for delta in _say(text, word_s, request.max_tokens):
            yield delta


def _asked(messages: Sequence[ChatMessage]) -> str:
    """The user's last sentence: one who interrupts may have said more before it, of which nothing was answered. ""
    where the model has answered already."""
    last = next((m for m in reversed(messages) if m.role in {"user", "assistant"} and not m.tool_calls), None)
    if last is None or last.role == "assistant":
        return ""
    return re.split(r"(?<=[.?!])\s+|\n", last.content.strip())[-1]


def _results(messages: Sequence[ChatMessage]) -> list[str]:
    """What functions have given since anybody last spoke, in order."""
    last = list(takewhile(lambda m: m.role == "tool" or m.tool_calls, reversed(messages)))
    return [message.content for message in reversed(last) if message.role == "tool"]


def _wanted(request: ChatRequest, asked: str) -> list[Tool]:
    """The functions to call: by the words, or because one must be."""
    choice = request.tool_choice
    if choice == "none" or not request.tools:
        return []
    if choice not in {"auto", "required"}:
        return [tool for tool in request.tools if tool.name == choice]
    named = [tool for tool in request.tools if _is_named(tool.name, asked)]
    if not named and choice == "required":
        named = list(request.tools[:1])
    return named if request.parallel_tool_calls else named[:1]


def _is_named(name: str, text: str) -> bool:
    parts = [part for part in re.split(r"[^a-z0-9]+", name.lower()) if len(part) >= TELLING_CHARS]
    return any(part in text.lower() for part in parts)


async def _call(tools: Sequence[Tool], asked: str, prefix: str) -> AsyncGenerator[ChatDelta, None]:
    for index, tool in enumerate(tools):
        yield ChatDelta("", tool_call=ToolCallDelta(index, id=f"{prefix}{index}", name=tool.name))
        arguments = json.dumps(arguments_for(tool, asked))
        for start in range(0, len(arguments), PIECE_CHARS):
            piece = arguments[start : start + PIECE_CHARS]
            yield ChatDelta("", tool_call=ToolCallDelta(index, arguments=piece))
            await checkpoint()
    yield ChatDelta("", finish="tool_calls", usage=ChatUsage(len(asked.split()), len(tools)))


async def _say(text: str, word_s: float, max_tokens: int | None) -> AsyncGenerator[ChatDelta, None]:
    """A token is a word."""
    words = text.split()
    allowed = words[:max_tokens]
    for index, word in enumerate(allowed):
        yield ChatDelta(word if index == 0 else f" {word}")
        await anyio.sleep(word_s)
    yield ChatDelta("", finish="length" if len(allowed) < len(words) else "stop", usage=ChatUsage(0, len(allowed)))


def arguments_for(tool: Tool, asked: str) -> dict[str, Any]:
    """Something that fits each property of the function's schema, out of the user's words where it can be."""
    schema = json.loads(tool.parameters or "{}")
    numbers = iter(re.findall(r"-?\d+(?:\.\d+)?", asked))
    return {name: _argument(kind, asked, numbers) for name, kind in schema.get("properties", {}).items()}


def _argument(schema: dict[str, Any], asked: str, numbers: Iterator[str]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "string")
    if kind in {"integer", "number"}:
        number = float(next(numbers, "1"))
        return int(number) if kind == "integer" else number
    if kind in _ANY_OF:
        return _ANY_OF[kind]
    words = re.findall(r"\w+", asked)
    return words[-1] if words else ""

"""The conversation as a chat model is asked it: roles in turn, calls with their results, within a length."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from duologue.engines.base import ChatMessage, Image, ToolCall
from duologue.events import FunctionCall, FunctionOutput, McpCall, Message
from duologue.session.history import Entry

# What a turn as sound takes of the prompt, however short it is: 375 positions of the model. An image takes more.
SOUND_WORDS = 300
IMAGE_WORDS = 600
# Older turns leave the prompt beyond this many words, so that an endless talk never outgrows a chat model's
# context (4,096 tokens in the smallest that people attach).
PROMPT_WORDS = 2_400
# English prose: 1.3 tokens a word.
WORDS_PER_TOKEN = 0.75
# The result of a tool that a model cannot use at length; more would push the conversation out of the prompt.
LONGEST_RESULT_CHARS = 8_000
NO_RESULT_YET = "No result yet."

NameOf = Callable[[str, str], str]


def own_name(_label: str, name: str) -> str:
    """A tool's own name, for a conversation in which no two can be taken for each other."""
    return name


def messages(entries: Iterable[Entry], name_of: NameOf = own_name) -> list[ChatMessage]:
    """What was heard of each, in order; results of tools directly behind their calls, as chat servers want them.
    ``name_of``: by what the model knows a tool of an MCP server, given the server's label and its own name for it."""
    kept = [entry for entry in entries if not entry.is_filler]
    results = {e.item.call_id: e.item.output for e in kept if isinstance(e.item, FunctionOutput)}
    told: list[ChatMessage] = []
    called: list[tuple[ToolCall, str]] = []
    for entry in kept:
        item = entry.item
        if isinstance(item, Message):
            told.append(ChatMessage(item.role, _heard(entry), audio=entry.sound, images=_images(item)))
            called.clear()
        elif isinstance(item, FunctionOutput):
            called.clear()
        elif isinstance(item, FunctionCall | McpCall) and item.status != "incomplete":
            called.append(_called(item, results, name_of))
            # Calls side by side are one step of the model's, with all results behind it.
            if len(called) > 1:
                del told[-len(called) :]
            told += call_messages("", called)
    return told


def call_messages(text: str, calls: Collection[tuple[ToolCall, str]]) -> list[ChatMessage]:
    """What the model said and called in one step, then what it was given back."""
    answers = [ChatMessage("tool", result[:LONGEST_RESULT_CHARS], tool_call_id=call.id) for call, result in calls]
    return [ChatMessage("assistant", text, tool_calls=tuple(call for call, _ in calls)), *answers]


def result_of(item: McpCall) -> str:
    """What the model is told of a tool's answer."""
    if item.failure is not None:
        return f"The tool failed: {item.failure.message}"
    return NO_RESULT_YET if item.output is None else item.output


def _called(item: FunctionCall | McpCall, results: Mapping[str, str], name_of: NameOf) -> tuple[ToolCall, str]:
    """A call and what came of it."""
    if isinstance(item, McpCall):
        return ToolCall(item.id, name_of(item.label, item.name), item.arguments), result_of(item)
    return ToolCall(item.call_id, item.name, item.arguments), results.get(item.call_id, NO_RESULT_YET)


def _heard(entry: Entry) -> str:
    heard = entry.heard_text.strip()
    # The mark tells the model that it was interrupted here, so that it neither repeats nor assumes the rest.
    return f"{heard} ..." if entry.is_cut and heard else heard


def _images(item: Message) -> tuple[Image, ...]:
    return tuple(Image(part.image_url, part.detail) for part in item.parts if part.image_url is not None)


class Window:
    """How much of a conversation is asked. What has once left the prompt stays out, so that a model's cache of its
    beginning lasts: see OpenAI's "retention ratio"."""

    def __init__(self) -> None:
        self._left_out = 0

    def fit(self, told: Sequence[ChatMessage], share: float | None, tokens: int | None) -> list[ChatMessage]:
        """The newest of ``told``. Where they outgrow ``tokens`` (None: the server's own limit), only ``share`` of that
        is kept; None keeps everything."""
        if share is None:
            return list(told)
        most = PROMPT_WORDS if tokens is None else min(PROMPT_WORDS, int(tokens * WORDS_PER_TOKEN))
        kept = list(told[self._left_out if self._left_out < len(told) else 0 :])
        if sum(map(_length, kept)) > most:
            kept = _latest(kept, int(most * share))
        self._left_out = len(told) - len(kept)
        return kept


def prompt(instructions: str, told: Iterable[ChatMessage]) -> tuple[ChatMessage, ...]:
    """For a chat model: the instructions, then ``told`` with alternating roles."""
    merged = _merge(told)
    return (ChatMessage("system", instructions), *merged) if instructions else tuple(merged)


def _merge(told: Iterable[ChatMessage]) -> list[ChatMessage]:
    """Join neighbours of one role: many chat templates refuse two user messages in a row."""
    merged: list[ChatMessage] = []
    for message in told:
        if _is_empty(message):
            continue
        if merged and _joins(merged[-1], message):
            last = merged.pop()
            content = "\n".join(filter(None, (last.content, message.content)))
            merged.append(ChatMessage(message.role, content, images=(*last.images, *message.images)))
        elif merged and message.tool_calls and merged[-1].role == "assistant" and not merged[-1].tool_calls:
            # What was said before the call and the call are one message of the assistant's.
            said = merged.pop().content
            merged.append(ChatMessage("assistant", said, tool_calls=message.tool_calls))
        else:
            merged.append(message)
    return merged


def _is_empty(message: ChatMessage) -> bool:
    has_more = message.audio is not None or message.images or message.tool_calls
    return not message.content and not has_more and message.role != "tool"


def _joins(last: ChatMessage, message: ChatMessage) -> bool:
    is_plain = last.audio is message.audio is None and not last.tool_calls and not message.tool_calls
    return is_plain and last.role == message.role != "tool"


def _latest(told: list[ChatMessage], words: int) -> list[ChatMessage]:
    """The newest messages within ``words``, never fewer than one, and no result without its call."""
    kept: list[ChatMessage] = []
    for message in reversed(told):
        words -= _length(message)
        if words < 0 and kept:
            break
        kept.append(message)
    while len(kept) > 1 and kept[-1].role == "tool":
        kept.pop()
    return kept[::-1]


def _length(message: ChatMessage) -> int:
    if message.audio is not None:
        return SOUND_WORDS
    called = sum(len(call.arguments.split()) + 1 for call in message.tool_calls)
    return len(message.content.split()) + called + IMAGE_WORDS * len(message.images)

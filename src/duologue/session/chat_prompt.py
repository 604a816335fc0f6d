"""The conversation as a chat model is asked it: roles in turn, calls with their results, within a length."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from duologue.engines.base import ChatMessage, Image, ToolCall
from duologue.items import FunctionCall, FunctionOutput, McpCall, Message
from duologue.session.history import Entry

# What a turn as sound takes of the prompt, however short it is: 375 positions of the model. An image takes more.
SOUND_WORDS = 300
IMAGE_WORDS = 600
# Older turns leave the prompt beyond this many tokens, unless the operator says otherwise, so that an endless talk
# never outgrows a chat model's context (4,096 in the smallest that people attach).
CONTEXT_TOKENS = 3_200
# A model's own count is known only when it has answered, and asking it before would cost a request. English prose has
# 100 tokens in 75 words and four letters in each (OpenAI's help page "What are tokens and how to count them?"); a word
# is taken for so many bytes at least.
WORDS_PER_TOKEN = 0.75
BYTES_PER_WORD = 5
PROMPT_WORDS = int(CONTEXT_TOKENS * WORDS_PER_TOKEN)
# The result of a tool that a model cannot use at length; more would push the conversation out of the prompt.
LONGEST_RESULT_CHARS = 8_000
LEAST_RESULT_WORDS = 50
NO_RESULT_YET = "No result yet."

_WORD = re.compile(r"\S+")
NameOf = Callable[[str, str], str]


def own_name(_label: str, name: str) -> str:
    """A tool's own name, for a conversation in which no two can be taken for each other."""
    return name


class Step(NamedTuple):
    """What belongs together: a message, or calls side by side with their results. ``id``: of its first item."""

    id: str
    messages: list[ChatMessage]


def steps(entries: Iterable[Entry], name_of: NameOf = own_name) -> list[Step]:
    """What was heard of each, in order; results of tools directly behind their calls, as chat servers want them.
    ``name_of``: by what the model knows a tool of an MCP server, given the server's label and its own name for it."""
    kept = [entry for entry in entries if not entry.is_filler]
    results = {e.item.call_id: e.item.output for e in kept if isinstance(e.item, FunctionOutput)}
    told: list[Step] = []
    called: list[tuple[ToolCall, str]] = []
    for entry in kept:
        item = entry.item
        if isinstance(item, Message):
            message = ChatMessage(item.role, _heard(entry), audio=entry.sound, images=_images(item))
            told.append(Step(item.id, [message, *_backchannels(entry)]))
            called = []
        elif isinstance(item, FunctionOutput):
            called = []
        elif isinstance(item, FunctionCall | McpCall) and item.status != "incomplete":
            if not called:
                told.append(Step(item.id, []))
            called.append(_called(item, results, name_of))
            told[-1].messages[:] = call_messages("", called)
    return told


def messages(entries: Iterable[Entry], name_of: NameOf = own_name) -> list[ChatMessage]:
    """All of ``steps``, whatever their length."""
    return [message for step in steps(entries, name_of) for message in step.messages]


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


def _backchannels(entry: Entry) -> list[ChatMessage]:
    """What was said while listening is no turn of its own, and told as what it is."""
    if not entry.backchannels:
        return []
    return [ChatMessage("user", f"(While listening I said: {' '.join(entry.backchannels)})")]


def _images(item: Message) -> tuple[Image, ...]:
    return tuple(Image(part.image_url, part.detail) for part in item.parts if part.image_url is not None)


class Window:
    """How much of a conversation is asked. What has once left the prompt stays out, so that a model's cache of its
    beginning lasts: see OpenAI's "retention ratio". ``most_tokens``: the server's own limit."""

    def __init__(self, most_tokens: int = CONTEXT_TOKENS) -> None:
        self._most_tokens = most_tokens
        # Where the last prompt began, None where nothing had left it; from which item on it had everything; the same,
        # None where that was all.
        self._first: str | None = None
        self._begins: str | None = None
        self._mark: str | None = None
        self._shown: str | None = None

    def moved(self) -> str | None:
        """The item from which on prompts have everything now, once for each time that it is another; None: no other.
        The user's last words may be in them besides, from before it.

        Prompts of answers that were never let out count: what has left one of them stays out as well."""
        if self._mark == self._shown:
            return None
        self._shown = self._mark
        return self._begins

    def fit(self, told: Sequence[Step], share: float | None, tokens: int | None) -> list[ChatMessage]:
        """The newest of ``told``. Where they outgrow ``tokens`` (None: the server's own limit), only ``share`` of that
        is kept; None keeps everything. Results of tools take half of the room at the most."""
        if share is None:
            return [message for step in told for message in step.messages]
        most_tokens = self._most_tokens if tokens is None else min(self._most_tokens, tokens)
        most = int(most_tokens * WORDS_PER_TOKEN)
        first = next((i for i, step in enumerate(told) if step.id == self._first), 0)
        kept = [_shortened(step, int(most * share) // 2) for step in told[first:]]
        if sum(map(_step_length, kept)) > most:
            kept = _latest(kept, int(most * share))
        is_trimmed = len(kept) < len(told)
        self._first = kept[0].id if is_trimmed else None
        unbroken = kept[1:] if kept and told[-len(kept)].id != kept[0].id else kept
        self._begins = unbroken[0].id if unbroken else None
        self._mark = self._begins if is_trimmed else None
        return [message for step in kept for message in step.messages]


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


def _latest(told: list[Step], words: int) -> list[Step]:
    """The user's last words, and as many of the newest steps as there is room for, never none."""
    asked = next((step for step in reversed(told) if step.messages[0].role == "user"), None)
    words -= _step_length(asked) if asked is not None else 0
    kept: list[Step] = []
    for step in reversed(told):
        words -= _step_length(step) if step is not asked else 0
        if words < 0 and kept:
            break
        kept.insert(0, step)
    if asked is None or any(step is asked for step in kept):
        return kept
    return [asked, *kept]


def _shortened(step: Step, words: int) -> Step:
    """The results of a step within ``words`` in all."""
    results = [message for message in step.messages if message.role == "tool"]
    if not results or sum(map(_length, results)) <= words:
        return step
    each = max(LEAST_RESULT_WORDS, words // len(results))
    return Step(step.id, [_cut(m, each) if m.role == "tool" else m for m in step.messages])


def _cut(result: ChatMessage, words: int) -> ChatMessage:
    content = result.content.encode()[: words * BYTES_PER_WORD].decode(errors="ignore")
    ends = [match.end() for match in islice(_WORD.finditer(content), words)]
    return ChatMessage("tool", content[: ends[-1] if ends else 0], tool_call_id=result.tool_call_id)


def _step_length(step: Step) -> int:
    return sum(map(_length, step.messages))


def _length(message: ChatMessage) -> int:
    if message.audio is not None:
        return SOUND_WORDS
    called = sum(_words(call.arguments) + 1 for call in message.tool_calls)
    return _words(message.content) + called + IMAGE_WORDS * len(message.images)


def _words(text: str) -> int:
    """As long as so many words of English: Chinese and JSON have no blanks between theirs."""
    return max(len(text.split()), len(text.encode()) // BYTES_PER_WORD)

"""What an answer is made of while it is given, and what is left of it when it is cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import anyio

from duologue.items import FunctionCall, McpApprovalRequest, McpCall, Usage, new_id
from duologue.session.history import Entry
from duologue.session.transcribe import Transcription
from duologue.session.writing import Call, Writing

# OpenAI's tokens of sound: one for each 50 ms out. Only counted, for clients that add up usage.
MS_PER_AUDIO_TOKEN = 50.0


@dataclass(frozen=True, slots=True)
class Unheard:
    """What is left of an answer: ``writing`` from its letter ``start`` and its call ``calls`` on."""

    writing: Writing
    start: int
    calls: int = 0

    def drop(self) -> None:
        """It will not be said."""
        self.writing.scope.cancel()


class Gate:
    """Open or shut. The answer waits at it while the floor is contested."""

    def __init__(self) -> None:
        self._opened = anyio.Event()
        self._opened.set()

    @property
    def is_open(self) -> bool:
        return self._opened.is_set()

    def shut(self) -> None:
        if self.is_open:
            self._opened = anyio.Event()

    def open(self) -> None:
        self._opened.set()

    async def passed(self) -> None:
        await self._opened.wait()


@dataclass(frozen=True, slots=True)
class Turned:
    """The spoken turn that is answered, the sample that it ended at, and when that was, and when it was committed, on
    the event loop's clock."""

    item_id: str
    words: Transcription
    ended_at: int
    ended_at_s: float
    committed_at_s: float


@dataclass(slots=True)
class Given:
    """One item of the answer. ``text_start``: where it begins in the answer's text; ``starts_ms``: in its sound."""

    entry: Entry
    index: int
    previous_id: str | None
    text_start: int = 0
    starts_ms: float = 0.0
    length_ms: float = 0.0
    is_open: bool = True


# What a call becomes: the item for it, its arguments still to come.
Caller = Callable[[Call], FunctionCall | McpCall | McpApprovalRequest]


def as_function(call: Call) -> FunctionCall:
    """A call that the client carries out."""
    return FunctionCall(id=new_id("item"), status="in_progress", call_id=call.id, name=call.name, arguments="")


def usage_of(writing: Writing, given: Iterable[Given], sent_ms: float) -> Usage:
    """As the model counted it, in words where it does not."""
    counted = writing.usage
    texts = [each.entry.text or "" for each in given]
    return Usage(
        input_text_tokens=writing.prompt_words if counted is None else counted.prompt_tokens,
        output_text_tokens=len(" ".join(texts).split()) if counted is None else counted.completion_tokens,
        output_audio_tokens=int(sent_ms / MS_PER_AUDIO_TOKEN),
        cached_tokens=0 if counted is None else counted.cached_tokens,
    )

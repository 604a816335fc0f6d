"""What the model that answers is asked: made when all of its words are known, or at once for one that hears."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

import anyio

from duologue.engines.base import ChatMessage
from duologue.items import Message
from duologue.session.asking import Prompt
from duologue.session.chat_prompt import NameOf, messages, own_name, prompt
from duologue.session.history import Entry, History
from duologue.session.transcribe import Transcription

# What a model is told when nobody has spoken for a while; not in the history.
SILENCE = "(I have said nothing for a while.)"
# What one is told that has said something else since its tool was called.
NEWS = "(The tool has answered.)"


class Tell(Protocol):
    """What of the conversation is told, and behind it the turn that will be the item ``turn_id``, within the length of
    a prompt."""

    def __call__(
        self, entries: Iterable[Entry], turn: ChatMessage | None = None, turn_id: str = ""
    ) -> list[ChatMessage]: ...


def turn_prompt(
    history: History, instructions: str, turn: Transcription, pending: Collection[anyio.Event], tell: Tell
) -> Prompt:
    """The conversation up to this moment, once it has the words of all that came before (``pending``: set as they
    come), then the words of ``turn``; ``tell``: what of it is told.

    Asks for nothing (None) if there are none; raises the transcription's failure.
    """
    entries, awaited = list(history), list(pending)

    async def ask() -> tuple[ChatMessage, ...] | None:
        await turn.known.wait()
        if turn.failure is not None:
            raise turn.failure
        if not turn.text:
            return None
        for event in awaited:
            await event.wait()
        return prompt(instructions, tell(entries, ChatMessage("user", turn.text), turn.stream))

    return ask


def heard_prompt(
    history: History, instructions: str, turn: Transcription, pending: Collection[anyio.Event], tell: Tell
) -> Prompt:
    """The conversation up to this moment, then ``turn`` as sound; ``pending``: what has to end before."""
    entries, awaited = list(history), list(pending)

    async def ask() -> tuple[ChatMessage, ...]:
        for event in awaited:
            await event.wait()
        return prompt(instructions, tell(entries, ChatMessage("user", "", audio=turn.sound), turn.stream))

    return ask


def history_prompt(
    history: History, instructions: str, pending: Collection[anyio.Event], tell: Tell, note: str | None = None
) -> Prompt:
    """The conversation as it is once it has the words of every committed turn; ``pending``: set as they come.
    ``note``: why the assistant, who spoke last, is to speak again."""
    awaited = list(pending)

    async def ask() -> tuple[ChatMessage, ...]:
        for event in awaited:
            await event.wait()
        asked = prompt(instructions, tell(history))
        is_answered = not asked or asked[-1].role in ("system", "assistant") or _assistant_spoke_last(history)
        return (*asked, ChatMessage("user", note)) if note is not None and is_answered else asked

    return ask


def _assistant_spoke_last(history: History) -> bool:
    """Even if somebody said "mm-hm" to it."""
    last = history.last()
    return last is not None and isinstance(last.item, Message) and last.item.role == "assistant"


def entries_prompt(
    entries: Collection[Entry], instructions: str, pending: Collection[anyio.Event], name_of: NameOf = own_name
) -> Prompt:
    """These items in place of the conversation."""
    awaited = list(pending)

    async def ask() -> tuple[ChatMessage, ...]:
        for event in awaited:
            await event.wait()
        return prompt(instructions, messages(entries, name_of))

    return ask

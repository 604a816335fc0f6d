"""What the model that answers is asked: made when all of its words are known, or at once for one that hears."""

from __future__ import annotations

from collections.abc import Collection

import anyio

from duologue.engines.base import ChatMessage
from duologue.events import Item
from duologue.session.asking import Prompt
from duologue.session.history import History, messages, prompt
from duologue.session.transcribe import Transcription


def turn_prompt(history: History, instructions: str, turn: Transcription, pending: Collection[anyio.Event]) -> Prompt:
    """The conversation up to this moment, once it has the words of all that came before (``pending``: set as they
    come), then the words of ``turn``.

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
        return prompt(instructions, [*messages(entries), ChatMessage("user", turn.text)])

    return ask


def heard_prompt(history: History, instructions: str, turn: Transcription, pending: Collection[anyio.Event]) -> Prompt:
    """The conversation up to this moment, then ``turn`` as sound; ``pending``: what has to end before."""
    entries, awaited = list(history), list(pending)

    async def ask() -> tuple[ChatMessage, ...]:
        for event in awaited:
            await event.wait()
        return prompt(instructions, [*messages(entries), ChatMessage("user", "", audio=turn.sound)])

    return ask


def history_prompt(history: History, instructions: str, pending: Collection[anyio.Event]) -> Prompt:
    """The conversation as it is once it has the words of every committed turn; ``pending``: set as they come."""
    awaited = list(pending)

    async def ask() -> tuple[ChatMessage, ...]:
        for event in awaited:
            await event.wait()
        return prompt(instructions, messages(history))

    return ask


def items_prompt(items: Collection[Item], instructions: str) -> Prompt:
    """These items in place of the conversation."""

    async def ask() -> tuple[ChatMessage, ...]:
        texts = [ChatMessage(item.role, "".join(part.text or "" for part in item.parts)) for item in items]
        return prompt(instructions, texts)

    return ask

"""What the model that answers is asked: made when all of its words are known, or at once for one that hears."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import anyio

from duologue.engines.base import ChatMessage
from duologue.session.asking import Prompt
from duologue.session.chat_prompt import messages, prompt
from duologue.session.history import Entry, History
from duologue.session.transcribe import Transcription

# What a model is told when nobody has spoken for a while; not in the history.
SILENCE = "(I have said nothing for a while.)"

Fit = Callable[[Iterable[ChatMessage]], list[ChatMessage]]


def turn_prompt(
    history: History, instructions: str, turn: Transcription, pending: Collection[anyio.Event], fit: Fit
) -> Prompt:
    """The conversation up to this moment, once it has the words of all that came before (``pending``: set as they
    come), then the words of ``turn``; ``fit``: what of it is told.

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
        return prompt(instructions, fit([*messages(entries), ChatMessage("user", turn.text)]))

    return ask


def heard_prompt(
    history: History, instructions: str, turn: Transcription, pending: Collection[anyio.Event], fit: Fit
) -> Prompt:
    """The conversation up to this moment, then ``turn`` as sound; ``pending``: what has to end before."""
    entries, awaited = list(history), list(pending)

    async def ask() -> tuple[ChatMessage, ...]:
        for event in awaited:
            await event.wait()
        return prompt(instructions, fit([*messages(entries), ChatMessage("user", "", audio=turn.sound)]))

    return ask


def history_prompt(
    history: History, instructions: str, pending: Collection[anyio.Event], fit: Fit, *, after_silence: bool = False
) -> Prompt:
    """The conversation as it is once it has the words of every committed turn; ``pending``: set as they come.
    ``after_silence``: nobody has spoken since its last answer."""
    awaited = list(pending)

    async def ask() -> tuple[ChatMessage, ...]:
        for event in awaited:
            await event.wait()
        silence = [ChatMessage("user", SILENCE)] if after_silence else []
        return prompt(instructions, fit([*messages(history), *silence]))

    return ask


def entries_prompt(entries: Collection[Entry], instructions: str, pending: Collection[anyio.Event]) -> Prompt:
    """These items in place of the conversation."""
    awaited = list(pending)

    async def ask() -> tuple[ChatMessage, ...]:
        for event in awaited:
            await event.wait()
        return prompt(instructions, messages(entries))

    return ask

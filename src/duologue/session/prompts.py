"""What the chat model is asked: made when all of its words are known."""

from __future__ import annotations

from collections.abc import Collection

from duologue.engines.base import ChatMessage
from duologue.events import Item
from duologue.session.history import History, prompt
from duologue.session.reply import Prompt
from duologue.session.transcribe import Transcription


def turn_prompt(history: History, instructions: str, turn: Transcription) -> Prompt:
    """The conversation up to this moment, then the words of ``turn`` once they are known.

    Asks for nothing (None) if there are none; raises the transcription's failure.
    """
    so_far = history.messages()

    async def ask() -> tuple[ChatMessage, ...] | None:
        await turn.known.wait()
        if turn.failure is not None:
            raise turn.failure
        return prompt(instructions, [*so_far, ChatMessage("user", turn.text)]) if turn.text else None

    return ask


def history_prompt(history: History, instructions: str, pending: Collection[Transcription]) -> Prompt:
    """The conversation as it is once the words of every committed turn (``pending``) are known."""

    async def ask() -> tuple[ChatMessage, ...]:
        for transcription in list(pending):
            await transcription.known.wait()
        return prompt(instructions, history.messages())

    return ask


def items_prompt(items: Collection[Item], instructions: str) -> Prompt:
    """These items in place of the conversation."""

    async def ask() -> tuple[ChatMessage, ...]:
        messages = [ChatMessage(item.role, "".join(part.text or "" for part in item.parts)) for item in items]
        return prompt(instructions, messages)

    return ask

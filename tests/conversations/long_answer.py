"""An answer of ten seconds, long enough to be cut into anywhere."""

from __future__ import annotations

from typing import Any

import anyio

from duologue.engines.client import EngineClient
from duologue.engines.scripted import ScriptedSynthesizer
from duologue.events import ReplyAudio, ReplyText
from tests.conversations.talk import (
    Person,
    Prompts,
    engines,
    hear_voices,
    remembering,
)

WORD_S = 0.25
LONG = " ".join(f"word{i}" for i in range(40)) + "."


def long_answer_engines(prompts: Prompts, text: str = LONG, **parts: Any) -> EngineClient:
    """An answer of ten seconds, a word each quarter of one, and ears that tell voices from noise."""
    stages: dict[str, Any] = {
        "chat": remembering(prompts, lambda n: text if n == 1 else "Second answer."),
        "asr": hear_voices("Please stop."),
        "tts": ScriptedSynthesizer(word_s=WORD_S),
    }
    return engines(**(stages | parts))


async def until_heard(person: Person, seconds: float) -> None:
    """The user asks, and hears the answer for so long."""
    await person.speak(1.0)
    await person.until(ReplyAudio)
    await anyio.sleep(seconds)


def assistant_words(prompt: list[tuple[str, str]]) -> list[str]:
    """The words of the assistant's last message, without the mark of a cut."""
    said = [text for role, text in prompt if role == "assistant"]
    return said[-1].removesuffix(" ...").split() if said else []


def words_of(person: Person, reply_id: str) -> list[str]:
    return "".join(event.text for event in person.heard(ReplyText) if event.reply_id == reply_id).split()

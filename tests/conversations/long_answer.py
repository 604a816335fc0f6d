"""An answer of ten seconds, long enough to be cut into anywhere."""

from __future__ import annotations

from typing import Any

import anyio

from duologue.engines.client import EngineClient
from duologue.engines.scripted import ScriptedSynthesizer
from duologue.events import Configure, ReplyAudio, ReplyDone, ReplyStarted, ReplyText
from duologue.items import SessionConfig
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


async def next_turn_is_answered(person: Person) -> None:
    """Whatever has happened: after some quiet somebody speaks, and is answered in full."""
    await person.tell(Configure(config=SessionConfig(show_transcript=True)))
    await anyio.sleep(3)
    await _quiet(person)
    replies = len(person.heard(ReplyStarted))
    assert len(person.heard(ReplyDone)) == replies, "a reply never ended"
    await person.speak(1.0)
    await person.until(ReplyDone, replies + 1)
    assert person.heard(ReplyDone)[-1].status == "completed"
    await anyio.sleep(0.5)
    await _quiet(person)
    assert person.loudness() == "over", "an answer is left lowered, held or unheard"


async def _quiet(person: Person) -> None:
    """A microphone that is off is quiet too, and takes no time to test."""
    person.is_sending = False
    await anyio.sleep(15)
    person.is_sending = True


def assistant_words(prompt: list[tuple[str, str]]) -> list[str]:
    """The words of the assistant's last message, without the mark of a cut."""
    said = [text for role, text in prompt if role == "assistant"]
    return said[-1].removesuffix(" ...").split() if said else []


def words_of(person: Person, reply_id: str) -> list[str]:
    return "".join(event.text for event in person.heard(ReplyText) if event.reply_id == reply_id).split()

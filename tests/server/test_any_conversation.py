"""Random conversations over the real wire: whatever the client does, and when, no rule of the protocol is broken."""

from __future__ import annotations

import random
from typing import Any

import anyio
import pytest

from duologue.engines.scripted import ScriptedChat, ScriptedSynthesizer
from tests.server.caller import Caller, calling, silence, voice
from tests.server.serving import engines, serving, until

pytestmark = pytest.mark.anyio

STORY = "one two three four, five six seven eight. nine ten eleven twelve. thirteen fourteen fifteen."
STEPS = 25
# Errors that a client may well earn by acting at random.
EARNED = {
    "response_cancel_not_active",
    "conversation_already_has_active_response",
    "input_audio_buffer_commit_empty",
    "item_truncate_invalid_item_id",
    "item_retrieve_invalid_item_id",
    "invalid_value",
}


async def _act(caller: Caller, dice: random.Random, aside: bool) -> None:
    """One thing that a client may do."""
    items = caller.checker.order
    some_item = dice.choice(items) if items else "item_none"
    match dice.randrange(14):
        case 0 | 1 | 2:
            await caller.append(voice(dice.uniform(0.05, 0.8)) + silence(dice.uniform(0, 0.6)))
        case 3 | 4:
            await caller.append(silence(dice.uniform(0.1, 1.0)))
        case 5:
            await caller.send("response.cancel")
        case 6:
            options: dict[str, Any] = {"output_modalities": [dice.choice(["audio", "text"])]}
            if aside and dice.random() < 0.5:
                options["conversation"] = "none"
            await caller.send("response.create", response=options)
        case 7:
            await caller.write("a line", previous_item_id=dice.choice([None, "root"]))
        case 8:
            await caller.send("input_audio_buffer.clear")
        case 9:
            await caller.send("input_audio_buffer.commit")
        case 10:
            kind = dice.choice(["server_vad", "semantic_vad", None])
            flags = {"interrupt_response": dice.random() < 0.7, "create_response": dice.random() < 0.8}
            await caller.detect({"type": kind, **flags} if kind else None)
        case 11:
            await caller.send(
                "conversation.item.truncate", item_id=some_item, content_index=0, audio_end_ms=dice.randrange(2_000)
            )
        case 12:
            await caller.send("conversation.item.retrieve", item_id=some_item)
        case 13:
            await anyio.sleep(dice.uniform(0, 0.15))


@pytest.mark.parametrize("seed", range(12))
async def test_a_random_conversation(seed: int) -> None:
    dice = random.Random(seed)
    aside = seed % 3 == 0
    chat = ScriptedChat(STORY, first_s=dice.choice([0, 0.05]), word_s=dice.choice([0, 0.02]))
    parts = engines(chat=chat, tts=ScriptedSynthesizer(word_s=dice.choice([0.01, 0.1]), first_s=0.01))
    async with (
        serving(parts, speculates=seed % 2 == 0) as server,
        calling(server.ws, allows_aside=aside) as caller,
    ):
        await caller.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
        for _ in range(STEPS):
            await _act(caller, dice, aside)
            await anyio.sleep(dice.choice([0, 0, 0.03]))
        await caller.detect({"type": "server_vad", "silence_duration_ms": 200, "create_response": True})
        await caller.append(silence(1.0))
        await caller.settled()
        await until(lambda: caller.count("response.done") == caller.count("response.created"))
        known = caller.count("response.done")
        await caller.say(1.0)
        await caller.wait("response.done", known + 1)
        await until(lambda: caller.count("response.done") == caller.count("response.created"))
        caller.checker.rest()
        assert set(caller.errors()) <= EARNED, caller.errors()

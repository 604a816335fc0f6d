"""Conversations on the virtual clock: who speaks when, and what is remembered."""

from __future__ import annotations

import anyio
import pytest

from duologue.events import (
    ItemAdded,
    ReplyAudio,
    ReplyDone,
    ReplyStarted,
    SpeechStarted,
    SpeechStopped,
)
from tests.conversations.talk import talk
from tests.virtual_time import VIRTUAL

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


async def test_one_turn_in_the_order_of_the_protocol() -> None:
    async with talk() as (person, _):
        await anyio.sleep(0.5)
        await person.speak(1.2)
        await person.until(ReplyDone)
    assert person.names() == [
        "SpeechStarted",
        "TranscriptDelta",
        "SpeechStopped",
        "TurnCommitted",
        "ItemAdded",
        "ItemDone",
        "TranscriptDone",
        "ReplyStarted",
        "ReplyItemStarted",
        "ReplyText",
        "ReplyAudio",
        "ReplyItemDone",
        "ReplyDone",
    ]

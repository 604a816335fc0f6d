"""Clients of a server that keeps conversations, and what they look at."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import anyio
import anyio.to_thread
import pytest
from websockets.exceptions import InvalidStatus

from duologue.errors import NotKept
from duologue.items import Message
from duologue.store.records import Record
from duologue.store.sqlite import SqliteStore
from tests.server.caller import Caller, calling
from tests.server.serving import Serving

ANYONE = "anyone"


def at(server: Serving, conversation: str) -> str:
    return f"{server.ws}&x_conversation={conversation}"


def opened(caller: Caller) -> dict[str, Any]:
    """What it was told of its conversation, without what every event has."""
    [frame] = caller.of("duologue.conversation.opened")
    assert [each["type"] for each in caller.frames[:2]] == ["session.created", "duologue.conversation.opened"]
    return {key: value for key, value in frame.items() if key not in ("type", "event_id")}


async def ask(caller: Caller, text: str) -> None:
    """In writing, and wait for the end of the answer."""
    answers = caller.count("response.done")
    await caller.write(text)
    await caller.send("response.create", response={"output_modalities": ["text"]})
    await caller.wait("response.done", answers + 1)


def words(records: list[Record]) -> list[tuple[str, str | None]]:
    """Who said what."""
    items = [record.item for record in records]
    return [(item.role, item.parts[0].text) for item in items if isinstance(item, Message)]


async def only(store: SqliteStore, owner: str = ANYONE) -> str:
    """The id of the one conversation that is kept."""
    [summary], _ = await store.list(owner, query="", after=None, limit=10)
    return summary.id


async def until_written(store: SqliteStore, name: str, items: int) -> None:
    with anyio.fail_after(5):
        while True:
            with suppress(NotKept):
                if len(await store.load(ANYONE, name)) >= items:
                    return
            await anyio.sleep(0.02)


async def refused(url: str, **options: Any) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as caught:
        async with calling(url, **options):
            pass
    response = caught.value.response
    return response.status_code, json.loads(response.body or b"{}")["error"]["code"]


async def until_told(caller: Caller, name: str) -> None:
    """That its conversation is kept no longer."""
    told = await caller.wait("duologue.conversation.opened", 2)
    assert {key: told[key] for key in ("conversation_id", "kept", "items", "title")} == {
        "conversation_id": name,
        "kept": False,
        "items": 0,
        "title": "",
    }

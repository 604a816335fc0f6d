"""Records and stores to test with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from duologue.items import Message, Part, Role
from duologue.store.records import Record
from duologue.store.sqlite import SqliteStore

ME = "owner-1"
YOU = "owner-2"


def said(item_id: str, text: str | None, role: Role = "user", **more: object) -> Record:
    """A message in speech."""
    part = Part(kind="output_audio" if role == "assistant" else "input_audio", text=text)
    record: dict[str, object] = {"said_at_s": 1_000.0, **more}
    return Record(item=Message(id=item_id, role=role, parts=(part,)), **record)  # type: ignore[arg-type]


@asynccontextmanager
async def opened(path: Path, busy_s: float = 0.1) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(path, busy_s=busy_s)
    try:
        yield store
    finally:
        await store.aclose()


async def keep(store: SqliteStore, conversation_id: str, *texts: str, owner: str = ME, now_s: float = 1_000.0) -> None:
    """A conversation in which the user and the assistant say ``texts`` by turns."""
    await store.begin(owner, conversation_id, now_s)
    roles: tuple[Role, Role] = ("user", "assistant")
    records = [said(f"item_{n}", text, roles[n % 2]) for n, text in enumerate(texts)]
    await store.save(conversation_id, [record.item.id for record in records], records, now_s)


async def ids(store: SqliteStore, query: str = "", owner: str = ME) -> list[str]:
    found, _ = await store.list(owner, query=query, after=None, limit=50)
    return [each.id for each in found]

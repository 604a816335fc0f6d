"""How long keeping, finding and deleting conversations takes: ``python benchmarks/store/keep.py [CONVERSATIONS]``.

Each has 30 turns of 12 words, each answered with 40 words that carry their times.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Awaitable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from duologue.items import Message, Part, Role
from duologue.store.records import Record
from duologue.store.sqlite import SqliteStore

TURNS = 30
T = TypeVar("T")
_chance = random.Random(1)
_words = ["".join(_chance.choices("abcdefghijklmnopqrstuvwxyz", k=_chance.randint(3, 9))) for _ in range(8_000)]
# The n-th word is n times as rare as the first, as in a language.
_weights = [1 / rank for rank in range(1, len(_words) + 1)]


def _said(item_id: str, role: Role, count: int) -> Record:
    text = " ".join(_chance.choices(_words, _weights, k=count))
    item = Message(id=item_id, role=role, parts=(Part(kind="input_audio", text=text),))
    return Record(item=item, said_at_s=1.0, words=tuple((n * 5, n * 300.0) for n in range(count)))


async def _timed(label: str, work: Awaitable[T]) -> T:
    began_s = time.perf_counter()
    result = await work
    print(f"{label:32} {(time.perf_counter() - began_s) * 1e3:8.1f} ms")
    return result


async def _measure(folder: Path, conversations: int) -> None:
    store = await SqliteStore.open(folder / "conversations.db")
    took_ms = []
    for n in range(conversations):
        order: list[str] = []
        await store.begin("me", f"conv_{n}", n)
        for turn in range(TURNS):
            records = [_said(f"user_{turn}", "user", 12), _said(f"answer_{turn}", "assistant", 40)]
            order += [each.item.id for each in records]
            began_s = time.perf_counter()
            await store.save(f"conv_{n}", order, records, n)
            took_ms.append((time.perf_counter() - began_s) * 1e3)
    took_ms.sort()
    print(f"{'save a turn: p50, p99':32} {took_ms[len(took_ms) // 2]:8.1f}, {took_ms[len(took_ms) * 99 // 100]:.1f} ms")
    for label, query in (("list", ""), ("find the commonest word", _words[0]), ("find a rare one", _words[3_000])):
        await _timed(label, store.list("me", query=query, after=None, limit=50))
    await _timed("load one", store.load("me", "conv_1"))
    await _timed("delete one for good", store.delete("me", ["conv_1"]))
    await _timed("delete all for good", store.delete("me", None))
    await store.aclose()


if __name__ == "__main__":
    with TemporaryDirectory() as name:
        asyncio.run(_measure(Path(name), int(sys.argv[1]) if len(sys.argv) > 1 else 300))

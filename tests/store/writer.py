"""A process that keeps conversations until it is killed: each is named on standard output once it is kept.

python -m tests.store.writer FILE ROUND
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

from duologue.store.sqlite import SqliteStore
from tests.store.making import ME, keep


async def _write(file: Path, round_name: str) -> None:
    store = await SqliteStore.open(file)
    for n in count():
        name = f"conv_{round_name}_{n}"
        await keep(store, name, f"We talk about {n}", "So we do. " * 20)
        print(name, flush=True)
        if n % 5 == 4:
            await store.delete(ME, [f"conv_{round_name}_{n - 4}"])
            print(f"-conv_{round_name}_{n - 4}", flush=True)


if __name__ == "__main__":
    asyncio.run(_write(Path(sys.argv[1]), sys.argv[2]))

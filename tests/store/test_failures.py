"""A disk that is full or read-only, a database that somebody else holds, a server that is killed."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from duologue.errors import ConfigError, StoreFailed
from duologue.store.sqlite import SqliteStore
from tests.store.making import ME, ids, keep, opened, said

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "conversations.db"


@contextmanager
def _largest_file(most_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond that, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _size(file: Path) -> int:
    return file.stat().st_size


async def test_a_full_disk(file: Path) -> None:
    async with opened(file) as store:
        await keep(store, "conv_a", "one")
        await store.purge()
        before = await store.load(ME, "conv_a")
        long = [said(f"long_{n}", "so much to say " * 500) for n in range(100)]
        order = ["item_0", *(each.item.id for each in long)]
        with _largest_file(256 * 1024):
            with pytest.raises(StoreFailed, match="Conversations cannot be kept"):
                await store.save("conv_a", order, long, 2.0)
            assert await store.load(ME, "conv_a") == before
            assert await ids(store, "much") == []
            await store.save("conv_a", ["item_0", "short"], [said("short", "two")], 3.0)
            assert len(await store.load(ME, "conv_a")) == 2
        await store.save("conv_a", order, long, 4.0)
        assert len(await store.load(ME, "conv_a")) == 101
        assert await ids(store, "much") == ["conv_a"]


async def test_deleting_on_a_full_disk_is_done_when_there_is_room(file: Path) -> None:
    async with opened(file) as store:
        for n in range(40):
            await keep(store, f"conv_{n}", "the xylophonist " * 20)
        with _largest_file(_size(file)), pytest.raises(StoreFailed):
            await store.delete(ME, None)
        assert len(await ids(store)) == 40
        await store.delete(ME, None)
        assert await ids(store) == []
        assert b"xylo" not in b"".join(each.read_bytes() for each in file.parent.iterdir())


async def test_a_database_that_somebody_else_holds(file: Path) -> None:
    async with opened(file, busy_s=0.05) as store:
        await keep(store, "conv_a", "one")
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreFailed, match="another program holds"):
            await store.save("conv_a", ["item_0", "b"], [said("b", "two")], 2.0)
        assert len(await store.load(ME, "conv_a")) == 1
        other.execute("ROLLBACK")
        other.close()
        await store.save("conv_a", ["item_0", "b"], [said("b", "two")], 2.0)
        assert len(await store.load(ME, "conv_a")) == 2


async def test_waiting_for_it_does_not_hold_up_readers_nor_the_loop(file: Path) -> None:
    async with opened(file, busy_s=30.0) as store:
        await keep(store, "conv_a", "one")
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        async with anyio.create_task_group() as tg:
            tg.start_soon(store.save, "conv_a", ["item_0", "b"], [said("b", "two")], 2.0)
            for _ in range(20):
                assert len(await store.load(ME, "conv_a")) == 1
            other.execute("ROLLBACK")
        other.close()
        assert len(await store.load(ME, "conv_a")) == 2


async def test_who_is_cancelled_leaves_nothing_half_done(file: Path) -> None:
    async with opened(file) as store:
        await store.begin(ME, "conv_a", 1.0)
        for n in range(30):
            records = [said(f"{n}_{k}", "words " * 40) for k in range(10)]
            with anyio.move_on_after(n * 0.0002):
                await store.save("conv_a", [each.item.id for each in records], records, 2.0)
        await store.purge()
        assert {len(await store.load(ME, "conv_a"))} <= {0, 10}
        await store.save("conv_a", ["z"], [said("z", "end")], 3.0)
        assert [each.item.id for each in await store.load(ME, "conv_a")] == ["z"]


_OPENS = """
import asyncio, os, sys
from pathlib import Path
from duologue.errors import ConfigError
from duologue.store.sqlite import SqliteStore
if os.getuid() == 0:
    os.setuid(65534)
try:
    asyncio.run(SqliteStore.open(Path(sys.argv[1])))
except ConfigError as error:
    sys.exit(f"refused: {error}")
"""


async def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    """As another user, where root runs the tests: it may write everywhere."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    for each in (tmp_path, *tmp_path.parents[:2]):
        if os.getuid() == 0:
            each.chmod(0o755)
    file = folder / "conversations.db"
    done = await anyio.run_process([sys.executable, "-c", _OPENS, str(file)], check=False, cwd=ROOT)
    assert done.returncode == 1
    assert f"refused: Conversations cannot be kept in {file}: Permission denied" in done.stderr.decode()


@pytest.mark.timeout(60)
async def test_a_server_that_is_killed_while_it_writes(file: Path) -> None:
    kept: set[str] = set()
    for round_name in ("a", "b", "c", "d"):
        kept |= await anyio.to_thread.run_sync(_write_until_killed, file, round_name)
        async with opened(file) as store:
            found, _ = await store.list(ME, query="talk", after=None, limit=10_000)
            names = {each.id for each in found}
            # One more may have been kept, or deleted, than could be said.
            assert len(kept - names) <= 1
            assert {each for each in kept - names if not each.endswith(("0", "5"))} == set()
            kept &= names
            for name in names:
                assert len(await store.load(ME, name)) == 2


def _write_until_killed(file: Path, round_name: str) -> set[str]:
    """What was said to be kept."""
    command = [sys.executable, "-m", "tests.store.writer", str(file), round_name]
    kept: set[str] = set()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        for count, line in enumerate(process.stdout):
            name = line.strip()
            if name.startswith("-"):
                kept.discard(name[1:])
            else:
                kept.add(name)
            if count == 23:
                process.send_signal(signal.SIGKILL)
    assert len(kept) > 10
    return kept


async def test_two_servers_may_have_the_same_file(file: Path) -> None:
    async with opened(file, busy_s=10.0) as one, opened(file, busy_s=10.0) as two:
        async with anyio.create_task_group() as tg:
            for n in range(20):
                tg.start_soon(keep, one, f"conv_one_{n}", "first")
                tg.start_soon(keep, two, f"conv_two_{n}", "second")
        assert len(await ids(one)) == len(await ids(two)) == 40
        await one.delete(ME, None)
        assert await ids(two) == []


async def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    async with opened(tmp_path / "a" / "b" / "c.db") as store:
        await keep(store, "conv_a", "one")


async def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(ConfigError, match="Conversations cannot be kept"):
        await SqliteStore.open(tmp_path / "a" / "c.db")

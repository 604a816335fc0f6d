"""What was deleted is in none of the files any more, and others cannot read them."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from duologue.store.sqlite import SqliteStore
from tests.store.making import ME, YOU, ids, keep, opened, said

pytestmark = pytest.mark.anyio

# Long enough not to come about by chance, and all tokens of the index.
SECRETS = ("xylophonist", "quagmireous", "besprechungsort")
SOUND = b"RIFF" + b"gurgle-of-a-voice" * 5_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "conversations.db"


def _left(file: Path, *secrets: str) -> set[str]:
    """Which of ``secrets`` are somewhere in the files."""
    everything = b"".join(each.read_bytes() for each in file.parent.iterdir()).lower()
    return {secret for secret in secrets if secret.encode() in everything}


def _size(file: Path) -> int:
    return file.stat().st_size


def _mode(file: Path) -> int:
    return file.stat().st_mode & 0o777


async def _fill(store: SqliteStore) -> None:
    for n in range(30):
        await keep(store, f"conv_{n}", f"We talk about {n}", "So we do. " * 30)
    await keep(store, "conv_secret", f"My {SECRETS[0]} said", f"Ah, the {SECRETS[1]}. " * 200)
    await store.rename(ME, "conv_secret", f"At the {SECRETS[2]}")
    await store.save_sound("conv_secret", "item_1", SOUND)
    for n in range(30, 60):
        await keep(store, f"conv_{n}", f"We talk about {n}")


async def test_a_deleted_conversation_is_in_no_file(file: Path) -> None:
    async with opened(file) as store:
        await _fill(store)
        assert _left(file, *SECRETS, "gurgle") == {*SECRETS, "gurgle"}
        assert await store.delete(ME, ["conv_secret"]) == 1
        assert _left(file, *SECRETS, "gurgle", "xyloph", "quagmire") == set()
        assert len(await ids(store)) == 50
        assert await ids(store, SECRETS[0]) == []


@pytest.mark.parametrize("way", ["all", "time"])
async def test_so_are_all_that_are_deleted_together(file: Path, way: str) -> None:
    async with opened(file) as store:
        await _fill(store)
        await keep(store, "conv_yours", "Mine stays, the marmalade", owner=YOU, now_s=9_000.0)
        await store.purge()
        before = _size(file)
        assert await (store.delete(ME, None) if way == "all" else store.forget_before(2_000.0)) == 61
        assert _left(file, *SECRETS, "gurgle", "talk about", "marmalade") == {"marmalade"}
        assert _size(file) < before / 2


async def test_a_deleted_item_and_a_former_title_go_with_the_next_purge(file: Path) -> None:
    async with opened(file) as store:
        await _fill(store)
        await store.purge()
        await store.rename(ME, "conv_secret", "Nothing")
        await store.save("conv_secret", ["item_0", "item_1"], [said("item_0", "Hm."), said("item_1", "Hm?")], 5.0)
        await store.purge()
        assert _left(file, *SECRETS) == set()


async def test_words_that_a_crash_left_behind_go_at_the_next_start(file: Path) -> None:
    async with opened(file) as store:
        await _fill(store)
        db = sqlite3.connect(file)
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("DELETE FROM words WHERE rowid IN (SELECT key FROM items WHERE record LIKE '%my xyl%')")
        db.execute("DELETE FROM words WHERE spelled LIKE '%besprechung%'")
        db.execute("DELETE FROM words WHERE spelled LIKE '%quagmire%'")
        db.execute("PRAGMA secure_delete = ON")
        db.execute("DELETE FROM conversations WHERE id = 'conv_secret'")
        db.commit()
        db.close()
        assert _left(file, *SECRETS)
    async with opened(file) as store:
        await store.purge()
        assert _left(file, *SECRETS) == set()


async def test_a_reader_elsewhere_delays_it(file: Path) -> None:
    async with opened(file) as store:
        await _fill(store)
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM items").fetchone()
        assert await store.delete(ME, ["conv_secret"]) == 1
        assert _left(file, *SECRETS) == set(SECRETS)
        other.execute("COMMIT")
        await store.purge()
        assert _left(file, *SECRETS) == set()
        other.close()


async def test_nobody_else_may_read_the_files(file: Path) -> None:
    async with opened(file) as store:
        await keep(store, "conv_a", "one")
        assert _mode(file.parent) == 0o700
        assert {each.name: _mode(each) for each in file.parent.iterdir()} == {
            "conversations.db": 0o600,
            "conversations.db-wal": 0o600,
            "conversations.db-shm": 0o600,
        }
    os.chmod(file, 0o644)
    async with opened(file):
        assert _mode(file) == 0o600

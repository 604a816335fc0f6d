"""Databases of earlier and later versions, of other programs, and damaged ones."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from duologue.errors import ConfigError
from duologue.store.files import connect
from duologue.store.schema import MIGRATIONS, migrate
from duologue.store.sqlite import SqliteStore
from tests.store.making import ids, keep, opened

pytestmark = pytest.mark.anyio


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "conversations.db"


def _bytes(file: Path) -> bytes:
    return file.read_bytes()


def _write(file: Path, content: bytes | bytearray) -> None:
    file.write_bytes(content)


async def _refused(file: Path) -> str:
    before = _bytes(file)
    with pytest.raises(ConfigError) as refused:
        await SqliteStore.open(file)
    assert _bytes(file) == before
    return refused.value.message


async def test_each_version_is_reached_from_the_one_before(file: Path) -> None:
    async with opened(file) as store:
        await keep(store, "conv_a", "one")
    db = sqlite3.connect(file, isolation_level=None)
    migrate(db, (*MIGRATIONS, ("CREATE TABLE moods (mood TEXT)", "INSERT INTO moods VALUES ('calm')")))
    assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    assert db.execute("SELECT id, mood FROM conversations, moods").fetchall() == [("conv_a", "calm")]
    db.close()


async def test_a_migration_happens_whole_or_not_at_all(file: Path) -> None:
    async with opened(file) as store:
        await keep(store, "conv_a", "one")
    db = sqlite3.connect(file, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        migrate(db, (*MIGRATIONS, ("DROP TABLE sounds", "CREATE TABEL")))
    assert not db.in_transaction
    db.close()
    async with opened(file) as store:
        await store.save_sound("conv_a", "item_0", b"RIFF")
        assert await ids(store) == ["conv_a"]


async def test_a_newer_one_is_refused_with_what_to_do(file: Path) -> None:
    async with opened(file) as store:
        await keep(store, "conv_a", "one")
    db = sqlite3.connect(file)
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    message = await _refused(file)
    assert "newer Duologue" in message
    assert "store_file" in message


async def test_another_programs_database_is_refused(file: Path) -> None:
    db = sqlite3.connect(file)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE conversations (id)")
    db.commit()
    db.close()
    assert "another program's" in await _refused(file)


async def test_a_file_that_is_no_database_is_refused(file: Path) -> None:
    _write(file, b"My diary. " * 1_000)
    message = await _refused(file)
    assert str(file) in message
    assert "damaged" in message


async def test_a_damaged_database_is_refused(file: Path) -> None:
    async with opened(file) as store:
        for n in range(50):
            await keep(store, f"conv_{n}", f"We talk about {n}", "So we do. " * 30)
    whole = bytearray(_bytes(file))
    whole[3 * 4096 : -4096] = b"\xa5" * (len(whole) - 4 * 4096)
    _write(file, whole)
    assert "damaged" in await _refused(file)


async def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Conversations cannot be kept in"):
        await SqliteStore.open(tmp_path)


def test_a_connection_that_is_refused_is_closed(file: Path) -> None:
    file.write_bytes(b"My diary. " * 1_000)
    with pytest.raises(ConfigError):
        connect(file)
    file.unlink()
    connect(file).close()
    assert [each.name for each in file.parent.iterdir()] == ["conversations.db"]

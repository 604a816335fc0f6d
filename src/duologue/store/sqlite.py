"""Conversations in one SQLite database, read and written by two threads of its own: nothing here blocks the loop."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

import aiosqlite
import structlog
from anyio import to_thread

from duologue import telemetry
from duologue.errors import StoreFailed
from duologue.store import files, search, tables
from duologue.store.records import Record, Summary

log = structlog.get_logger(__name__)
# At its most talkative it would quote what people said.
logging.getLogger("aiosqlite").setLevel(logging.WARNING)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class _Thread(aiosqlite.Connection):
    """A connection whose thread runs whole functions, one after the other. Who is cancelled while waiting for one
    leaves it to end: a transaction is done or undone, never halted."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(lambda: connection, iter_chunk_size=64)

    async def run(self, work: Work[T]) -> T:
        """Raises StoreFailed."""
        try:
            result: T = await self._execute(work, self._conn)  # type: ignore[no-untyped-call]
        except sqlite3.Error as error:
            raise StoreFailed(f"Conversations cannot be kept or read just now: {files.reason(error)}.") from None
        return result


class SqliteStore:
    """A `Store`. Several processes may have the same file open."""

    def __init__(self, writer: _Thread, reader: _Thread) -> None:
        self._writer, self._reader = writer, reader
        self._is_open = True
        # Whether the files may have words that were deleted; another run may have ended before it was rid of them.
        self._is_stale = True

    @classmethod
    async def open(cls, path: Path, *, busy_s: float = files.BUSY_S) -> SqliteStore:
        """``busy_s``: how long another process may hold the database. Raises ConfigError."""
        # Made elsewhere: where a connection's thread fails at its first task, nobody waits for its end.
        connections = await to_thread.run_sync(files.connect_both, path, busy_s)
        writer, reader = (_Thread(each) for each in connections)
        await writer
        await reader
        return cls(writer, reader)

    async def begin(self, owner: str, conversation_id: str, now_s: float) -> None:
        await self._write(lambda db: tables.begin(db, owner, conversation_id, now_s))

    async def save(self, conversation_id: str, order: Sequence[str], changed: Sequence[Record], now_s: float) -> None:
        order, changed = list(order), list(changed)
        is_stale = await self._write(lambda db: tables.save(db, conversation_id, order, changed, now_s))
        self._is_stale |= is_stale

    async def save_sound(self, conversation_id: str, item_id: str, wav: bytes) -> None:
        await self._write(lambda db: tables.save_sound(db, conversation_id, item_id, wav))

    async def sound(self, owner: str, conversation_id: str, item_id: str) -> bytes | None:
        return await self._read(lambda db: tables.sound_of(db, owner, conversation_id, item_id))

    async def load(self, owner: str, conversation_id: str) -> list[Record]:
        return await self._read(lambda db: tables.all_records(db, owner, conversation_id))

    async def items(
        self, owner: str, conversation_id: str, *, after: str | None, limit: int
    ) -> tuple[list[Record], bool]:
        return await self._read(lambda db: tables.page_of_records(db, owner, conversation_id, after, limit))

    async def summary(self, owner: str, conversation_id: str) -> Summary:
        return await self._read(lambda db: tables.summary_of(db, owner, conversation_id))

    async def rename(self, owner: str, conversation_id: str, title: str) -> Summary:
        renamed = await self._write(lambda db: tables.rename(db, owner, conversation_id, title))
        self._is_stale = True
        return renamed

    async def delete(self, owner: str, conversation_ids: Collection[str] | None) -> int:
        return await self._forget(lambda db: tables.keys_of(db, owner, conversation_ids))

    async def forget_before(self, moment_s: float) -> int:
        return await self._forget(lambda db: tables.keys_before(db, moment_s, is_empty=False))

    async def forget_empty_before(self, moment_s: float) -> int:
        return await self._forget(lambda db: tables.keys_before(db, moment_s, is_empty=True))

    async def purge(self) -> None:
        """Rids the files of all words that were deleted or replaced, where there may be any. A deletion does it at
        once; if it cannot, and for single items, this does."""
        if not self._is_stale or not self._is_open:
            return
        self._is_stale = False
        try:
            is_clean = await self._writer.run(files.purge)
        except StoreFailed as error:
            is_clean = False
            log.warning(telemetry.STORE_FAILED, operation="purge", reason=error.message)
        if not is_clean:
            self._is_stale = True

    async def aclose(self) -> None:
        if self._is_open:
            await self.purge()
            self._is_open = False
            await self._reader.close()
            await self._writer.close()

    async def _forget(self, choose: Work[Sequence[int]]) -> int:
        forgotten = await self._write(lambda db: tables.forget(db, choose(db)))
        if forgotten:
            self._is_stale = True
            await self.purge()
        return forgotten

    async def _write(self, work: Work[T]) -> T:
        """In one transaction."""
        self._check_open()
        return await self._writer.run(lambda db: _within(db, "BEGIN IMMEDIATE", work))

    async def _read(self, work: Work[T]) -> T:
        """Of one moment, whatever is written meanwhile."""
        self._check_open()
        return await self._reader.run(lambda db: _within(db, "BEGIN", work))

    def _check_open(self) -> None:
        if not self._is_open:
            raise StoreFailed("Conversations cannot be kept or read any more: the server stops.")

    # Last, since it hides the type of the same name.
    async def list(self, owner: str, *, query: str, after: str | None, limit: int) -> tuple[list[Summary], bool]:
        return await self._read(lambda db: search.page_of_summaries(db, owner, query, after, limit))


def _within(db: sqlite3.Connection, begin: str, work: Work[T]) -> T:
    db.execute(begin)
    try:
        result = work(db)
        db.execute("COMMIT")
    except BaseException:
        # SQLite has undone it already where the disk failed.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return result

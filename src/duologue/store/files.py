"""The file that conversations are in: opened for this user alone, and nothing deleted stays in it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from duologue.errors import ConfigError
from duologue.store.schema import check, is_new, migrate

# How long another process may hold the database before a request fails.
BUSY_S = 2.5
_CORRUPT = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}


def connect_both(path: Path, busy_s: float) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """The connection that writes, and one beside it that reads. Raises ConfigError."""
    writer = connect(path, busy_s)
    try:
        reader = _connect(path, busy_s)
        reader.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        writer.close()
        raise _unusable(path, error) from None
    return writer, reader


def connect(path: Path, busy_s: float = BUSY_S) -> sqlite3.Connection:
    """The connection that writes; the file is made if there is none. Raises ConfigError, and never deletes anything."""
    try:
        _make_private(path)
        db = _connect(path, busy_s)
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, error) from None
    try:
        check(db, str(path))
        _set_up(db)
        migrate(db)
    except sqlite3.Error as error:
        db.close()
        raise _unusable(path, error) from None
    except BaseException:
        db.close()
        raise
    return db


def _connect(path: Path, busy_s: float) -> sqlite3.Connection:
    """It is used by one thread, though not by the one that makes it."""
    return sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)


def _make_private(path: Path) -> None:
    """SQLite gives the files beside it the same rights."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)


def _set_up(db: sqlite3.Connection) -> None:
    if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("the database is damaged")
    # Deleted rows are overwritten with zeros, and their pages given back to the disk. This must come before the tables.
    if is_new(db):
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.execute("PRAGMA secure_delete = ON")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA journal_mode = WAL")
    # In WAL mode a crash of the process loses nothing so, and a power cut at most the last turns, never the database.
    db.execute("PRAGMA synchronous = NORMAL")


def purge(db: sqlite3.Connection) -> bool:
    """Leaves nothing of what was deleted in any of the files. False: somebody reads in them just now; again, later.

    The index only notes that words are gone and drops them when its parts are merged; the log beside the database has
    the pages as they were.
    """
    db.execute("INSERT INTO words (words) VALUES ('optimize')")
    # One step frees one page, and `execute` takes but one.
    db.executescript("PRAGMA incremental_vacuum")
    busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def reason(error: sqlite3.Error) -> str:
    """What is wrong, for people; never what was to be written."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "another program holds the database"
    if name.startswith("SQLITE_FULL"):
        return "the disk is full"
    if name.startswith("SQLITE_READONLY"):
        return "the database is read-only"
    if name in _CORRUPT:
        return "the database is damaged"
    return f"the disk reports an error ({name})" if name.startswith("SQLITE_IOERR") else str(error)


def _unusable(path: Path, error: OSError | sqlite3.Error) -> ConfigError:
    why = str(error.strerror) if isinstance(error, OSError) else reason(error)
    return ConfigError(
        f"Conversations cannot be kept in {path}: {why}. Nothing was changed. Move the file away or mend what is wrong "
        "with it, set store_file to another one, or store to off."
    )

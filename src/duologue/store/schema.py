"""The tables, and how a database of an earlier version comes to have them.

::

    conversations   one row each; `owner` says whose
    items           what was said, in order, as JSON (`codec`); goes with its conversation
    sounds          what an item sounded like, where that is kept; goes with its item
    words           the index: an item's words under its `key`, a title under its conversation's `key`, negative
"""

from __future__ import annotations

import sqlite3

from duologue.errors import ConfigError

# "Duol": what tells such a database from other programs'.
APPLICATION_ID = 0x44756F6C

Migration = tuple[str, ...]

# The n-th leads from version n to n + 1. What has been released is never changed, only followed by another.
MIGRATIONS: tuple[Migration, ...] = (
    (
        """CREATE TABLE conversations (
            key INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            owner TEXT NOT NULL,
            title TEXT NOT NULL DEFAULT '',
            is_named INTEGER NOT NULL DEFAULT 0,
            created_s REAL NOT NULL,
            updated_s REAL NOT NULL
        )""",
        "CREATE INDEX conversations_by_time ON conversations (owner, updated_s, key)",
        """CREATE TABLE items (
            key INTEGER PRIMARY KEY,
            conversation INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
            id TEXT NOT NULL,
            place INTEGER NOT NULL,
            kind TEXT NOT NULL,
            is_turn INTEGER NOT NULL,
            record TEXT NOT NULL,
            UNIQUE (conversation, id)
        )""",
        "CREATE INDEX items_in_order ON items (conversation, place)",
        """CREATE TABLE sounds (
            item INTEGER PRIMARY KEY REFERENCES items ON DELETE CASCADE,
            wav BLOB NOT NULL
        )""",
        # `spelling` has folded the text already; marks belong to their letters, which the default forgets.
        """CREATE VIRTUAL TABLE words USING fts5(
            spelled, columnsize=0, tokenize="unicode61 remove_diacritics 0 categories 'L* N* Co M*'"
        )""",
    ),
)


def check(db: sqlite3.Connection, where: str, known: int = len(MIGRATIONS)) -> None:
    """Raises ConfigError for a database that is newer than what is ``known``, or another program's. Changes nothing."""
    version = _version(db)
    if version > known:
        raise ConfigError(
            f"The conversations in {where} were kept by a newer Duologue (version {version} of the database; this one "
            f"knows {known}). Update Duologue, or set store_file to another file."
        )
    application = db.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID and not (is_new(db) and application == 0):
        raise ConfigError(f"{where} is another program's database. Set store_file to another file.")


def is_new(db: sqlite3.Connection) -> bool:
    """Whether there is nothing in it at all."""
    return _version(db) == 0 and db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0


def migrate(db: sqlite3.Connection, migrations: tuple[Migration, ...] = MIGRATIONS) -> None:
    """Brings a database that was checked to the newest version, each step whole or not at all."""
    while (version := _version(db)) < len(migrations):
        db.execute("BEGIN IMMEDIATE")
        try:
            # Another server may have been quicker.
            if _version(db) == version:
                for statement in migrations[version]:
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                db.execute(f"PRAGMA user_version = {version + 1}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])

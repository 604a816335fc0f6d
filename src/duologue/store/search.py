"""Finding conversations by words that are all in their titles or in what was said."""

from __future__ import annotations

import sqlite3
from typing import Any

from duologue.store import codec, tables
from duologue.store.records import Summary
from duologue.store.spelling import match, snippet, terms

# One row of the index -> the conversation: titles stand under their conversation's key, negative.
_FOUND = """SELECT CASE WHEN rowid < 0 THEN -rowid ELSE (SELECT conversation FROM items WHERE key = words.rowid) END
    FROM words WHERE words MATCH ?"""
# The bounds spare it whatever was said elsewhere.
_FIRST_ITEM = """SELECT kind, record FROM items WHERE conversation = :key AND key IN (
        SELECT rowid FROM words WHERE words MATCH :match
        AND rowid BETWEEN (SELECT min(key) FROM items WHERE conversation = :key)
        AND (SELECT max(key) FROM items WHERE conversation = :key)
    ) ORDER BY place LIMIT 1"""


def page_of_summaries(
    db: sqlite3.Connection, owner: str, query: str, after: str | None, limit: int
) -> tuple[list[Summary], bool]:
    """The newest first, and whether there are more. Any query will do; one of signs alone finds nothing."""
    wanted = terms(query)
    if query.strip() and not wanted:
        return [], False
    among = " INTERSECT ".join(_FOUND for _ in wanted)
    rows = tables.listed(db, owner, among, [match(term) for term in wanted], after, limit)
    return [tables.to_summary(row, _snippet(db, row, wanted)) for row in rows[:limit]], len(rows) > limit


def _snippet(db: sqlite3.Connection, row: tuple[Any, ...], wanted: list[list[str]]) -> str | None:
    """Where the first of the words that are not in the title is."""
    _, title, *_, key = row
    elsewhere = next((term for term in wanted if snippet(title, term) is None), None)
    if elsewhere is None:
        return None
    found = db.execute(_FIRST_ITEM, {"key": key, "match": match(elsewhere)}).fetchone()
    record = None if found is None else codec.decode(*found)
    return None if record is None else snippet(codec.text_of(record), elsewhere)

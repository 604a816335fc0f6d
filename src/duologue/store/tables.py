"""What is read from the tables and written to them: plain functions on a connection, each within one transaction.

Conversations and items are known by their ``key`` here, a number, but where one is looked up for somebody.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from duologue.errors import NotKept
from duologue.store import codec
from duologue.store.records import Record, Summary
from duologue.store.spelling import spell, title_of

Rows = list[tuple[Any, ...]]

_RECORDS = """SELECT kind, record, EXISTS (SELECT 1 FROM sounds WHERE item = items.key) FROM items
    WHERE conversation = ?"""
_SUMMARY = """SELECT id, title, created_s, updated_s,
    (SELECT coalesce(sum(is_turn), 0) FROM items WHERE conversation = conversations.key), key FROM conversations"""


def missing() -> NotKept:
    return NotKept("There is no such conversation here: it was deleted, or it is not kept for the key that was shown.")


def key_of(db: sqlite3.Connection, owner: str | None, conversation_id: str) -> int:
    """``owner`` None: whoever it is. Raises NotKept."""
    row = db.execute("SELECT key, owner FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
    if row is None or (owner is not None and row[1] != owner):
        raise missing()
    return int(row[0])


# --- reading --------------------------------------------------------------------------------------------------


def all_records(db: sqlite3.Connection, owner: str, conversation_id: str) -> list[Record]:
    key = key_of(db, owner, conversation_id)
    return list(_decoded(db.execute(f"{_RECORDS} ORDER BY place", (key,))))


def page_of_records(
    db: sqlite3.Connection, owner: str, conversation_id: str, after: str | None, limit: int
) -> tuple[list[Record], bool]:
    key = key_of(db, owner, conversation_id)
    place = -1 if after is None else _place_of(db, key, after)
    known = ", ".join("?" * len(codec.KINDS))
    sql = f"{_RECORDS} AND place > ? AND kind IN ({known}) ORDER BY place LIMIT ?"
    rows = db.execute(sql, (key, place, *codec.KINDS, limit + 1)).fetchall()
    return list(_decoded(rows[:limit])), len(rows) > limit


def _place_of(db: sqlite3.Connection, key: int, item_id: str) -> int:
    row = db.execute("SELECT place FROM items WHERE conversation = ? AND id = ?", (key, item_id)).fetchone()
    if row is None:
        raise NotKept("There is no such item in this conversation.")
    return int(row[0])


def _decoded(rows: Iterable[tuple[Any, ...]]) -> Iterable[Record]:
    for kind, encoded, has_sound in rows:
        record = codec.decode(kind, encoded, has_sound=bool(has_sound))
        if record is not None:
            yield record


def summary_of(db: sqlite3.Connection, owner: str, conversation_id: str) -> Summary:
    key = key_of(db, owner, conversation_id)
    return to_summary(db.execute(f"{_SUMMARY} WHERE key = ?", (key,)).fetchone())


def listed(
    db: sqlite3.Connection, owner: str, among: str, values: Sequence[Any], after: str | None, limit: int
) -> Rows:
    """The rows of `to_summary`, the newest first, and one more than ``limit`` where there is. ``among``: a query with
    ``values`` that gives the keys to choose from; "": all."""
    where = "WHERE owner = ? AND EXISTS (SELECT 1 FROM items WHERE conversation = conversations.key)"
    given: list[Any] = [owner]
    if among:
        where += f" AND key IN ({among})"
        given += values
    if after is not None:
        key = key_of(db, owner, after)
        where += " AND (updated_s, key) < (SELECT updated_s, key FROM conversations WHERE key = ?)"
        given.append(key)
    return db.execute(f"{_SUMMARY} {where} ORDER BY updated_s DESC, key DESC LIMIT ?", (*given, limit + 1)).fetchall()


def to_summary(row: tuple[Any, ...], snippet: str | None = None) -> Summary:
    name, title, created_s, updated_s, turns, _ = row
    return Summary(id=name, title=title, created_at_s=created_s, updated_at_s=updated_s, turns=turns, snippet=snippet)


def sound_of(db: sqlite3.Connection, owner: str, conversation_id: str, item_id: str) -> bytes | None:
    key = key_of(db, owner, conversation_id)
    sql = "SELECT wav FROM sounds JOIN items ON items.key = item WHERE conversation = ? AND id = ?"
    row = db.execute(sql, (key, item_id)).fetchone()
    return None if row is None else bytes(row[0])


# --- writing --------------------------------------------------------------------------------------------------


def begin(db: sqlite3.Connection, owner: str, conversation_id: str, now_s: float) -> None:
    sql = "INSERT INTO conversations (id, owner, created_s, updated_s) VALUES (?, ?, ?, ?)"
    db.execute(sql, (conversation_id, owner, now_s, now_s))


def save(
    db: sqlite3.Connection, conversation_id: str, order: Sequence[str], changed: Sequence[Record], now_s: float
) -> bool:
    """Whether words were taken away or replaced, so that the index still has them."""
    key = key_of(db, None, conversation_id)
    before = db.execute("SELECT id, key, place, kind FROM items WHERE conversation = ?", (key,)).fetchall()
    places = {item_id: place for place, item_id in enumerate(order)}
    gone = [item for name, item, _, kind in before if name not in places and _is_known(db, kind, item)]
    _forget_items(db, gone)
    had = {name: (item, place) for name, item, place, _ in before}
    is_stale = bool(gone)
    for record in changed:
        if record.item.id in places:
            is_stale |= record.item.id in had
            _put(db, key, had.get(record.item.id, (None, 0))[0], places[record.item.id], record)
    moved = [(places[name], item) for name, (item, place) in had.items() if places.get(name, place) != place]
    db.executemany("UPDATE items SET place = ? WHERE key = ?", moved)
    db.execute("UPDATE conversations SET updated_s = ? WHERE key = ?", (now_s, key))
    return _set_title(db, key) or is_stale


def _is_known(db: sqlite3.Connection, kind: str, item: int) -> bool:
    """Whether who saves has seen it. What a newer version wrote is not shown, and not deleted either."""
    (encoded,) = db.execute("SELECT record FROM items WHERE key = ?", (item,)).fetchone()
    return codec.decode(kind, encoded) is not None


def _put(db: sqlite3.Connection, conversation: int, key: int | None, place: int, record: Record) -> None:
    """A new item, or the one with this ``key`` as it is now."""
    kind, encoded = codec.encode(record)
    if key is None:
        sql = "INSERT INTO items (conversation, id, place, kind, is_turn, record) VALUES (?, ?, ?, ?, ?, ?)"
        values = (conversation, record.item.id, place, kind, codec.is_turn(record), encoded)
        key = db.execute(sql, values).lastrowid
    else:
        sql = "UPDATE items SET place = ?, kind = ?, is_turn = ?, record = ? WHERE key = ?"
        db.execute(sql, (place, kind, codec.is_turn(record), encoded, key))
    assert key is not None, "an insertion has a row"
    _index(db, key, codec.searched_text(record))


def _index(db: sqlite3.Connection, key: int, text: str) -> None:
    """The words that ``key`` is found by, from now on. What is the same stays untouched."""
    spelled = spell(text)
    row = db.execute("SELECT spelled FROM words WHERE rowid = ?", (key,)).fetchone()
    if row is None and spelled:
        db.execute("INSERT INTO words (rowid, spelled) VALUES (?, ?)", (key, spelled))
    elif row is not None and row[0] != spelled:
        db.execute("DELETE FROM words WHERE rowid = ?", (key,))
        if spelled:
            db.execute("INSERT INTO words (rowid, spelled) VALUES (?, ?)", (key, spelled))


def _set_title(db: sqlite3.Connection, key: int) -> bool:
    """After the user's first words, unless it was named. Whether it had another one before."""
    title, is_named = db.execute("SELECT title, is_named FROM conversations WHERE key = ?", (key,)).fetchone()
    if is_named:
        return False
    sql = f"{_RECORDS} AND is_turn ORDER BY place LIMIT 4"
    said = [codec.text_of(record) for record in _decoded(db.execute(sql, (key,)))]
    now = next((title_of(text) for text in said if text.strip()), "")
    if now != title:
        _write_title(db, key, now, is_named=False)
    return bool(title) and now != title


def _write_title(db: sqlite3.Connection, key: int, title: str, *, is_named: bool) -> None:
    db.execute("UPDATE conversations SET title = ?, is_named = ? WHERE key = ?", (title, is_named, key))
    _index(db, -key, title)


def rename(db: sqlite3.Connection, owner: str, conversation_id: str, title: str) -> Summary:
    _write_title(db, key_of(db, owner, conversation_id), title, is_named=True)
    return summary_of(db, owner, conversation_id)


def save_sound(db: sqlite3.Connection, conversation_id: str, item_id: str, wav: bytes) -> None:
    key = key_of(db, None, conversation_id)
    sql = "INSERT OR REPLACE INTO sounds (item, wav) SELECT key, ? FROM items WHERE conversation = ? AND id = ?"
    if db.execute(sql, (wav, key, item_id)).rowcount == 0:
        raise NotKept("There is no such item in this conversation.")


# --- deleting -------------------------------------------------------------------------------------------------


def keys_of(db: sqlite3.Connection, owner: str, conversation_ids: Collection[str] | None) -> list[int]:
    """Of those that are the owner's."""
    if conversation_ids is None:
        return [key for (key,) in db.execute("SELECT key FROM conversations WHERE owner = ?", (owner,))]
    sql = "SELECT key FROM conversations WHERE owner = ? AND id = ?"
    found = (db.execute(sql, (owner, each)).fetchone() for each in set(conversation_ids))
    return [int(row[0]) for row in found if row is not None]


def keys_before(db: sqlite3.Connection, moment_s: float, *, is_empty: bool) -> list[int]:
    """Of those that were not talked in since. ``is_empty``: only those without any item."""
    sql = "SELECT key FROM conversations WHERE updated_s < ?"
    if is_empty:
        sql += " AND NOT EXISTS (SELECT 1 FROM items WHERE conversation = conversations.key)"
    return [key for (key,) in db.execute(sql, (moment_s,))]


def forget(db: sqlite3.Connection, keys: Sequence[int]) -> int:
    """Deletes conversations with all that belongs to them. Returns how many."""
    for key in keys:
        items = [item for (item,) in db.execute("SELECT key FROM items WHERE conversation = ?", (key,))]
        _forget_items(db, items)
        db.execute("DELETE FROM words WHERE rowid = ?", (-key,))
        db.execute("DELETE FROM conversations WHERE key = ?", (key,))
    return len(keys)


def _forget_items(db: sqlite3.Connection, keys: Sequence[int]) -> None:
    db.executemany("DELETE FROM words WHERE rowid = ?", [(key,) for key in keys])
    db.executemany("DELETE FROM items WHERE key = ?", [(key,) for key in keys])

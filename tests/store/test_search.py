"""Conversations are found by their words, in any script, whatever is typed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from duologue.store.sqlite import SqliteStore
from tests.store.making import ME, YOU, ids, keep, opened, said

pytestmark = pytest.mark.anyio

TALKS = {
    "conv_en": ("Don't forget the café.", "I won't: Café Zürich, at seven."),
    "conv_ja": ("今日は東京タワーに行きました", "素敵ですね。写真を撮りましたか"),
    "conv_zh": ("明天北京会下雨吗", "明天北京多云，不会下雨。"),
    "conv_th": ("วันนี้อากาศดีมาก", "ใช่ครับ ไปเที่ยวไหม"),
    "conv_hi": ("मौसम कैसा है", "आज धूप है"),
    "conv_ko": ("서울역에서 만나요", "좋아요"),
    "conv_ru": ("Ёлка уже стоит", "Да, в зале."),
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with opened(tmp_path / "conversations.db") as store:
        for name, texts in TALKS.items():
            await keep(store, name, *texts)
        yield store


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("forget", "conv_en"),
        ("FORG", "conv_en"),
        ("cafe zur", "conv_en"),
        ("zürich forget", "conv_en"),
        ("don't", "conv_en"),
        ("東京", "conv_ja"),
        ("タ", "conv_ja"),
        ("ﾀﾜｰ", "conv_ja"),
        ("写真 今日", "conv_ja"),
        ("下雨", "conv_zh"),
        ("อากาศ", "conv_th"),
        ("आज धू", "conv_hi"),
        ("서울", "conv_ko"),
        ("елка", "conv_ru"),
    ],
)
async def test_found_by(store: SqliteStore, query: str, found: str) -> None:
    assert await ids(store, query) == [found]


@pytest.mark.parametrize("query", ["orget", "forget tokyo", "京東", "forget.zurich", "won cafe zzz"])
async def test_not_found_by(store: SqliteStore, query: str) -> None:
    assert await ids(store, query) == []


@pytest.mark.parametrize(
    "query",
    [
        '"',
        "'",
        "*",
        "NEAR(a b)",
        "a OR b",
        "-x",
        "spelled:x",
        "^zz",
        "(((",
        '" OR 1=1 --',
        "\0",
        "?! 🎉",
        "\ufffe",
        "a" * 9_999,
    ],
)
async def test_signs_are_signs(store: SqliteStore, query: str) -> None:
    assert await ids(store, query) == []


async def test_blanks_ask_for_all(store: SqliteStore) -> None:
    assert len(await ids(store, " \t ")) == len(TALKS)


async def test_where_it_was_found(store: SqliteStore) -> None:
    async def snippets(query: str) -> list[str | None]:
        found, _ = await store.list(ME, query=query, after=None, limit=9)
        return [each.snippet for each in found]

    assert await snippets("forget") == [None]
    assert await snippets("zurich") == ["I won't: Café Zürich, at seven."]
    assert await snippets("forget seven") == ["I won't: Café Zürich, at seven."]
    assert await snippets("写真") == ["素敵ですね。写真を撮りましたか"]
    await store.rename(ME, "conv_en", "Dinner")
    assert await snippets("dinner") == [None]
    assert await snippets("forget") == ["Don't forget the café."]


async def test_only_what_was_said_and_heard_counts(store: SqliteStore) -> None:
    await store.begin(YOU, "conv_cut", 1.0)
    records = [
        said("a", "The heron waits by the weir", "assistant", text_heard="The heron waits"),
        said("b", "One moment", "assistant", is_filler=True),
        said("c", "You are terse", "system"),
    ]
    await store.save("conv_cut", ["a", "b", "c"], records, 2.0)
    assert await ids(store, "heron", owner=YOU) == ["conv_cut"]
    for query in ("weir", "moment", "terse"):
        assert await ids(store, query, owner=YOU) == []

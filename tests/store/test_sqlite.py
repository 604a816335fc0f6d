"""What a store keeps, gives back, lists, finds and forgets."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from duologue.errors import NotKept, StoreFailed
from duologue.items import (
    FunctionCall,
    FunctionOutput,
    Item,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpFailure,
    McpTool,
    McpTools,
    Message,
    Part,
)
from duologue.store.codec import KINDS
from duologue.store.files import connect
from duologue.store.records import Record, Timing
from tests.store.making import ME, YOU, ids, keep, opened, said

pytestmark = pytest.mark.anyio

OF_ALL_KINDS: list[Item] = [
    Message(id="m", role="assistant", status="incomplete", parts=(Part(kind="output_audio", text="Hello."),)),
    Message(id="i", role="user", parts=(Part(kind="input_image", image_url="data:image/png;base64,AA=="),)),
    FunctionCall(id="c", call_id="call_1", name="look", arguments='{"at": "sky"}'),
    FunctionOutput(id="o", call_id="call_1", output="blue"),
    McpTools(id="t", label="house", tools=(McpTool(name="lamp", is_read_only=True),)),
    McpCall(id="x", label="house", name="lamp", arguments="{}", failure=McpFailure(kind="http_error", message="no")),
    McpApprovalRequest(id="q", label="house", name="lamp", arguments="{}"),
    McpApprovalResponse(id="r", approval_request_id="q", approve=False, reason="late"),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "conversations.db"


def test_every_kind_of_item_has_a_name() -> None:
    kinds = {each for each in Item.__subclasses__() if each.__module__ == Item.__module__}
    assert set(KINDS.values()) == kinds == {type(item) for item in OF_ALL_KINDS}


async def test_all_that_a_session_needs_comes_back_after_a_start(file: Path) -> None:
    records = [Record(item=item, said_at_s=float(n)) for n, item in enumerate(OF_ALL_KINDS)]
    records[0] = Record(
        item=OF_ALL_KINDS[0],
        said_at_s=1.5,
        heard_ms=420.25,
        words=((5, 300.0), (6, 310.5)),
        text_heard="Hello",
        backchannels=("mm-hm",),
        is_filler=True,
        timing=Timing(committed_ms=300.0, words_ms=120.0, given_ms=410.0),
    )
    async with opened(file) as store:
        await store.begin(ME, "conv_a", 1.0)
        await store.save("conv_a", [each.item.id for each in records], records, 2.0)
    async with opened(file) as store:
        assert await store.load(ME, "conv_a") == records


async def test_times_may_be_numpys(file: Path) -> None:
    odd = said("a", "x", heard_ms=np.float64(1.5), words=((1, np.float32(2.5)),))
    async with opened(file) as store:
        await store.begin(ME, "conv_a", 1.0)
        await store.save("conv_a", ["a"], [odd], 2.0)
        assert await store.load(ME, "conv_a") == [said("a", "x", heard_ms=1.5, words=((1, 2.5),))]


async def test_sound_within_an_item_is_not_kept(file: Path) -> None:
    item = Message(id="a", role="user", parts=(Part(kind="input_audio", pcm=b"loud" * 100),))
    async with opened(file) as store:
        await store.begin(ME, "conv_a", 1.0)
        await store.save("conv_a", ["a"], [Record(item=item, said_at_s=1.0)], 2.0)
        (record,) = await store.load(ME, "conv_a")
    assert isinstance(record.item, Message)
    assert record.item.parts == (Part(kind="input_audio"),)


async def test_items_change_move_and_go(file: Path) -> None:
    async with opened(file) as store:
        await keep(store, "conv_a", "one", "two", "three")
        await store.save("conv_a", ["item_2", "new", "item_0"], [said("new", "four"), said("item_2", "drei")], 5.0)
        loaded = await store.load(ME, "conv_a")
        assert loaded == [said("item_2", "drei"), said("new", "four"), said("item_0", "one")]
        assert await ids(store, "two") == await ids(store, "three") == []
        assert await ids(store, "drei") == ["conv_a"]
        assert (await store.summary(ME, "conv_a")).updated_at_s == 5.0


async def test_what_a_later_version_wrote_is_passed_over_and_stays(file: Path) -> None:
    async with opened(file) as store:
        await keep(store, "conv_a", "one", "two", "three", "four")
    db = connect(file)
    db.execute("UPDATE items SET kind = 'hologram' WHERE id = 'item_1'")
    # Of a kind that is known, but not as it is.
    db.execute("""UPDATE items SET record = replace(record, '"assistant"', '"narrator"') WHERE id = 'item_3'""")
    record = msgspec.json.decode(db.execute("SELECT record FROM items WHERE id = 'item_2'").fetchone()[0])
    record["shade"], record["item"]["parts"][0]["smell"] = 1, "roses"
    db.execute("UPDATE items SET record = ? WHERE id = 'item_2'", (msgspec.json.encode(record).decode(),))
    db.close()
    async with opened(file) as store:
        assert [each.item.id for each in await store.load(ME, "conv_a")] == ["item_0", "item_2"]
        records, has_more = await store.items(ME, "conv_a", after=None, limit=3)
        assert ([each.item.id for each in records], has_more) == (["item_0", "item_2"], False)
        await store.save("conv_a", ["item_0"], [], 5.0)
    db = connect(file)
    assert db.execute("SELECT id FROM items ORDER BY id").fetchall() == [("item_0",), ("item_1",), ("item_3",)]
    db.close()


async def test_a_title_is_the_users_first_words_unless_it_was_named(file: Path) -> None:
    async with opened(file) as store:
        await store.begin(ME, "conv_a", 1.0)
        await store.save("conv_a", ["g"], [said("g", "Good day!", "assistant")], 2.0)
        assert (await store.summary(ME, "conv_a")).title == ""
        late = said("u", None)
        await store.save("conv_a", ["g", "u"], [late], 3.0)
        assert (await store.summary(ME, "conv_a")).title == ""
        await store.save("conv_a", ["g", "u"], [said("u", "Is it raining?")], 4.0)
        assert (await store.summary(ME, "conv_a")).title == "Is it raining?"
        await store.save("conv_a", ["g"], [], 5.0)
        assert (await store.summary(ME, "conv_a")).title == ""
        renamed = await store.rename(ME, "conv_a", "Weather")
        assert (renamed.title, renamed.updated_at_s) == ("Weather", 5.0)
        await store.save("conv_a", ["g", "v"], [said("v", "And now?")], 6.0)
        assert (await store.summary(ME, "conv_a")).title == "Weather"
        assert await ids(store, "weather") == ["conv_a"]


async def test_a_cough_is_no_turn(file: Path) -> None:
    async with opened(file) as store:
        await keep(store, "conv_a", "", "Yes?", "Hello.", "Hello!")
        summary = await store.summary(ME, "conv_a")
    assert (summary.turns, summary.title) == (1, "Hello.")


async def test_the_newest_first_page_by_page(file: Path) -> None:
    async with opened(file) as store:
        for n in range(5):
            await keep(store, f"conv_{n}", f"talk {n}", now_s=100.0 + n // 2)
        await store.begin(ME, "conv_empty", 900.0)
        pages, after = [], None
        for _ in range(3):
            found, has_more = await store.list(ME, query="", after=after, limit=2)
            pages.append(([each.id for each in found], has_more))
            after = found[-1].id
        assert pages == [(["conv_4", "conv_3"], True), (["conv_2", "conv_1"], True), (["conv_0"], False)]
        found, has_more = await store.list(ME, query="talk", after="conv_3", limit=2)
        assert ([each.id for each in found], has_more) == (["conv_2", "conv_1"], True)
        with pytest.raises(NotKept):
            await store.list(ME, query="", after="conv_gone", limit=2)


async def test_items_page_by_page(file: Path) -> None:
    async with opened(file) as store:
        await keep(store, "conv_a", "one", "two", "three")
        first, has_more = await store.items(ME, "conv_a", after=None, limit=2)
        assert ([each.item.id for each in first], has_more) == (["item_0", "item_1"], True)
        rest, has_more = await store.items(ME, "conv_a", after="item_1", limit=2)
        assert ([each.item.id for each in rest], has_more) == (["item_2"], False)
        with pytest.raises(NotKept):
            await store.items(ME, "conv_a", after="item_9", limit=2)


async def test_nobody_is_shown_anothers(file: Path) -> None:
    async with opened(file) as store:
        await keep(store, "conv_a", "the secret garden")
        await store.save_sound("conv_a", "item_0", b"RIFF")
        for asked in ("conv_a", "conv_unknown"):
            with pytest.raises(NotKept):
                await store.load(YOU, asked)
            with pytest.raises(NotKept):
                await store.items(YOU, asked, after=None, limit=9)
            with pytest.raises(NotKept):
                await store.summary(YOU, asked)
            with pytest.raises(NotKept):
                await store.rename(YOU, asked, "mine")
            with pytest.raises(NotKept):
                await store.sound(YOU, asked, "item_0")
            with pytest.raises(NotKept):
                await store.list(YOU, query="", after=asked, limit=9)
            assert await store.delete(YOU, [asked]) == 0
        assert await ids(store, owner=YOU) == await ids(store, "garden", owner=YOU) == []
        assert await store.delete(YOU, None) == 0
        assert await ids(store, "garden") == ["conv_a"]


async def test_how_it_sounded(file: Path) -> None:
    async with opened(file) as store:
        await keep(store, "conv_a", "one", "two")
        await store.save_sound("conv_a", "item_1", b"RIFF1")
        await store.save_sound("conv_a", "item_1", b"RIFF2")
        assert [each.has_sound for each in await store.load(ME, "conv_a")] == [False, True]
        assert await store.sound(ME, "conv_a", "item_1") == b"RIFF2"
        assert await store.sound(ME, "conv_a", "item_0") is None
        await store.save("conv_a", ["item_0", "item_1"], [said("item_1", "zwei", "assistant")], 9.0)
        assert await store.sound(ME, "conv_a", "item_1") == b"RIFF2"
        with pytest.raises(NotKept):
            await store.save_sound("conv_a", "item_9", b"RIFF")


async def test_what_was_deleted_is_not_written_to_any_more(file: Path) -> None:
    async with opened(file) as store:
        await keep(store, "conv_a", "one")
        await keep(store, "conv_b", "two")
        assert await store.delete(ME, ["conv_a", "conv_a", "conv_x"]) == 1
        with pytest.raises(NotKept):
            await store.save("conv_a", ["n"], [said("n", "more")], 9.0)
        with pytest.raises(NotKept):
            await store.save_sound("conv_a", "item_0", b"RIFF")
        assert await ids(store) == ["conv_b"]
        await keep(store, "conv_c", "three", owner=YOU)
        assert await store.delete(ME, None) == 1
        assert await ids(store, owner=YOU) == ["conv_c"]


async def test_forgetting_by_time(file: Path) -> None:
    async with opened(file) as store:
        await keep(store, "conv_old", "one", now_s=100.0)
        await keep(store, "conv_new", "two", now_s=200.0)
        await store.begin(ME, "conv_empty", 100.0)
        assert await store.forget_empty_before(100.0) == 0
        assert await store.forget_empty_before(150.0) == 1
        assert await store.forget_before(200.0) == 1
        assert await ids(store) == ["conv_new"]


async def test_after_its_end_it_says_so(file: Path) -> None:
    async with opened(file) as store:
        await keep(store, "conv_a", "one")
    with pytest.raises(StoreFailed):
        await store.load(ME, "conv_a")
    await store.purge()
    await store.aclose()

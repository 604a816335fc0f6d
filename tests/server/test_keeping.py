"""Conversations that are kept: written down while they are held, and taken up again."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2
import pytest
from websockets.exceptions import InvalidStatus

from duologue.engines.scripted import TRANSCRIPT
from duologue.events import SpeechStarted
from duologue.items import Message, Part
from duologue.server import recorder
from duologue.server.keeping import Keeping, Wish
from duologue.server.metrics import Metrics
from duologue.server.recorder import Recorder
from duologue.session.history import History
from duologue.store.records import Record
from duologue.store.sqlite import SqliteStore
from tests.conversations.talk import Prompts, remembering
from tests.server.caller import calling
from tests.server.keepers import ANYONE, ask, at, only, opened, refused, until_written, words
from tests.server.serving import Serving, engines, serving, until

pytestmark = pytest.mark.anyio

ANSWER_S = 0.4


async def test_a_lost_conversation_goes_on_where_it_was(store: SqliteStore) -> None:
    prompts: Prompts = []
    async with serving(engines(chat=remembering(prompts, "Sure.")), store=store) as server:
        async with calling(at(server, "new"), takes_own=True) as first:
            told = opened(first)
            assert (told["kept"], told["items"], told["title"]) == (True, 0, "")
            await first.say()
            await first.wait("response.done")
            await ask(first, "My name is Ada.")
            assert {frame["response"]["conversation_id"] for frame in first.of("response.done")} == {
                told["conversation_id"]
            }
            assert server.state.keeping.is_live(told["conversation_id"])
            # The spoken answer has been heard by then.
            await anyio.sleep(ANSWER_S)
            first.socket.transport.abort()
        await until(lambda: not server.state.keeping.is_live(told["conversation_id"]))
        records = await store.load(ANYONE, told["conversation_id"])
        assert words(records) == [
            ("user", TRANSCRIPT),
            ("assistant", "Sure."),
            ("user", "My name is Ada."),
            ("assistant", "Sure."),
        ]
        assert [record.timing is not None for record in records] == [True, False, False, False]
        before = [record.item.id for record in records]
        async with calling(at(server, told["conversation_id"]), takes_own=True, before=before) as later:
            assert opened(later) == {**told, "items": 4, "title": TRANSCRIPT}
            assert later.types() == ["session.created", "duologue.conversation.opened"]
            await ask(later, "What is my name?")
            await later.send("conversation.item.retrieve", item_id=before[2])
            shown = await later.wait("conversation.item.retrieved")
            assert shown["item"]["content"][0]["text"] == "My name is Ada."
            await later.send("conversation.item.delete", item_id=before[0])
            await later.wait("conversation.item.deleted")
    assert prompts[-1][-5:] == [
        ("user", TRANSCRIPT),
        ("assistant", "Sure."),
        ("user", "My name is Ada."),
        ("assistant", "Sure."),
        ("user", "What is my name?"),
    ]
    again = await store.load(ANYONE, told["conversation_id"])
    assert words(again)[-2:] == [("user", "What is my name?"), ("assistant", "Sure.")]
    # What was said before was said then, and its times are still known.
    assert [record.said_at_s for record in again[:3]] == [record.said_at_s for record in records[1:]]
    assert [record.item.id for record in again[:3]] == before[1:]


async def test_what_plain_clients_say_is_kept_and_they_are_told_nothing_new(store: SqliteStore) -> None:
    async with serving(store=store) as server:
        async with calling(server.ws) as caller:
            await ask(caller, "Hello.")
        await until(lambda: server.state.slots.taken == 0)
        name = caller.of("response.done")[0]["response"]["conversation_id"]
        assert await only(store) == name
        assert not [frame for frame in caller.frames if frame["type"].startswith("duologue.")]


async def test_what_nobody_says_is_not_kept(store: SqliteStore) -> None:
    async with serving(store=store) as server:
        async with calling(server.ws) as caller:
            await caller.settled()
        await until(lambda: server.state.slots.taken == 0)
    assert await store.list(ANYONE, query="", after=None, limit=10) == ([], False)


@pytest.mark.parametrize("query", ["x_conversation=none", "x_conversation=new&intent=transcription"])
async def test_who_wishes_is_not_recorded(store: SqliteStore, query: str) -> None:
    async with serving(store=store) as server:
        async with calling(f"{server.ws}&{query}", takes_own=True) as caller:
            assert opened(caller)["kept"] is False
            await caller.write("Hello.")
            await caller.settled()
        await until(lambda: server.state.slots.taken == 0)
    assert await store.list(ANYONE, query="", after=None, limit=10) == ([], False)


async def test_without_a_store_everything_is_as_it_was() -> None:
    async with serving() as server:
        async with calling(at(server, "new"), takes_own=True) as caller:
            assert opened(caller)["kept"] is False
            await ask(caller, "Hello.")
        with pytest.raises(InvalidStatus, match="404"):
            async with calling(at(server, "conv_1")):
                pass


async def test_what_is_not_there_or_not_the_clients_isrefused(store: SqliteStore) -> None:
    keys = [{"Authorization": f"Bearer {key}"} for key in ("one-key", "other-key")]
    async with (
        serving(store=store, api_key="one-key,other-key") as server,
        calling(at(server, "new"), takes_own=True, additional_headers=keys[0]) as mine,
    ):
        name = opened(mine)["conversation_id"]
        await ask(mine, "Hello.")
        for headers, asked in ((keys[0], "conv_nowhere"), (keys[1], name)):
            with pytest.raises(InvalidStatus) as refused:
                async with calling(at(server, asked), additional_headers=headers):
                    pass
            assert refused.value.response.status_code == 404
            assert b'"conversation_not_found"' in (refused.value.response.body or b"")
        # Nobody was made to leave for that.
        await ask(mine, "Still there?")


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
async def test_the_public_of_a_proxy_is_not_kept_by_default(store: SqliteStore, header: str) -> None:
    handed_on = {header: "for=198.51.100.7"}
    async with serving(store=store) as server, httpx2.AsyncClient(base_url=server.http) as web:
        async with calling(at(server, "new"), takes_own=True) as mine:
            name = opened(mine)["conversation_id"]
            await ask(mine, "Hello.")
            await until_written(store, name, 2)
            async with calling(at(server, "new"), takes_own=True, additional_headers=handed_on) as theirs:
                assert opened(theirs)["kept"] is False
                await ask(theirs, "What do others say?")
            assert await refused(at(server, name), additional_headers=handed_on) == (404, "conversation_not_found")
            asked = await web.get("/v1/conversations", headers=handed_on)
            assert (asked.status_code, asked.json()["error"]["code"]) == (404, "conversations_not_kept")
            assert (await web.delete("/v1/conversations", headers=handed_on)).status_code == 404
            assert [(await web.get("/v1/offer", headers=each)).json()["store"]["on"] for each in (handed_on, {})] == [
                False,
                True,
            ]
            await ask(mine, "Nobody took it.")
        assert await only(store) == name


async def test_where_it_is_asked_for_a_proxys_public_is_kept(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUOLOGUE_STORE", "on")
    handed_on = {"X-Forwarded-For": "198.51.100.7"}
    async with (
        serving(store=store) as server,
        calling(at(server, "new"), takes_own=True, additional_headers=handed_on) as caller,
    ):
        assert opened(caller)["kept"] is True


async def test_a_spoken_turn_was_said_when_it_was_begun(store: SqliteStore) -> None:
    """Not when it was over, nor when its words were known."""
    now_s = [100.0]
    writer = Recorder(store, ANYONE, "conv_1", Metrics(), clock=lambda: now_s[0])
    history = History()
    async with writer.recording(history):
        for name, starts in (("item_spoken", True), ("item_typed", False)):
            if starts:
                writer.watch(SpeechStarted(item_id=name, at_ms=0))
            now_s[0] += 5.0
            history.add(Message(id=name, role="user", parts=(Part(kind="input_audio", text="Well."),)))
    records = await store.load(ANYONE, "conv_1")
    assert [record.said_at_s for record in records] == [100.0, 110.0]


async def test_what_a_dead_server_left_in_progress_is_ended(store: SqliteStore) -> None:
    part = Part(kind="output_audio", text="Once upon")
    record = Record(item=Message(id="a", role="assistant", parts=(part,), status="in_progress"), said_at_s=1.0)
    await store.begin(ANYONE, "conv_1", 0.0)
    await store.save("conv_1", ["a"], [record], 1.0)
    async with serving(store=store) as server, httpx2.AsyncClient(base_url=server.http) as web:
        shown = (await web.get("/v1/conversations/conv_1/items")).json()["data"][0]
        assert shown["item"]["status"] == "incomplete"
        async with calling(at(server, "conv_1"), takes_own=True, before=["a"]) as caller:
            await caller.settled()
        await until(lambda: server.state.slots.taken == 0)
    [left] = await store.load(ANYONE, "conv_1")
    assert (left.item.status, left.said_at_s) == ("incomplete", 1.0)


async def test_while_the_disk_fails_the_conversation_goes_on(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recorder, "AGAIN_S", 0.1)
    monkeypatch.setattr(recorder, "EVERY_S", 0.1)
    in_thread = anyio.to_thread.run_sync
    other = await in_thread(partial(sqlite3.connect, tmp_path / "talk.sqlite", check_same_thread=False))
    async with serving(store=store) as server, calling(at(server, "new"), takes_own=True) as caller:
        name = opened(caller)["conversation_id"]
        await ask(caller, "Before.")
        await in_thread(other.execute, "BEGIN EXCLUSIVE")
        await ask(caller, "Meanwhile.")
        await ask(caller, "And still.")
        with anyio.fail_after(5):
            while not _failed_saves(server):
                await anyio.sleep(0.02)
        await in_thread(other.rollback)
        await in_thread(other.close)
        await until_written(store, name, 6)
        await ask(caller, "After.")
    assert [text for role, text in words(await store.load(ANYONE, name)) if role == "user"] == [
        "Before.",
        "Meanwhile.",
        "And still.",
        "After.",
    ]
    assert capsys.readouterr().out.count("conversation_unsaved") == 1


def _failed_saves(server: Serving) -> float:
    pages, _ = server.state.metrics.scrape("")
    [line] = [
        each for each in b"".join(pages).splitlines() if each.startswith(b"duologue_conversation_saves_failed_total")
    ]
    return float(line.split()[-1])


async def test_a_store_that_is_gone_is_said_before_the_upgrade(store: SqliteStore) -> None:
    async with serving(store=store) as server:
        await store.begin(ANYONE, "conv_1", 0.0)
        await store.aclose()
        with pytest.raises(InvalidStatus, match="503"):
            async with calling(at(server, "conv_1")):
                pass
        async with calling(at(server, "new"), takes_own=True) as caller:
            await ask(caller, "Hello.")


async def test_it_is_live_until_its_last_words_are_written(store: SqliteStore) -> None:
    keeping = Keeping(store, Metrics())
    async with keeping.open(Wish("new", ANYONE)) as conversation:
        assert keeping.is_live(conversation.id)
        assert not keeping.is_live("conv_nowhere")
    assert not keeping.is_live(conversation.id)

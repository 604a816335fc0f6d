"""Conversations that are kept: written down while they are held, and taken up again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from websockets.exceptions import InvalidStatus

from duologue.engines.scripted import TRANSCRIPT
from duologue.engines.slots import Slots
from duologue.errors import NotKept
from duologue.events import SpeechStarted
from duologue.items import Message, Part
from duologue.server import keeping as keeping_module
from duologue.server import recorder
from duologue.server.keeping import Keeping, Wish
from duologue.server.metrics import Metrics
from duologue.server.recorder import Recorder
from duologue.session.history import History
from duologue.store.records import Record
from duologue.store.sqlite import SqliteStore
from tests.conversations.talk import Prompts, remembering
from tests.server.caller import Caller, calling
from tests.server.serving import Serving, engines, serving, until

pytestmark = pytest.mark.anyio

ANYONE = "anyone"
ANSWER_S = 0.4


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(tmp_path / "talk.sqlite", busy_s=0.05)
    yield store
    await store.aclose()


def at(server: Serving, conversation: str) -> str:
    return f"{server.ws}&x_conversation={conversation}"


def opened(caller: Caller) -> dict[str, Any]:
    """What it was told of its conversation, without what every event has."""
    [frame] = caller.of("duologue.conversation.opened")
    assert [each["type"] for each in caller.frames[:2]] == ["session.created", "duologue.conversation.opened"]
    return {key: value for key, value in frame.items() if key not in ("type", "event_id")}


async def ask(caller: Caller, text: str) -> None:
    """In writing, and wait for the end of the answer."""
    answers = caller.count("response.done")
    await caller.write(text)
    await caller.send("response.create", response={"output_modalities": ["text"]})
    await caller.wait("response.done", answers + 1)


def words(records: list[Record]) -> list[tuple[str, str | None]]:
    """Who said what."""
    items = [record.item for record in records]
    return [(item.role, item.parts[0].text) for item in items if isinstance(item, Message)]


async def only(store: SqliteStore, owner: str = ANYONE) -> str:
    """The id of the one conversation that is kept."""
    [summary], _ = await store.list(owner, query="", after=None, limit=10)
    return summary.id


async def until_written(store: SqliteStore, name: str, items: int) -> None:
    with anyio.fail_after(5):
        while True:
            with suppress(NotKept):
                if len(await store.load(ANYONE, name)) >= items:
                    return
            await anyio.sleep(0.02)


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


async def test_what_is_not_there_or_not_the_clients_is_refused(store: SqliteStore) -> None:
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


async def test_a_conversation_that_is_held_elsewhere_is_taken_over(store: SqliteStore) -> None:
    prompts: Prompts = []
    async with (
        serving(engines(chat=remembering(prompts, "Sure.")), store=store) as server,
        calling(at(server, "new"), takes_own=True) as first,
    ):
        name = opened(first)["conversation_id"]
        await ask(first, "My name is Ada.")
        await first.write("I live in London.")
        await first.settled()
        before = [each["item"]["id"] for each in first.of("conversation.item.added")]
        async with calling(at(server, name), takes_own=True, before=before) as second:
            assert await first.closed() == 1000
            assert first.socket.close_reason == "The conversation goes on elsewhere."
            assert opened(second)["items"] == 3
            assert server.state.keeping.is_live(name)
            await ask(second, "Where do I live?")
    assert prompts[-1][-1] == ("user", "I live in London.\nWhere do I live?")
    assert len(await store.load(ANYONE, name)) == 5


async def _refused(url: str, **options: Any) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as refused:
        async with calling(url, **options):
            pass
    response = refused.value.response
    return response.status_code, json.loads(response.body or b"{}")["error"]["code"]


async def test_who_goes_on_has_the_place_of_the_session_that_is_left(store: SqliteStore) -> None:
    """A full server, people in the line, and a session whose client is away and has not been missed yet."""
    async with serving(store=store, max_sessions=1) as server, httpx2.AsyncClient(base_url=server.http) as web:
        async with calling(at(server, "new"), takes_own=True) as ghost:
            name = opened(ghost)["conversation_id"]
            await ask(ghost, "Hello.")
            before = [each["item"]["id"] for each in ghost.of("conversation.item.added")]
            waits = (await web.post("/v1/admission")).json()
            assert (waits["admitted"], waits["position"]) == (False, 1)
            for stranger in ("new", "none"):
                assert await _refused(at(server, stranger)) == (503, "session_limit_reached")
            # It is not even asked whether there is a place: it is not there.
            assert await _refused(at(server, "conv_nowhere")) == (404, "conversation_not_found")
            await ask(ghost, "Still there?")
            before = [each["item"]["id"] for each in ghost.of("conversation.item.added")]
            place = (await web.post("/v1/admission", params={"x_conversation": name})).json()
            assert place["admitted"]
            async with calling(f"{at(server, name)}&ticket={place['ticket']}", takes_own=True, before=before) as later:
                assert await ghost.closed() == 1000
                assert opened(later)["items"] == 4
                assert server.state.slots.taken == 1
                await ask(later, "Here I am.")
                again = (await web.post("/v1/admission", params={"ticket": waits["ticket"]})).json()
                assert (again["admitted"], again["position"]) == (False, 1)
        await until(lambda: server.state.slots.taken == 0)
        assert (await web.post("/v1/admission", params={"ticket": waits["ticket"]})).json()["admitted"]


async def test_a_session_that_does_not_leave_is_ended(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping_module, "TAKE_OVER_S", 0.05)
    keeping, slots = Keeping(store, Metrics()), Slots(2)
    with slots.lease() as lease:
        async with keeping.open(Wish("new", ANYONE), lease) as stuck:
            await store.begin(ANYONE, stuck.id, 0.0)
            ended = anyio.Event()
            lease.cancel = ended.set
            stuck.hold(lambda: None, lambda _greeting: None)
            wish = Wish(stuck.id, ANYONE)
            assert keeping.lease_of(wish) is lease
            assert keeping.lease_of(Wish(stuck.id, "another")) is None
            async with keeping.open(wish) as later:
                assert ended.is_set()
                assert (later.is_kept, stuck.is_kept) == (True, False)
                assert keeping.lease_of(wish) is None


async def test_of_many_that_want_it_one_has_it(store: SqliteStore) -> None:
    async with serving(store=store) as server:
        async with calling(at(server, "new"), takes_own=True) as first:
            name = opened(first)["conversation_id"]
            await ask(first, "Hello.")
            before = [each["item"]["id"] for each in first.of("conversation.item.added")]
        codes: list[int | None] = []

        async def hold() -> None:
            async with calling(at(server, name), takes_own=True, before=before) as caller:
                with anyio.move_on_after(3):
                    await caller.closed()
                codes.append(caller.close_code)

        async with anyio.create_task_group() as tg:
            for _ in range(4):
                tg.start_soon(hold)
        assert sorted(codes, key=str) == [1000, 1000, 1000, None]


async def test_deleted_while_somebody_talks_it_goes_on_and_stays_deleted(store: SqliteStore) -> None:
    async with serving(store=store) as server:
        async with calling(at(server, "new"), takes_own=True) as caller:
            name = opened(caller)["conversation_id"]
            await ask(caller, "Hello.")
            await until_written(store, name, 2)
            server.state.keeping.forget(name)
            assert await store.delete(ANYONE, [name]) == 1
            await ask(caller, "Still there?")
            await until_told(caller, name)
            assert not server.state.keeping.is_live(name)
        await until(lambda: server.state.slots.taken == 0)
        with pytest.raises(NotKept):
            await store.load(ANYONE, name)


async def until_told(caller: Caller, name: str) -> None:
    """That its conversation is kept no longer."""
    told = await caller.wait("duologue.conversation.opened", 2)
    assert {key: told[key] for key in ("conversation_id", "kept", "items", "title")} == {
        "conversation_id": name,
        "kept": False,
        "items": 0,
        "title": "",
    }


async def test_whoever_talks_in_it_is_told_that_it_was_deleted(store: SqliteStore) -> None:
    async with serving(store=store) as server, httpx2.AsyncClient(base_url=server.http) as web:
        async with (
            calling(at(server, "new"), takes_own=True) as one,
            calling(at(server, "new"), takes_own=True) as other,
            calling(server.ws) as plain,
        ):
            names = [opened(each)["conversation_id"] for each in (one, other)]
            for caller in (one, other, plain):
                await ask(caller, "Hello.")
            for name in names:
                await until_written(store, name, 2)
            assert (await web.delete("/v1/conversations")).json()["deleted"]
            for caller, name in zip((one, other), names, strict=True):
                await until_told(caller, name)
                await ask(caller, "Still there?")
            await ask(plain, "Still there?")
            assert not plain.count("duologue.conversation.opened")
        await until(lambda: server.state.slots.taken == 0)
        assert await store.list(ANYONE, query="", after=None, limit=10) == ([], False)


async def test_one_whose_days_are_over_is_noticed_with_the_next_word(store: SqliteStore) -> None:
    async with serving(store=store) as server, calling(at(server, "new"), takes_own=True) as caller:
        name = opened(caller)["conversation_id"]
        await ask(caller, "Hello.")
        await until_written(store, name, 2)
        assert await store.forget_before(1e12) == 1
        await ask(caller, "Still there?")
        await until_told(caller, name)
        assert not server.state.keeping.is_live(name)


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
            assert await _refused(at(server, name), additional_headers=handed_on) == (404, "conversation_not_found")
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

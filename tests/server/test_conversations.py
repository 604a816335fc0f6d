"""``/v1/conversations``: what the page asks of the server, who may ask, and what a server without a store says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from structlog.testing import capture_logs

from duologue import telemetry
from duologue.config import Settings, setup_of
from duologue.errors import ConfigError, StoreFailed
from duologue.items import FunctionCall
from duologue.server import archive
from duologue.server.app import make_app
from duologue.server.auth import Keys
from duologue.server.state import State
from duologue.store.records import Record, Timing
from duologue.store.sqlite import SqliteStore
from tests import served
from tests.server.asking import KEY
from tests.server.serving import engines
from tests.store.making import keep, opened, said

pytestmark = pytest.mark.anyio

OTHER = "other-key-91b2"
ALL = "/v1/conversations"
DAY_S = 86_400.0


class Visitor:
    """A client of a server that keeps conversations, who shows a key."""

    def __init__(self, state: State, key: str | None = None) -> None:
        self.state = state
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        transport = httpx.ASGITransport(app=make_app(state))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8710", headers=headers)

    async def get(self, path: str = ALL, status: int = 200, **query: Any) -> dict[str, Any]:
        return _body(await self.http.get(path, params=query), status)

    async def rename(self, name: str, body: object, status: int = 200) -> dict[str, Any]:
        return _body(await self.http.post(f"{ALL}/{name}", content=json.dumps(body)), status)

    async def delete(self, path: str = ALL, status: int = 200) -> dict[str, Any]:
        return _body(await self.http.delete(path), status)


def _body(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    error: dict[str, Any] = body.get("error", {})
    return body if status == 200 else error


def _state(store: SqliteStore | None, **settings: Any) -> State:
    given = Settings(profile="scripted", **settings)
    return State(given, setup_of(given), engines(), voice="tone", is_ready=False, store=store)


@asynccontextmanager
async def visiting(folder: Path, key: str | None = None, **settings: Any) -> AsyncIterator[tuple[Visitor, SqliteStore]]:
    async with opened(folder / "conversations.db") as store:
        visitor = Visitor(_state(store, **settings), key)
        async with visitor.http:
            yield visitor, store


async def test_the_list(tmp_path: Path) -> None:
    async with visiting(tmp_path) as (visitor, store):
        assert await visitor.get() == {"object": "list", "data": [], "has_more": False}
        await keep(store, "conv_a", "What about Tromsø?", "It is dark there.", owner="anyone", now_s=1_000.5)
        await keep(store, "conv_b", "And Bergen?", "It rains.", owner="anyone", now_s=2_000.0)
        shown = {"object": "conversation", "turns": 1, "snippet": None, "is_live": False}
        older = {"id": "conv_a", "title": "What about Tromsø?", "created_at": 1_000.5, "updated_at": 1_000.5, **shown}
        newer = {"id": "conv_b", "title": "And Bergen?", "created_at": 2_000.0, "updated_at": 2_000.0, **shown}
        assert await visitor.get() == {"object": "list", "data": [newer, older], "has_more": False}
        assert await visitor.get(limit=1) == {"object": "list", "data": [newer], "has_more": True}
        assert await visitor.get(limit=1, after="conv_b") == {"object": "list", "data": [older], "has_more": False}
        found = {**older, "snippet": "It is dark there."}
        assert await visitor.get(q="tromso dark") == {"object": "list", "data": [found], "has_more": False}
        assert await visitor.get(f"{ALL}/conv_a") == older


async def test_items(tmp_path: Path) -> None:
    timing = Timing(committed_ms=310.0, words_ms=120.0, given_ms=480.0)
    records = [
        said("u", "Tell me a story.", said_at_s=5.25, timing=timing),
        said("a", "Once upon a time, long ago.", "assistant", heard_ms=400.0, text_heard="Once upon"),
        Record(item=FunctionCall(id="f", call_id="call_1", name="look", arguments="{}"), said_at_s=6.0),
    ]
    async with visiting(tmp_path) as (visitor, store):
        await store.begin("anyone", "conv_a", 1.0)
        await store.save("conv_a", ["u", "a", "f"], records, 2.0)
        await store.save_sound("conv_a", "u", b"RIFF")
        page = await visitor.get(f"{ALL}/conv_a/items")
        assert (page["object"], page["has_more"]) == ("list", False)
        user, answer, call = page["data"]
        assert user == {
            "object": "conversation.item",
            "item": {
                "id": "u",
                "object": "realtime.item",
                "type": "message",
                "status": "completed",
                "role": "user",
                "content": [{"type": "input_audio", "transcript": "Tell me a story."}],
            },
            "said_at": 5.25,
            "unheard": "",
            "ms_since_speech_end": {
                "committed": 310.0,
                "transcript": 120.0,
                "first_text": None,
                "first_phrase": None,
                "first_sound": None,
                "first_sent": 480.0,
            },
            "has_sound": True,
        }
        assert answer["item"]["content"] == [{"type": "output_audio", "transcript": "Once upon"}]
        assert answer["item"]["status"] == "incomplete"
        assert (answer["unheard"], answer["ms_since_speech_end"]) == ("a time, long ago.", None)
        assert (call["item"]["type"], call["has_sound"]) == ("function_call", False)
        rest = await visitor.get(f"{ALL}/conv_a/items", after="u", limit=1)
        assert ([each["item"]["id"] for each in rest["data"]], rest["has_more"]) == (["a"], True)
        assert (await visitor.get(f"{ALL}/conv_x/items", 404))["code"] == "conversation_not_found"


async def test_an_answer_that_nobody_heard(tmp_path: Path) -> None:
    unheard = said("a", "Once upon a time.", "assistant", heard_ms=0.0, text_heard="")
    async with visiting(tmp_path) as (visitor, store):
        await store.begin("anyone", "conv_a", 1.0)
        await store.save("conv_a", ["a"], [unheard], 2.0)
        [shown] = (await visitor.get(f"{ALL}/conv_a/items"))["data"]
        assert (shown["item"]["status"], shown["unheard"]) == ("incomplete", "Once upon a time.")
        assert shown["item"]["content"][0]["transcript"] == ""


async def test_sound(tmp_path: Path) -> None:
    async with visiting(tmp_path) as (visitor, store):
        await keep(store, "conv_a", "one", "two", owner="anyone")
        await store.save_sound("conv_a", "item_0", b"RIFF....WAVE")
        answer = await visitor.http.get(f"{ALL}/conv_a/items/item_0/sound")
        assert (answer.status_code, answer.content) == (200, b"RIFF....WAVE")
        assert answer.headers["content-type"] == "audio/wav"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert (await visitor.get(f"{ALL}/conv_a/items/item_1/sound", 404))["code"] == "sound_not_kept"


async def test_renaming(tmp_path: Path) -> None:
    async with visiting(tmp_path) as (visitor, store):
        await keep(store, "conv_a", "one", owner="anyone")
        assert (await visitor.rename("conv_a", {"title": "  Count \n down "}))["title"] == "Count down"
        assert (await visitor.rename("conv_a", {"title": "x" * 200}))["title"] == "x" * 200
        for title in ("", "  ", "x" * 201, None, 7, ["a"]):
            assert (await visitor.rename("conv_a", {"title": title}, 400))["param"] == "title"
        bodies: list[object] = [{}, [], "title"]
        for body in bodies:
            await visitor.rename("conv_a", body, 400)
        assert (await visitor.rename("conv_x", {"title": "x"}, 404))["code"] == "conversation_not_found"
        assert (await visitor.get(f"{ALL}/conv_a"))["title"] == "x" * 200


async def test_deleting(tmp_path: Path) -> None:
    async with visiting(tmp_path) as (visitor, store):
        for name in ("conv_a", "conv_b", "conv_c"):
            await keep(store, name, "one", owner="anyone")
        gone = {"id": "conv_a", "object": "conversation.deleted", "deleted": True}
        assert await visitor.delete(f"{ALL}/conv_a") == gone
        assert (await visitor.delete(f"{ALL}/conv_a", 404))["code"] == "conversation_not_found"
        assert await visitor.delete() == {"object": "conversations.deleted", "deleted": True, "count": 2}
        assert (await visitor.get())["data"] == []


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "501"}, {"limit": "many"}, {"limit": "-1"}, {"limit": "²"}]
)
async def test_a_limit_that_cannot_be(tmp_path: Path, query: Mapping[str, str]) -> None:
    async with visiting(tmp_path) as (visitor, _):
        assert (await visitor.get(ALL, 400, **query))["param"] == "limit"


@pytest.mark.parametrize("query", ['"', "*", "%00", "a OR b", "(", "🎉", "\ud7ff", "%"])
async def test_any_search_is_answered(tmp_path: Path, query: str) -> None:
    async with visiting(tmp_path) as (visitor, store):
        await keep(store, "conv_a", "one", owner="anyone")
        assert _body(await visitor.http.get(f"{ALL}?q={quote(query)}"), 200)["data"] == []


# --- who may ask -----------------------------------------------------------------------------------------------------


async def test_each_key_has_its_own_in_whatever_order_they_stand(tmp_path: Path) -> None:
    async with visiting(tmp_path, KEY, api_key=f"{KEY},{OTHER}") as (visitor, store):
        owner = Keys([KEY]).owner_of("key-1")
        assert owner is not None
        assert KEY not in owner
        await keep(store, "conv_a", "one", owner=owner)
        assert [each["id"] for each in (await visitor.get())["data"]] == ["conv_a"]
    async with visiting(tmp_path, KEY, api_key=f"{OTHER},{KEY}") as (visitor, _):
        assert [each["id"] for each in (await visitor.get())["data"]] == ["conv_a"]
    async with visiting(tmp_path, OTHER, api_key=f"{KEY},{OTHER}") as (visitor, store):
        assert (await visitor.get())["data"] == []
        for path in (f"{ALL}/conv_a", f"{ALL}/conv_a/items", f"{ALL}/conv_a/items/item_0/sound"):
            assert (await visitor.get(path, 404))["code"] == "conversation_not_found"
        await visitor.rename("conv_a", {"title": "mine"}, 404)
        await visitor.delete(f"{ALL}/conv_a", 404)
        await visitor.delete()
        assert len(await store.load(owner, "conv_a")) == 1


async def test_no_key_and_no_secret_opens_it(tmp_path: Path) -> None:
    async with visiting(tmp_path, api_key=KEY) as (visitor, _):
        assert (await visitor.get(ALL, 401))["code"] == "invalid_api_key"
    async with visiting(tmp_path, api_key=KEY) as (visitor, _):
        value, _secret = visitor.state.secrets.make({}, 600, "key-1")
        visitor.http.headers["Authorization"] = f"Bearer {value}"
        for path in (ALL, f"{ALL}/conv_a", f"{ALL}/conv_a/items"):
            assert "client secret" in (await visitor.get(path, 401))["message"]


async def test_another_sites_page_is_refused(tmp_path: Path) -> None:
    async with visiting(tmp_path) as (visitor, store):
        await keep(store, "conv_a", "one", owner="anyone")
        visitor.http.headers["Origin"] = "https://evil.example"
        assert (await visitor.delete(ALL, 403))["code"] == "origin_not_allowed"


# --- whether any are kept --------------------------------------------------------------------------------------------


async def test_a_server_that_keeps_none_says_how_to_change_that() -> None:
    visitor = Visitor(_state(None))
    async with visitor.http:
        problem = await visitor.get(ALL, 404)
        assert problem["code"] == "conversations_not_kept"
        assert "DUOLOGUE_STORE=on" in problem["message"]
        assert (await visitor.delete(f"{ALL}/conv_a", 404))["code"] == "conversations_not_kept"


async def test_a_store_that_fails(tmp_path: Path) -> None:
    async with visiting(tmp_path) as (visitor, store):
        await store.aclose()
        answer = await visitor.http.get(ALL)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_failed")
        assert answer.headers["retry-after"]


@pytest.mark.parametrize(
    ("store", "host", "keeps"),
    [
        ("auto", "127.0.0.1", True),
        ("auto", "localhost", True),
        ("auto", "::1", True),
        ("auto", "0.0.0.0", False),
        ("auto", "192.0.2.7", False),
        ("on", "0.0.0.0", True),
        ("off", "127.0.0.1", False),
    ],
)
def test_by_default_only_for_who_uses_the_machine_itself(store: str, host: str, keeps: bool) -> None:
    assert archive.keeps(Settings(store=store, host=host)) is keeps


@pytest.mark.parametrize("setting", ["allowed_hosts", "allowed_origins", "trust_forwarded_for"])
def test_who_lets_others_in_has_to_ask_for_it(setting: str) -> None:
    given: dict[str, Any] = {setting: ("https://voice.example",)}
    assert not archive.keeps(Settings(**given))
    assert archive.keeps(Settings(store="on", **given))
    # One's own programs show it.
    assert archive.keeps(Settings(api_key=KEY))


async def test_where_the_file_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    async with archive.opened_store(Settings()) as store:
        assert store is not None
    assert [each.name for each in (tmp_path / "duologue").iterdir()] == ["conversations.db"]
    assert archive.file_of(Settings(store_file=tmp_path / "x.db")) == tmp_path / "x.db"
    async with archive.opened_store(Settings(store="off")) as store:
        assert store is None


@pytest.mark.timeout(60)
def test_a_server_that_is_stopped_closes_its_file(tmp_path: Path) -> None:
    """SQLite then has written all into the one file, and taken the others away."""
    with served.serving("scripted", data_folder=tmp_path) as url:
        assert httpx.get(f"{url}{ALL}").json()["data"] == []
        assert len(list((tmp_path / "duologue").iterdir())) == 3
    assert [each.name for each in (tmp_path / "duologue").iterdir()] == ["conversations.db"]


async def test_a_store_that_cannot_be_opened_is_done_without_unless_it_is_wanted(tmp_path: Path) -> None:
    file = tmp_path / "diary.db"
    file.write_bytes(b"My diary. " * 1_000)
    with capture_logs() as logs:
        async with archive.opened_store(Settings(store_file=file)) as store:
            assert store is None
    (said_so,) = [line for line in logs if line["event"] == telemetry.STORE_OFF]
    assert str(file) in said_so["reason"]
    with pytest.raises(ConfigError, match="damaged"):
        await archive.open_store(Settings(store_file=file, store="on"))


async def test_what_is_too_old_is_swept(tmp_path: Path) -> None:
    async with opened(tmp_path / "conversations.db") as store:
        now_s = 100 * DAY_S
        await keep(store, "conv_old", "one", owner="anyone", now_s=now_s - 31 * DAY_S)
        await keep(store, "conv_new", "two", owner="anyone", now_s=now_s - 29 * DAY_S)
        await store.begin("anyone", "conv_hushed", now_s - 3 * DAY_S)
        await store.begin("anyone", "conv_begun", now_s - 1 * DAY_S)
        await archive.sweep(store, 0, now_s)
        assert (await store.summary("anyone", "conv_old")).turns == 1
        with capture_logs() as logs:
            await archive.sweep(store, 30.0, now_s)
        assert [(line["event"], line["conversations"]) for line in logs] == [(telemetry.STORE_SWEPT, 1)]
        found, _ = await store.list("anyone", query="", after=None, limit=9)
        assert [each.id for each in found] == ["conv_new"]
        assert await store.load("anyone", "conv_begun") == []


async def test_a_sweep_that_fails_is_told_and_tried_again(tmp_path: Path) -> None:
    async with opened(tmp_path / "conversations.db") as store:
        await store.aclose()
        with pytest.raises(StoreFailed):
            await store.forget_before(0.0)
        with capture_logs() as logs:
            await archive.sweep(store, 30.0, 0.0)
        assert [line["event"] for line in logs] == [telemetry.STORE_FAILED]

"""A conversation that is kept while somebody talks in it: another goes on with it, it is deleted."""

from __future__ import annotations

import anyio
import anyio.to_thread
import httpx2
import pytest

from duologue.engines.slots import Slots
from duologue.errors import NotKept
from duologue.server import keeping as keeping_module
from duologue.server.keeping import Keeping, Wish
from duologue.server.metrics import Metrics
from duologue.store.sqlite import SqliteStore
from tests.conversations.talk import Prompts, remembering
from tests.server.caller import calling
from tests.server.keepers import ANYONE, ask, at, opened, refused, until_told, until_written
from tests.server.serving import engines, serving, until

pytestmark = pytest.mark.anyio


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
            assert first.errors()[-1] == "conversation_taken_over"
            assert opened(second)["items"] == 3
            assert server.state.keeping.is_live(name)
            await ask(second, "Where do I live?")
    assert prompts[-1][-1] == ("user", "I live in London.\nWhere do I live?")
    assert len(await store.load(ANYONE, name)) == 5


async def test_who_goes_on_has_the_place_of_the_session_that_is_left(store: SqliteStore) -> None:
    """A full server, people in the line, and a session whose client is away and has not been missed yet."""
    async with serving(store=store, max_sessions=1) as server, httpx2.AsyncClient(base_url=server.http) as web:
        async with calling(at(server, "new"), takes_own=True) as ghost:
            name = opened(ghost)["conversation_id"]
            await ask(ghost, "Hello.")
            waits = (await web.post("/v1/admission")).json()
            assert (waits["admitted"], waits["position"]) == (False, 1)
            for stranger in ("new", "none"):
                assert await refused(at(server, stranger)) == (503, "session_limit_reached")
            # It is not even asked whether there is a place: it is not there.
            assert await refused(at(server, "conv_nowhere")) == (404, "conversation_not_found")
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

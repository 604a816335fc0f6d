"""One session's tools: when servers are asked, what the model is offered, and what its calls come to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from duologue.engines.scripted_tools import ScriptedToolServers
from duologue.errors import ClientError, DuologueError, EngineLost
from duologue.events import Event, Failed, ItemAdded, ItemDone, McpListingProgress
from duologue.items import FunctionTool, McpFailure, McpServer, McpTool, McpTools
from duologue.session.conversation import Conversation
from duologue.session.tools import LISTING_PATIENCE_S, LONGEST_NAME, Tools
from tests.virtual_time import VIRTUAL

pytestmark = pytest.mark.anyio

READ = McpTool(name="read", description="Reads.", is_read_only=True)
WRITE = McpTool(name="write", parameters='{"type": "object", "properties": {"text": {}}}')
SHOP = {"shop": [READ, WRITE]}
CLOCK = FunctionTool(name="clock", description="Tells the time.")


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


def server(label: str = "shop", **settings: Any) -> McpServer:
    return McpServer(label=label, url=f"https://{label}.example/mcp", **settings)


class Room:
    """A session's tools with all that they said."""

    def __init__(self, servers: ScriptedToolServers) -> None:
        self.said: list[Event] = []
        self.servers = servers
        self.conversation = Conversation(self.said.append)
        self.tools = Tools(servers, self.conversation, self.said.append)

    def items(self, kind: type[ItemAdded | ItemDone]) -> list[McpTools]:
        return [event.item for event in self.said if isinstance(event, kind) and isinstance(event.item, McpTools)]

    def phases(self) -> list[str]:
        return [event.phase for event in self.said if isinstance(event, McpListingProgress)]

    def names(self) -> list[str]:
        return [tool.name for tool in self.tools.offered()]


@asynccontextmanager
async def room(
    offers: Mapping[str, Sequence[McpTool]] | None = None, answers: Any = None, **settings: Any
) -> AsyncIterator[Room]:
    """Until the block ends; then nothing may be left."""
    others = asyncio.all_tasks()
    here = Room(ScriptedToolServers(SHOP if offers is None else offers, answers, **settings))
    async with anyio.create_task_group() as tasks:
        here.tools.tasks = tasks
        yield here
        here.tools.close()
    assert sorted(here.servers.opened) == sorted(here.servers.closed)
    assert not asyncio.all_tasks() - others, "the tools left tasks behind"


# --- listing --------------------------------------------------------------------------------------------------------


async def test_functions_are_known_at_once() -> None:
    async with room() as here:
        here.tools.configure((CLOCK,))
        assert here.names() == ["clock"]
        assert here.tools.kind_of("clock") == CLOCK
        assert here.said == []


async def test_a_server_is_asked_as_soon_as_it_is_named() -> None:
    async with room(delay_s=0.5) as here:
        here.tools.configure((CLOCK, server()))
        assert here.names() == ["clock"]
        asked = here.items(ItemAdded)[0]
        assert (asked.label, asked.status, asked.tools) == ("shop", "in_progress", ())
        assert here.conversation.history.require(asked.id, "retriev").item == asked

        await here.tools.known()
        assert anyio.current_time() == pytest.approx(0.5)
        kinds = [type(event) for event in here.said]
        assert kinds == [ItemAdded, McpListingProgress, McpListingProgress, ItemDone]
        assert here.phases() == ["in_progress", "completed"]
        told = here.items(ItemDone)[0]
        assert (told.id, told.status, told.tools) == (asked.id, "completed", (READ, WRITE))
        assert here.conversation.history.require(asked.id, "retriev").item == told
        assert [tool.parameters for tool in here.tools.offered()] == [
            CLOCK.parameters,
            READ.parameters,
            WRITE.parameters,
        ]


async def test_the_same_server_is_not_asked_twice() -> None:
    async with room() as here:
        here.tools.configure((server(),))
        await here.tools.known()
        here.tools.configure((CLOCK, server(allowed=frozenset({"read"}))))
        await here.tools.known()
        assert here.servers.opened == ["shop"]
        assert here.names() == ["clock", "read"]


@pytest.mark.parametrize("change", [{"headers": {"authorization": "Bearer other"}}, {"url": "https://new.example/mcp"}])
async def test_another_address_or_key_is_another_connection(change: dict[str, Any]) -> None:
    async with room() as here:
        here.tools.configure((server(),))
        await here.tools.known()
        here.tools.configure((McpServer(**({"label": "shop", "url": server().url} | change)),))
        await here.tools.known()
        assert (here.servers.opened, here.servers.closed) == (["shop", "shop"], ["shop"])
        assert here.names() == ["read", "write"]


async def test_a_server_that_is_named_no_more_is_left() -> None:
    async with room() as here:
        here.tools.configure((server(),))
        await here.tools.known()
        here.tools.configure(())
        await anyio.wait_all_tasks_blocked()
        assert here.servers.closed == ["shop"]
        assert here.names() == []
        assert here.tools.kind_of("read") is None


async def test_a_listing_that_is_given_up_ends_as_failed() -> None:
    async with room(delay_s=60) as here:
        here.tools.configure((server(),))
        await anyio.wait_all_tasks_blocked()
        here.tools.configure(())
        assert here.phases() == ["in_progress", "failed"]
        assert here.items(ItemDone)[0].status == "incomplete"


@pytest.mark.parametrize(
    ("error", "kind", "param"),
    [
        (EngineLost("the MCP server 'shop' does not answer"), "server_error", None),
        (ClientError("not here", param="session.tools"), "invalid_request_error", "session.tools"),
    ],
)
async def test_a_server_that_cannot_be_had(error: DuologueError, kind: str, param: str | None) -> None:
    async with room(failures={"shop": error}) as here:
        here.tools.configure((CLOCK, server()))
        await here.tools.known()
        assert here.phases() == ["in_progress", "failed"]
        failed = next(event for event in here.said if isinstance(event, Failed))
        assert (failed.kind, failed.message, failed.param) == (kind, error.message, param)
        assert (here.items(ItemDone)[0].status, here.items(ItemDone)[0].tools) == ("incomplete", ())
        assert here.names() == ["clock"]
        here.tools.configure((CLOCK, server()))
        await here.tools.known()
        assert here.phases() == ["in_progress", "failed"] * 2


async def test_nobody_waits_for_a_slow_server_for_ever() -> None:
    async with room({"shop": [READ], "quick": [WRITE]}, delay_s=3_600) as here:
        here.tools.configure((server(),))
        await here.tools.known()
        assert anyio.current_time() == pytest.approx(LISTING_PATIENCE_S)
        assert here.names() == []


async def test_an_item_that_the_client_has_deleted_meanwhile_stays_away() -> None:
    async with room(delay_s=1) as here:
        here.tools.configure((server(),))
        here.conversation.history.remove(here.items(ItemAdded)[0].id)
        await here.tools.known()
        assert here.phases() == ["in_progress", "completed"]
        assert here.items(ItemDone) == []
        assert here.names() == ["read", "write"]


async def test_a_reply_may_have_tools_of_its_own() -> None:
    async with room({**SHOP, "bank": [McpTool(name="pay")]}) as here:
        here.tools.configure((CLOCK, server()))
        own = (server("bank"),)
        here.tools.add(own)
        await here.tools.known()
        assert [tool.name for tool in here.tools.offered(own)] == ["pay"]
        assert here.names() == ["clock", "read", "write"]
        assert here.tools.kind_of("pay") is None
        assert here.tools.kind_of("pay", own) == (own[0], McpTool(name="pay"))
        assert await here.tools.run(own[0], "pay", "{}") == "pay was called"


# --- names ----------------------------------------------------------------------------------------------------------


async def test_names_are_unique_and_lead_back() -> None:
    offers = {
        "shop": [McpTool(name="clock"), McpTool(name="find item/by.name"), McpTool(name="x" * 100), McpTool(name="é")],
        "bank": [McpTool(name="clock"), McpTool(name="find_item_by_name"), McpTool(name="x" * 99)],
    }
    async with room(offers) as here:
        here.tools.configure((server(), CLOCK, server("bank")))
        await here.tools.known()
        names = here.names()
        assert names[:3] == ["clock", "shop__clock", "find_item_by_name"]
        assert set(names) >= {"bank__clock", "bank__find_item_by_name"}
        assert len(set(names)) == len(names) == 8
        assert all(len(name) <= LONGEST_NAME and name.replace("_", "").isascii() for name in names)
        found = [here.tools.kind_of(name) for name in names]
        assert found[0] == CLOCK
        pairs = [(kind[0].label, kind[1].name) for kind in found if isinstance(kind, tuple)]
        assert pairs == [(label, tool.name) for label in ("shop", "bank") for tool in offers[label]]


async def test_a_name_never_comes_to_mean_another_tool() -> None:
    offers = {"slow": [McpTool(name="read")], "shop": [READ]}
    async with room(offers) as here:
        both = (server("slow"), server("shop"))
        here.tools.configure(both[1:])
        await here.tools.known()
        assert here.names() == ["read"]
        here.tools.configure(both)
        await here.tools.known()
        assert here.names() == ["slow__read", "read"]
        assert here.tools.kind_of("read") == (both[1], READ)
        # A function's name is the client's own.
        here.tools.configure((FunctionTool(name="read"), *both))
        assert here.names() == ["read", "slow__read", "shop__read"]
        assert here.tools.kind_of("read") == FunctionTool(name="read")
        assert here.tools.kind_of("shop__read") == (both[1], READ)


async def test_a_choice_is_told_by_the_models_name() -> None:
    async with room({"shop": [McpTool(name="find item"), READ]}) as here:
        here.tools.configure((CLOCK, server(allowed=frozenset({"find item"}))))
        await here.tools.known()
        asked = ("auto", "none", "required", "clock", "find item", "read", "no such tool")
        choices = [here.tools.choice(wanted) for wanted in asked]
        assert choices == ["auto", "none", "required", "clock", "find_item", "auto", "auto"]
        assert here.tools.name_of("shop", "find item") == "find_item"
        assert here.tools.name_of("gone", "find.item") == "find_item"


# --- what is allowed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["read", "write"]),
        ({"allowed": frozenset({"write", "no such tool"})}, ["write"]),
        ({"allowed": frozenset()}, []),
        ({"only_read_only": True}, ["read"]),
        ({"only_read_only": True, "allowed": frozenset({"write"})}, []),
    ],
)
async def test_only_what_is_allowed_is_offered_and_called(settings: dict[str, Any], names: list[str]) -> None:
    async with room() as here:
        shop = server(**settings)
        here.tools.configure((shop,))
        await here.tools.known()
        assert here.names() == names
        for tool in (READ, WRITE):
            answer = await here.tools.run(shop, tool.name, "{}")
            if tool.name in names:
                assert answer == f"{tool.name} was called"
                assert here.tools.kind_of(tool.name) == (shop, tool)
            else:
                assert isinstance(answer, McpFailure)
                assert (answer.kind, answer.code) == ("protocol_error", -32602)
                assert here.tools.kind_of(tool.name) is None
        assert [call[1] for call in here.servers.calls] == names


@pytest.mark.parametrize(
    ("settings", "asking"),
    [
        ({}, [READ, WRITE]),
        ({"asks_first": frozenset()}, []),
        ({"asks_first": frozenset({"write"})}, [WRITE]),
        ({"never_asks": frozenset({"write"})}, [READ]),
        ({"asks_unless_read_only": True}, [WRITE]),
        ({"asks_first": frozenset({"read"}), "never_asks": frozenset({"read"})}, []),
    ],
)
async def test_who_must_ask_first(settings: dict[str, Any], asking: list[McpTool]) -> None:
    async with room() as here:
        shop = server(**settings)
        assert [tool for tool in (READ, WRITE) if here.tools.needs_approval(shop, tool)] == asking


# --- calls ----------------------------------------------------------------------------------------------------------


async def test_calls_come_back_with_what_the_server_gave() -> None:
    failure = McpFailure(kind="tool_execution_error", message="sold out")
    async with room(answers={"read": lambda arguments: f"given {arguments}", "write": failure}) as here:
        here.tools.configure((server(),))
        await here.tools.known()
        assert await here.tools.run(server(), "read", '{"a": 1}') == 'given {"a": 1}'
        assert await here.tools.run(server(), "write", "") == failure


@pytest.mark.parametrize("arguments", ["[]", "null", "{", '"text"'])
async def test_arguments_that_are_no_object_are_not_sent(arguments: str) -> None:
    async with room() as here:
        here.tools.configure((server(),))
        await here.tools.known()
        answer = await here.tools.run(server(), "read", arguments)
        assert isinstance(answer, McpFailure)
        assert (answer.kind, answer.code) == ("protocol_error", -32602)
        assert here.servers.calls == []


async def test_a_server_that_is_not_connected_is_not_called() -> None:
    async with room(failures={"shop": EngineLost("gone")}) as here:
        here.tools.configure((server(),))
        await here.tools.known()
        for asked in (server(), server("never named")):
            answer = await here.tools.run(asked, "read", "{}")
            assert isinstance(answer, McpFailure)
            assert (answer.kind, answer.code) == ("http_error", 503)


async def test_a_call_that_is_cancelled_is_cancelled_there() -> None:
    async with room(delay_s=30) as here:
        here.tools.configure((server(),))
        with anyio.move_on_after(35):
            await anyio.sleep(31)
            await here.tools.run(server(), "read", "{}")
        assert here.servers.cancelled == here.servers.calls == [("shop", "read", "{}")]


async def test_the_end_of_the_session_leaves_nothing() -> None:
    servers = ScriptedToolServers(SHOP, delay_s=5)
    here = Room(servers)
    others = asyncio.all_tasks()
    with anyio.move_on_after(2):
        async with anyio.create_task_group() as tasks:
            here.tools.tasks = tasks
            here.tools.configure((server(),))
    assert servers.opened == servers.closed == ["shop"]
    assert not asyncio.all_tasks() - others

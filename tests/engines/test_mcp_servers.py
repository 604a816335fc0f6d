"""MCP servers: made with the official package, spoken with over real connections; well-behaved, dying and hostile."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio
import pytest
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send
from tests.engines.standins.mcp_server import PATHS, Certificate, House, app, needing, serving, speaking

from duologue.engines import mcp_link, mcp_servers
from duologue.engines.mcp_http import Permits, refuse
from duologue.engines.mcp_servers import McpServers
from duologue.engines.tool_text import MAX_RESULT_BYTES
from duologue.engines.tools import ToolConnection
from duologue.errors import ClientError, EngineError, EngineLost
from duologue.items import McpFailure, McpServer

pytestmark = pytest.mark.anyio
WAYS = list(PATHS)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
async def _nothing_left_behind() -> AsyncIterator[None]:
    yield
    with anyio.move_on_after(5):
        while tasks():
            await anyio.sleep(0.01)
    assert tasks() == []


def tasks() -> list[str]:
    """All that run, but for those that run the test, and one that the servers' library leaves in each event loop."""
    names = [getattr(task.get_coro(), "__qualname__", "?") for task in asyncio.all_tasks()]
    return [name for name in names if not name.startswith("TestRunner.") and name != "_shutdown_watcher"]


def at(port: int, path: str = "/mcp", headers: Mapping[str, str] | None = None, scheme: str = "http") -> McpServer:
    host = "127.0.0.1" if scheme == "http" else "tools.example"
    return McpServer(label="house", url=f"{scheme}://{host}:{port}{path}", headers=headers or {})


async def call(connection: ToolConnection, name: str, **arguments: Any) -> str | McpFailure:
    return await connection.run(name, json.dumps(arguments))


async def until(is_so: Any) -> None:
    with anyio.fail_after(5):
        while not is_so():
            await anyio.sleep(0.01)


def failure_of(answer: str | McpFailure) -> tuple[str, int | None]:
    assert isinstance(answer, McpFailure), answer
    return answer.kind, answer.code


# --- as it should be ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
async def test_tools_are_listed_and_called(way: str) -> None:
    house = House()
    async with serving(app(way, house)) as port, McpServers("any").open(at(port, PATHS[way])) as connection:
        offered = {tool.name: tool for tool in await connection.offers()}
        assert set(offered) == {"add", "slow", "fail", "letters", "city", "picture"}
        add = offered["add"]
        assert (add.description, add.is_read_only) == ("The sum of two numbers.", True)
        assert set(json.loads(add.parameters)["properties"]) == {"a", "b"}
        assert json.loads(add.annotations or "") == {"title": "Adds", "readOnlyHint": True}
        assert (offered["slow"].is_read_only, offered["slow"].annotations) == (False, None)

        assert await call(connection, "add", a=1, b=2) == "3"
        city = await call(connection, "city")
        assert isinstance(city, str)
        assert json.loads(city) == {"people": 3}
        assert await call(connection, "picture") == "a dot\n[image, image/png, 300 bytes]"


@pytest.mark.parametrize("way", WAYS)
async def test_failures_are_told_and_the_connection_lives_on(way: str) -> None:
    async with serving(app(way, House())) as port, McpServers("any").open(at(port, PATHS[way])) as connection:
        answer = await call(connection, "fail")
        assert failure_of(answer) == ("tool_execution_error", None)
        assert isinstance(answer, McpFailure)
        assert "the oven is cold" in answer.message
        assert failure_of(await call(connection, "add", a="x"))[0] == "tool_execution_error"
        assert isinstance(await call(connection, "no such tool"), McpFailure)
        assert await call(connection, "add", a=1, b=2) == "3"


NO_OBJECTS = {"array": "[1]", "half": "{", "number": "7", "no Unicode": '{"a": "\ud800"}', "deep": "[" * 100_000}


@pytest.mark.parametrize("arguments", NO_OBJECTS.values(), ids=NO_OBJECTS)
async def test_arguments_that_are_no_object_are_not_sent(arguments: str) -> None:
    house = House()
    async with serving(app("streamable", house)) as port, McpServers("any").open(at(port)) as connection:
        assert failure_of(await connection.run("add", arguments)) == ("protocol_error", -32602)
    assert house.called == []


async def test_several_calls_at_once() -> None:
    async with serving(app("streamable", House())) as port, McpServers("any").open(at(port)) as connection:
        answers: list[str | McpFailure] = []

        async def add(number: int) -> None:
            answers.append(await call(connection, "add", a=number, b=0))

        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(add, number)
        assert sorted(map(str, answers)) == [str(number) for number in range(8)]


@pytest.mark.parametrize("way", WAYS)
async def test_a_call_that_is_cancelled_is_cancelled_there(way: str) -> None:
    house = House()
    async with serving(app(way, house)) as port, McpServers("any").open(at(port, PATHS[way])) as connection:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: call(connection, "slow", seconds=3_600))
            await until(lambda: house.called == ["slow"])
            tasks.cancel_scope.cancel()
        await until(lambda: house.cancelled == ["slow"])
        assert await call(connection, "add", a=1, b=2) == "3"


@pytest.mark.parametrize("way", WAYS)
async def test_a_tool_that_takes_too_long_is_given_up(way: str) -> None:
    house = House()
    servers = McpServers("any", tool_timeout_s=0.3)
    async with serving(app(way, house)) as port, servers.open(at(port, PATHS[way])) as connection:
        assert failure_of(await call(connection, "slow", seconds=3_600)) == ("protocol_error", -32001)
        await until(lambda: house.cancelled == ["slow"])
        assert await call(connection, "add", a=1, b=2) == "3"


@pytest.mark.parametrize("way", WAYS)
async def test_a_call_that_is_given_up_takes_no_other_with_it(way: str) -> None:
    house = House()
    servers = McpServers("any", tool_timeout_s=0.6)
    answers: dict[str, str | McpFailure] = {}
    async with serving(app(way, house)) as port, servers.open(at(port, PATHS[way])) as connection:

        async def slow(name: str, after_s: float, seconds: float) -> None:
            await anyio.sleep(after_s)
            answers[name] = await call(connection, "slow", seconds=seconds)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(slow, "first", 0, 3_600)
            tasks.start_soon(slow, "second", 0.3, 0.45)
        assert isinstance(answers["first"], McpFailure)
        assert answers["second"] == "at last"


async def test_an_old_server_is_told_that_the_session_is_over() -> None:
    house = House()
    async with serving(app("handshake", house)) as port:
        async with McpServers("any").open(at(port)):
            assert "DELETE" not in house.requests
        assert "DELETE" in house.requests


async def test_what_goes_wrong_in_the_block_comes_out_as_it_was() -> None:
    async with serving(app("streamable", House())) as port:
        with pytest.raises(KeyError, match="mine"):
            async with McpServers("any").open(at(port)):
                raise KeyError("mine")


@pytest.mark.parametrize("way", WAYS)
async def test_a_session_may_end_at_any_moment(way: str) -> None:
    async with serving(app(way, House())) as port:
        for seconds in (0.0, 0.005, 0.01, 0.02, 0.04, 0.08, 0.3):
            with anyio.move_on_after(seconds):
                async with McpServers("any").open(at(port, PATHS[way])) as connection:
                    await connection.offers()
                    await call(connection, "slow", seconds=3_600)


# --- keys -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
async def test_headers_open_the_door_and_are_not_told(way: str, caplog: pytest.LogCaptureFixture) -> None:
    secret = "canary-5d41402a"
    caplog.set_level(logging.DEBUG)
    house = House()
    async with serving(needing(secret, app(way, house))) as port:
        headers = {"Authorization": f"Bearer {secret}", "X-Shop": "7"}
        async with McpServers("any").open(at(port, PATHS[way], headers)) as connection:
            assert await call(connection, "add", a=1, b=2) == "3"
            assert secret not in repr(connection)
        assert all(told["x-shop"] == "7" for told in house.headers)

        with pytest.raises(EngineError, match="refuses us \\(401\\): look at its authorization") as caught:
            async with McpServers("any").open(at(port, PATHS[way], {"Authorization": f"Bearer {secret}x"})):
                pass
        assert secret not in str(caught.value)
    assert not [record for record in caplog.records if secret in record.getMessage() and "mcp" in record.name]


async def test_a_key_that_is_withdrawn_later() -> None:
    token = ["first"]
    inner = app("streamable", House())

    async def changing(scope: Scope, receive: Receive, send: Send) -> None:
        await needing(token[0], inner)(scope, receive, send)

    headers = {"Authorization": "Bearer first"}
    async with serving(changing) as port, McpServers("any").open(at(port, headers=headers)) as connection:
        token[0] = "second"
        assert failure_of(await call(connection, "add", a=1, b=2)) == ("http_error", 401)


# --- servers that go away -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
async def test_a_server_that_was_restarted_is_asked_again(way: str) -> None:
    async with serving(app(way, House())) as port:
        opened = McpServers("any").open(at(port, PATHS[way]))
        connection = await opened.__aenter__()
        assert await call(connection, "add", a=1, b=2) == "3"
    house = House()
    async with serving(app(way, house), port):
        assert await call(connection, "add", a=3, b=4) == "7"
        assert house.called == ["add"]
        assert len(await connection.offers()) == 6
        await opened.__aexit__(None, None, None)


@pytest.mark.parametrize("way", WAYS)
async def test_a_server_that_stays_away(way: str) -> None:
    async with serving(app(way, House())) as port:
        opened = McpServers("any").open(at(port, PATHS[way]))
        connection = await opened.__aenter__()
    answer = await call(connection, "add", a=1, b=2)
    assert failure_of(answer) == ("http_error", 503)
    with pytest.raises(EngineLost, match="does not answer"):
        await connection.offers()
    await opened.__aexit__(None, None, None)


@pytest.mark.parametrize("way", WAYS)
async def test_a_call_that_may_have_arrived_is_not_made_twice(way: str) -> None:
    house = House()
    servers = McpServers("any", tool_timeout_s=2)
    answers: list[str | McpFailure] = []
    async with AsyncStack() as stack:
        port = await stack.enter(serving(app(way, house)))
        connection = await stack.enter(servers.open(at(port, PATHS[way])))

        async def slow() -> None:
            answers.append(await call(connection, "slow", seconds=3_600))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(slow)
            await until(lambda: house.called == ["slow"])
            await stack.leave(0)
        assert isinstance(answers[0], McpFailure)
    assert house.called == ["slow"]


class AsyncStack:
    """Contexts that are left in an order of our own, in one task."""

    def __init__(self) -> None:
        self._entered: list[Any] = []

    async def __aenter__(self) -> AsyncStack:
        return self

    async def enter(self, context: Any) -> Any:
        given = await context.__aenter__()
        self._entered.append(context)
        return given

    async def leave(self, index: int) -> None:
        await self._entered.pop(index).__aexit__(None, None, None)

    async def __aexit__(self, *_args: object) -> None:
        while self._entered:
            await self.leave(-1)


async def test_nobody_there() -> None:
    async with serving(app("streamable", House())) as port:
        pass
    with pytest.raises(EngineLost, match=r"'house' at 127\.0\.0\.1 does not answer"):
        async with McpServers("any").open(at(port)):
            pass


# --- servers that mean ill ------------------------------------------------------------------------------------------


async def test_a_long_result_is_cut() -> None:
    async with serving(app("streamable", House())) as port, McpServers("any").open(at(port)) as connection:
        answer = await call(connection, "letters", count=200_000)
        assert isinstance(answer, str)
        assert len(answer.encode()) <= MAX_RESULT_BYTES
        assert answer.endswith("[cut here: the result has 200000 bytes]")


@pytest.mark.parametrize("way", WAYS)
async def test_a_result_of_10_mb_is_no_answer(way: str) -> None:
    servers = McpServers("any", tool_timeout_s=5)
    async with serving(app(way, House())) as port, servers.open(at(port, PATHS[way])) as connection:
        assert isinstance(await call(connection, "letters", count=10_000_000), McpFailure)
        assert await call(connection, "add", a=1, b=2) == "3"


async def test_a_listing_without_end() -> None:
    tool = {"name": "again", "inputSchema": {"type": "object"}}
    served = speaking({"tools/list": {"tools": [tool], "nextCursor": "more"}})
    async with serving(served) as port, McpServers("any").open(at(port)) as connection:
        with pytest.raises(EngineError, match="offers more tools than can be listed"):
            await connection.offers()


async def test_a_listing_that_fills_a_memory() -> None:
    tool = {"name": "big", "description": "x" * 2_000_000, "inputSchema": {"type": "object"}}
    async with (
        serving(speaking({"tools/list": {"tools": [tool]}})) as port,
        McpServers("any").open(at(port)) as connection,
    ):
        with pytest.raises(EngineError, match="offers more tools than can be listed"):
            await connection.offers()


async def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_link, "CONNECT_S", 0.2)

    async def silent(scope: Scope, receive: Receive, _send: Send) -> None:
        while scope["type"] == "http" and (await receive())["type"] != "http.disconnect":
            pass

    async with serving(silent) as port:
        with pytest.raises(EngineLost, match="did not answer as an MCP server does"):
            async with McpServers("any").open(at(port)):
                pass


async def test_a_server_that_never_tells_its_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_servers, "LIST_S", 0.2)

    is_over = anyio.Event()

    async def wait(_asked: object) -> Response:
        await is_over.wait()
        return Response(status_code=202)

    async with serving(speaking({}, wait)) as port, McpServers("any").open(at(port)) as connection:
        with pytest.raises(EngineLost, match=r"did not answer within 0\.2 s"):
            await connection.offers()
        is_over.set()


NO_ANSWERS = {
    "a page": PlainTextResponse("<html>", media_type="text/html"),
    "no JSON": PlainTextResponse("{", media_type="application/json"),
    "another's answer": PlainTextResponse('{"id": 77, "result": {}}', media_type="application/json"),
    "a deep one": PlainTextResponse("[" * 100_000, media_type="application/json"),
    "no result": PlainTextResponse(
        '{"jsonrpc": "2.0", "id": 3, "result": {"content": 7}}', media_type="application/json"
    ),
    "an odd stream": PlainTextResponse("data: {\n\n", media_type="text/event-stream"),
    "an error": PlainTextResponse("", 500),
    "an error in JSON": PlainTextResponse('{"jsonrpc": 7}', 500, media_type="application/json"),
    "too many": PlainTextResponse("later", 429),
    "packed": Response(gzip.compress(b"{}"), headers={"content-encoding": "gzip", "content-type": "application/json"}),
    "nothing": Response(status_code=202),
}


@pytest.mark.parametrize("kind", NO_ANSWERS)
async def test_answers_that_are_none(kind: str) -> None:
    async def odd(_asked: object) -> Response:
        return NO_ANSWERS[kind]

    servers = McpServers("any", tool_timeout_s=2)
    async with serving(speaking({"tools/list": {"tools": []}}, odd)) as port, servers.open(at(port)) as connection:
        assert isinstance(await call(connection, "add"), McpFailure)
        assert await connection.offers() == ()


@pytest.mark.parametrize("kind", NO_ANSWERS)
async def test_servers_that_are_none(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_link, "CONNECT_S", 0.5)
    async with serving(NO_ANSWERS[kind]) as port:
        with pytest.raises(EngineError, match=r"the MCP server 'house' at 127\.0\.0\.1"):
            async with McpServers("any").open(at(port)):
                pass


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("way", WAYS)
async def test_redirects_are_not_followed(status: int, way: str) -> None:
    house = House()
    async with serving(app(way, house)) as inside:
        elsewhere = f"http://127.0.0.1:{inside}{PATHS[way]}"

        async def sent_on(scope: Scope, receive: Receive, send: Send) -> None:
            await RedirectResponse(elsewhere, status)(scope, receive, send)

        async with serving(sent_on) as port:
            with pytest.raises(EngineError, match=f"sends us elsewhere \\({status}\\), which is not followed"):
                async with McpServers("any").open(at(port, PATHS[way])):
                    pass
    assert house.requests == []


# --- where one may go -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "permits", "told"),
    [
        ("https://tools.example/mcp", "none", "switched off"),
        ("http://tools.example/mcp", "public", "https"),
        ("file:///etc/passwd", "any", "http or https"),
        ("gopher://tools.example", "any", "http or https"),
        ("https://", "any", "http or https"),
        ("https://[::1", "any", "http or https"),
    ],
)
async def test_addresses_that_are_refused_by_their_looks(url: str, permits: Permits, told: str) -> None:
    with pytest.raises(ClientError, match=told) as caught:
        refuse(url, permits)
    assert caught.value.param == "session.tools"


INSIDE = [
    "127.0.0.1",
    "localhost",
    "10.0.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[fe80::1]",
    "[fd00::1]",
    "[64:ff9b::7f00:1]",
    "0.0.0.0",
    "100.64.0.1",
    "0x7f000001",
]


@pytest.mark.parametrize("host", INSIDE)
async def test_the_house_is_not_reached_where_only_the_public_may_be(host: str) -> None:
    server = McpServer(label="house", url=f"https://{host}:1/mcp")
    with pytest.raises(ClientError, match=r"not on the open internet.*mcp = 'any'") as caught:
        async with McpServers("public").open(server):
            pass
    assert caught.value.param == "session.tools"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl program for a certificate")
    return Certificate.make(tmp_path_factory.mktemp("tools"))


def naming(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """What the name stands for, one list a look-up. Gives the names asked for."""
    asked: list[str] = []
    left = list(answers)

    async def getaddrinfo(host: str, port: int, **_options: object) -> list[Any]:
        asked.append(host)
        return [(None, None, 6, "", (address, port)) for address in left.pop(0)]

    monkeypatch.setattr(anyio, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("way", WAYS)
async def test_the_address_that_was_looked_at_is_the_one_used(
    way: str, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House()
    ask = McpServers("public", is_allowed=lambda address: address.is_loopback, context=certificate.context)
    # An address where nobody answers is passed over.
    one_look = ["127.0.0.9", "127.0.0.1"]
    asked = naming(monkeypatch, *([one_look] * 2))
    async with (
        serving(app(way, house), certificate=certificate) as port,
        ask.open(at(port, PATHS[way], scheme="https")) as connection,
    ):
        assert await call(connection, "add", a=1, b=2) == "3"
        assert len(await connection.offers()) == 6
        assert {told["host"] for told in house.headers} == {f"tools.example:{port}"}
    assert set(asked) == {"tools.example"}


async def test_a_name_that_also_stands_for_the_house(monkeypatch: pytest.MonkeyPatch) -> None:
    naming(monkeypatch, ["93.184.216.34", "10.0.0.1"])
    with pytest.raises(ClientError, match="not on the open internet"):
        async with McpServers("public").open(at(443, scheme="https")):
            pass


async def test_a_certificate_of_another_name_is_not_taken(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    naming(monkeypatch, ["127.0.0.1"], ["127.0.0.1"])
    ask = McpServers("public", is_allowed=lambda address: address.is_loopback, context=certificate.context)
    async with serving(app("streamable", House()), certificate=certificate) as port:
        server = McpServer(label="house", url=f"https://another.example:{port}/mcp")
        with pytest.raises(EngineLost, match="does not answer"):
            async with ask.open(server):
                pass


# --- what it costs --------------------------------------------------------------------------------------------------


async def test_the_package_is_not_brought_in_before_it_is_needed() -> None:
    asked = "import sys, duologue.engines.mcp_servers, duologue.session.tools; print('mcp' in sys.modules)"
    done = await anyio.run_process([sys.executable, "-c", asked])
    assert done.stdout.strip() == b"False"

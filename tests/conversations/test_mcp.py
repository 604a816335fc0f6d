"""Tools of MCP servers in a talk: listed, called once the answer is let out, told about."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio
import pytest

from duologue.engines.base import ChatDelta, ChatRequest, ToolCallDelta
from duologue.engines.scripted import ScriptedStream
from duologue.engines.scripted_tools import ScriptedToolServers
from duologue.errors import EngineError
from duologue.events import (
    CreateItem,
    CreateReply,
    Failed,
    ItemDone,
    McpCallProgress,
    McpListingProgress,
    ReplyDone,
    ReplyItemDone,
    ReplyStarted,
    ReplyText,
)
from duologue.items import (
    FunctionCall,
    FunctionOutput,
    FunctionTool,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpFailure,
    McpServer,
    McpTool,
    SessionConfig,
)
from duologue.session.replies import Ways
from tests.conversations.talk import engines, talk, words_of_any_length
from tests.virtual_time import VIRTUAL

pytestmark = pytest.mark.anyio
CLOCK = McpTool(name="clock", description="The time.", is_read_only=True)


def _config(*, asks: bool = False) -> SessionConfig:
    return SessionConfig(tools=(McpServer(label="house", url="http://mcp/", asks_first=None if asks else frozenset()),))


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


class Caller(ScriptedStream[ChatRequest, ChatDelta]):
    """Calls the first ``calls`` tools that are offered where none has answered yet, and says what the last one gave."""

    def __init__(self, calls: int = 1, *, fails_on_results: bool = False, pause_s: float = 0.0) -> None:
        self._pause_s = pause_s
        self.asked: list[ChatRequest] = []
        self._calls = calls
        self._fails_on_results = fails_on_results

    async def results(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        self.asked.append(request)
        told = [message.content for message in request.messages if message.role == "tool"]
        if told and self._fails_on_results:
            raise EngineError("no")
        if told or not request.tools:
            yield ChatDelta(f"It is {told[-1] if told else 'unknown'}.")
            await anyio.sleep(self._pause_s)
            yield ChatDelta("", finish="stop")
            return
        for index, tool in enumerate(request.tools[: self._calls]):
            yield ChatDelta("", tool_call=ToolCallDelta(index, f"id{index}", tool.name, "{}"))
        yield ChatDelta("", finish="tool_calls")


async def test_a_tool_is_listed_called_and_told_about() -> None:
    servers, model = ScriptedToolServers({"house": [CLOCK]}, {"clock": "noon"}, delay_s=0.2), Caller()
    async with talk(engines(chat=model), _config(), servers=servers) as (person, _):
        await anyio.sleep(0.5)
        assert [each.phase for each in person.heard(McpListingProgress)] == ["in_progress", "completed"]
        await person.speak(1.0)
        await person.until(ReplyText)
        assert [each.phase for each in person.heard(McpCallProgress)] == ["in_progress", "completed"]
        [done] = [each.item for each in person.heard(ReplyItemDone) if isinstance(each.item, McpCall)]
        assert (done.name, done.output, done.arguments) == ("clock", "noon", "{}")
        assert person.heard(ReplyText)[0].text == "It is noon."
    assert [name for _, name, _ in servers.calls] == ["clock"]


async def test_a_tool_runs_once_however_many_attempts_there_were() -> None:
    servers = ScriptedToolServers({"house": [CLOCK]}, {"clock": "noon"})
    client = engines(chat=Caller(), asr=words_of_any_length())
    async with talk(client, _config(), servers=servers) as (person, _):
        await anyio.sleep(0.2)
        for _ in range(3):
            await person.speak(0.6)
            await anyio.sleep(0.2)
        assert servers.calls == []
        await person.speak(0.4)
        await person.until(ReplyText)
    assert len(servers.calls) == 1


async def test_a_tool_that_fails_is_told_about() -> None:
    failure = McpFailure(kind="tool_execution_error", message="no battery")
    servers = ScriptedToolServers({"house": [CLOCK]}, {"clock": failure})
    async with talk(engines(chat=Caller()), _config(), servers=servers) as (person, _):
        await anyio.sleep(0.2)
        await person.speak(1.0)
        await person.until(ReplyText)
        assert [each.phase for each in person.heard(McpCallProgress)] == ["in_progress", "failed"]
        await person.until(ReplyDone, 2)
        assert "no battery" in "".join(each.text for each in person.heard(ReplyText))


@pytest.mark.parametrize("approves", [True, False])
async def test_a_tool_that_asks_first(approves: bool) -> None:
    servers = ScriptedToolServers({"house": [CLOCK]}, {"clock": "noon"})
    async with talk(engines(chat=Caller()), _config(asks=True), servers=servers) as (person, _):
        await anyio.sleep(0.2)
        await person.speak(1.0)
        await person.until(ReplyDone)
        [request] = person.heard(ReplyDone)[0].output
        assert isinstance(request, McpApprovalRequest)
        assert (request.name, request.arguments, servers.calls) == ("clock", "{}", [])
        answer = McpApprovalResponse(id="a", approval_request_id=request.id, approve=approves)
        await person.tell(CreateItem(item=answer, after=request.id))
        await person.until(ReplyText)
        [call] = [each.item for each in person.heard(ItemDone) if isinstance(each.item, McpCall)]
        assert call.approval_request_id == request.id
        assert (call.output == "noon") == approves == bool(servers.calls)
        await person.tell(CreateItem(item=McpApprovalResponse(id="b", approval_request_id=request.id, approve=True)))
        await person.until(Failed)


FILLER = Ways(filler="One moment, please.", filler_after_s=1.0)


async def test_a_result_that_comes_while_a_filler_sounds_is_told() -> None:
    servers = ScriptedToolServers({"house": [CLOCK]}, {"clock": "noon"}, delay_s=1.2)
    async with talk(engines(chat=Caller()), _config(), servers=servers, ways=FILLER) as (person, _):
        await anyio.sleep(2)
        await person.speak(1.0)
        await person.until(ReplyDone, 3)
        await anyio.sleep(5)
    assert [text.text for text in person.heard(ReplyText)] == ["One moment, please.", "It is noon."]
    assert len(person.heard(ReplyDone)) == 3


async def test_a_client_that_asks_as_the_server_does_is_answered_once() -> None:
    """Its ``response.create`` was on its way when the server's own answer began."""
    model = Caller(pause_s=0.3)
    servers = ScriptedToolServers({"house": [CLOCK]}, {"clock": "noon"}, delay_s=0.2)
    async with talk(engines(chat=model), _config(), servers=servers) as (person, _):
        await anyio.sleep(0.5)
        await person.speak(1.0)
        await person.until(ReplyStarted, 2)
        await person.tell(CreateReply())
        await person.until(ReplyDone, 2)
        await anyio.sleep(5)
    assert len(person.heard(ReplyStarted)) == 2
    assert person.heard(Failed) == []


async def test_the_client_s_own_function_is_waited_for() -> None:
    both = SessionConfig(tools=(FunctionTool(name="look"), *_config().tools))
    servers = ScriptedToolServers({"house": [CLOCK]}, {"clock": "noon"})
    async with talk(engines(chat=Caller(calls=2)), both, servers=servers) as (person, _):
        await anyio.sleep(0.2)
        await person.speak(1.0)
        await person.until(ReplyDone)
        [call] = [item for item in person.heard(ReplyDone)[0].output if isinstance(item, FunctionCall)]
        await anyio.sleep(5)
        assert len(person.heard(ReplyStarted)) == 1, "the client asks when its function has answered"
        await person.tell(CreateItem(item=FunctionOutput(id="o", call_id=call.call_id, output="a tree")))
        await person.tell(CreateReply())
        await person.until(ReplyDone, 2)
        # A function that never answers is forgotten with the user's next words.
        await person.speak(1.0)
        await person.until(ReplyDone, 3)


async def test_a_follow_up_that_fails_is_not_made_again() -> None:
    servers = ScriptedToolServers({"house": [CLOCK]}, {"clock": "noon"})
    async with talk(engines(chat=Caller(fails_on_results=True)), _config(), servers=servers) as (person, _):
        await anyio.sleep(0.2)
        await person.speak(1.0)
        await person.until(ReplyDone, 2)
        await anyio.sleep(10)
    assert [done.status for done in person.heard(ReplyDone)] == ["completed", "failed"]


async def test_a_server_that_is_away_leaves_the_talk_alive() -> None:
    from duologue.errors import EngineLost

    servers = ScriptedToolServers({}, failures={"house": EngineLost("away")})
    async with talk(engines(chat=Caller()), _config(), servers=servers) as (person, _):
        await person.until(McpListingProgress, 2)
        assert person.heard(McpListingProgress)[1].phase == "failed"
        await person.speak(1.0)
        await person.until(ReplyText)
        assert person.heard(ReplyText)[0].text == "It is unknown."

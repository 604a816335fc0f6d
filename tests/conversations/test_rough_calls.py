"""Calls that do not go as they should: cut off, cancelled, talked over, forgotten, taken away."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from duologue.engines.base import ChatDelta, ChatRequest, ToolCallDelta
from duologue.engines.scripted import ScriptedStream, ScriptedSynthesizer
from duologue.engines.scripted_tools import ScriptedToolServers
from duologue.errors import EngineLost
from duologue.events import (
    CancelReply,
    Configure,
    CreateItem,
    CreateReply,
    DeleteItem,
    Failed,
    ItemDone,
    McpCallProgress,
    McpListingProgress,
    ReplyArguments,
    ReplyAudio,
    ReplyDone,
    ReplyItemDone,
    ReplyStarted,
    ReplyText,
    TruncateItem,
)
from duologue.items import (
    FunctionCall,
    FunctionOutput,
    FunctionTool,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpServer,
    McpTool,
    Message,
    Part,
    ReplyOptions,
    SessionConfig,
)
from duologue.session.replies import Ways
from tests.conversations.talk import Person, engines, hear_voices, talk
from tests.virtual_time import VIRTUAL

pytestmark = pytest.mark.anyio
CLOCK = McpTool(name="clock", description="The time.", is_read_only=True)
WIPE = McpTool(name="wipe", description="Wipes the disk.")
WEATHER = FunctionTool(name="weather", description="The weather of a place.")
Script = Callable[[], AsyncIterator[ChatDelta]]


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


class Caller(ScriptedStream[ChatRequest, ChatDelta]):
    """Plays ``script`` until it has been given a result, then tells that; "One moment." where there is none yet."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.asked: list[ChatRequest] = []

    async def results(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        self.asked.append(request)
        told = [message.content for message in request.messages if message.role == "tool"]
        if told:
            text = "One moment." if told[-1] == "No result yet." else f"It is {told[-1]}."
            yield ChatDelta(text, finish="stop")
            return
        async for delta in self._script():
            yield delta


def _calls(name: str, *arguments: str, pause_s: float = 0.0, finish: str = "tool_calls", preface: str = "") -> Script:
    async def script() -> AsyncIterator[ChatDelta]:
        if preface:
            yield ChatDelta(preface)
        yield ChatDelta("", tool_call=ToolCallDelta(0, "call_0", name, arguments[0]))
        for more in arguments[1:]:
            await anyio.sleep(pause_s)
            yield ChatDelta("", tool_call=ToolCallDelta(0, arguments=more))
        await anyio.sleep(pause_s)
        yield ChatDelta("", finish=finish)  # type: ignore[arg-type]

    return script


def _house(*tools: McpTool, delay_s: float = 0.0) -> ScriptedToolServers:
    servers = ScriptedToolServers({"house": tools}, {tool.name: "noon" for tool in tools})
    servers.delay_s = delay_s
    return servers


def _config(*, asks: bool = False) -> SessionConfig:
    return SessionConfig(tools=(McpServer(label="house", url="http://mcp/", asks_first=None if asks else frozenset()),))


async def _write(person: Person, text: str = "what time is it") -> None:
    await person.tell(CreateItem(item=Message(id="i", role="user", parts=(Part(kind="input_text", text=text),))))
    await person.tell(CreateReply())


def _said(person: Person) -> str:
    return " ".join(event.text for event in person.heard(ReplyText))


# --- cut off by the model ---------------------------------------------------------------------------------------


async def test_a_tool_whose_call_was_not_written_to_its_end_does_not_run() -> None:
    async def dies() -> AsyncIterator[ChatDelta]:
        yield ChatDelta("", tool_call=ToolCallDelta(0, "call_0", "wipe", ""))
        await anyio.sleep(0.1)
        raise EngineLost("gone")

    servers = _house(WIPE)
    async with talk(engines(chat=Caller(dies)), _config(), servers=servers) as (person, _):
        await anyio.sleep(0.2)
        await _write(person)
        await anyio.sleep(4)
    assert servers.calls == []
    assert [done.status for done in person.heard(ReplyDone)] == ["failed"]
    assert [done.item.status for done in person.heard(ReplyItemDone)] == ["incomplete"]


async def test_a_call_that_met_the_limit_of_tokens_is_incomplete() -> None:
    model = Caller(_calls("weather", '{"place": "Os', finish="length"))
    async with talk(engines(chat=model), SessionConfig(tools=(WEATHER,))) as (person, _):
        await person.tell(CreateReply())
        await person.until(ReplyDone)
    [done] = person.heard(ReplyDone)
    assert (done.status, done.reason) == ("incomplete", "max_output_tokens")
    assert [item.status for item in done.output] == ["incomplete"]


@pytest.mark.parametrize("written", ["", "null", " "])
async def test_nothing_to_say_to_a_function_is_an_empty_object(written: str) -> None:
    model = Caller(_calls("weather", written))
    async with talk(engines(chat=model), SessionConfig(tools=(WEATHER,))) as (person, _):
        await person.tell(CreateReply())
        await person.until(ReplyDone)
    [call] = person.heard(ReplyDone)[0].output
    assert isinstance(call, FunctionCall)
    assert (call.arguments, call.status) == ("{}", "completed")
    assert "".join(delta.text for delta in person.heard(ReplyArguments)) == "{}"


@pytest.mark.parametrize("written", ["[1]", '{"a": ', "Oslo"])
async def test_arguments_that_no_client_could_parse_are_a_failure(written: str) -> None:
    model = Caller(_calls("weather", written))
    async with talk(engines(chat=model), SessionConfig(tools=(WEATHER,))) as (person, _):
        await person.tell(CreateReply())
        await person.until(ReplyDone)
    [done] = person.heard(ReplyDone)
    assert (done.status, [item.status for item in done.output]) == ("failed", ["incomplete"])


async def test_many_calls_and_ids_that_come_twice() -> None:
    async def many() -> AsyncIterator[ChatDelta]:
        for number in range(40):
            yield ChatDelta("", tool_call=ToolCallDelta(number, "call_0", "weather", '{"n":'))
            yield ChatDelta("", tool_call=ToolCallDelta(number, arguments=f" {number}}}"))
        yield ChatDelta("", finish="tool_calls")

    async with talk(engines(chat=Caller(many)), SessionConfig(tools=(WEATHER,))) as (person, _):
        await person.tell(CreateReply())
        await person.until(ReplyDone)
    calls = [item for item in person.heard(ReplyDone)[0].output if isinstance(item, FunctionCall)]
    assert [call.arguments for call in calls] == [f'{{"n": {number}}}' for number in range(32)]
    assert len({call.call_id for call in calls}) == 32


# --- cancelled --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("passes", range(1, 8))
async def test_a_cancel_and_the_end_of_the_call_in_one_pass_of_the_loop(passes: int) -> None:
    written = anyio.Event()

    async def script() -> AsyncIterator[ChatDelta]:
        yield ChatDelta("", tool_call=ToolCallDelta(0, "call_0", "wipe", '{"all":'))
        await written.wait()
        yield ChatDelta("", tool_call=ToolCallDelta(0, arguments=" true}"))
        yield ChatDelta("", finish="tool_calls")

    servers = _house(WIPE)
    async with talk(engines(chat=Caller(script)), _config(), servers=servers) as (person, _):
        await anyio.sleep(0.2)
        await person.tell(CreateReply())
        await person.until(ReplyArguments)
        await person.tell(CancelReply())
        for _ in range(passes):
            await anyio.lowlevel.checkpoint()
        written.set()
        await anyio.sleep(2)
    assert [done.status for done in person.heard(ReplyDone)] in (["cancelled"], ["completed"] * 2)
    if person.heard(ReplyDone)[0].status == "cancelled":
        assert servers.calls == []
        names = [type(event).__name__ for _, event in person.log]
        assert names[-1] == "ReplyDone"


async def test_a_cancelled_call_is_not_followed_up() -> None:
    model = Caller(_calls("clock", '{"a":', "1}", pause_s=5))
    async with talk(engines(chat=model), _config(), servers=_house(CLOCK)) as (person, _):
        await anyio.sleep(0.2)
        await _write(person)
        await anyio.sleep(1)
        await person.tell(CancelReply())
        await anyio.sleep(5)
    assert len(person.heard(ReplyStarted)) == 1


# --- talked over ------------------------------------------------------------------------------------------------


async def test_a_cough_while_a_tool_works_does_not_silence_its_result() -> None:
    servers = _house(CLOCK)
    parts = engines(chat=Caller(_calls("clock", "{}")), asr=hear_voices())
    async with talk(parts, _config(), servers=servers) as (person, _):
        await anyio.sleep(0.2)
        servers.delay_s = 4
        await _write(person)
        await anyio.sleep(1)
        await person.make_noise(0.3)
        await anyio.sleep(10)
    assert _said(person) == "It is noon."


async def test_a_word_while_a_tool_works_does_not_either() -> None:
    servers, model = _house(CLOCK), Caller(_calls("clock", "{}"))
    async with talk(engines(chat=model), _config(), servers=servers) as (person, _):
        await anyio.sleep(0.2)
        servers.delay_s = 6
        await _write(person)
        await anyio.sleep(1)
        await person.speak(0.8)
        await anyio.sleep(12)
    assert _said(person) == "One moment. It is noon."
    # Some chat servers take a prompt that ends with the assistant's words for one to be completed.
    assert model.asked[-1].messages[-1].role == "user"


async def test_an_answer_that_waits_behind_a_filler_is_said_though_somebody_coughs() -> None:
    ways = Ways(filler="Let me see, this may take a while.", filler_after_s=0.5)
    parts = engines(chat=Caller(_calls("weather", "{}")), asr=hear_voices(), tts=ScriptedSynthesizer(phrase_s=3))
    async with talk(parts, SessionConfig(tools=(WEATHER,)), ways=ways) as (person, _):
        await _write(person)
        await person.until(ReplyAudio)
        await person.tell(CreateItem(item=FunctionOutput(id="o", call_id="call_0", output="sunny")))
        await person.tell(CreateReply())
        await anyio.sleep(0.3)
        await person.make_noise(1.0)
        await anyio.sleep(15)
    assert _said(person).count("while") == 1
    assert _said(person).endswith("It is sunny.")


# --- asked for again --------------------------------------------------------------------------------------------


async def test_a_client_that_asks_behind_a_follow_up_is_answered() -> None:
    parts = engines(chat=Caller(_calls("clock", "{}")), tts=ScriptedSynthesizer(phrase_s=2.0))
    async with talk(parts, _config(), servers=_house(CLOCK)) as (person, _):
        await anyio.sleep(0.2)
        await _write(person)
        await person.until(ReplyDone, 2)
        await anyio.sleep(0.3)
        await person.tell(CreateReply())
        await person.until(ReplyDone, 3)


async def test_a_follow_up_is_given_as_the_answer_that_called_was_to_be() -> None:
    async with talk(engines(chat=Caller(_calls("clock", "{}"))), _config(), servers=_house(CLOCK)) as (person, _):
        await anyio.sleep(0.2)
        await person.tell(CreateReply(options=ReplyOptions(modality="text", metadata={"a": "b"})))
        await person.until(ReplyDone, 2)
    manners = [started.manner for started in person.heard(ReplyStarted)]
    assert [(manner.modality, manner.metadata) for manner in manners] == [("text", {"a": "b"}), ("text", None)]


async def test_a_call_of_an_answer_aside_can_be_allowed() -> None:
    servers = _house(CLOCK)
    async with talk(engines(chat=Caller(_calls("clock", "{}"))), _config(asks=True), servers=servers) as (person, _):
        await anyio.sleep(0.2)
        await person.tell(CreateReply(options=ReplyOptions(in_conversation=False)))
        await person.until(ReplyDone)
        [request] = [done.item for done in person.heard(ReplyItemDone) if isinstance(done.item, McpApprovalRequest)]
        response = McpApprovalResponse(id="a", approval_request_id=request.id, approve=True)
        await person.tell(CreateItem(item=response))
        await anyio.sleep(2)
    assert [name for _, name, _ in servers.calls] == ["clock"]
    assert person.heard(Failed) == []


# --- taken away -------------------------------------------------------------------------------------------------


async def test_a_tool_that_is_taken_away_is_not_the_client_s_to_run() -> None:
    async def late() -> AsyncIterator[ChatDelta]:
        yield ChatDelta("Let me look.")
        await anyio.sleep(1)
        yield ChatDelta("", tool_call=ToolCallDelta(0, "call_0", "clock", "{}"))
        yield ChatDelta("", finish="tool_calls")

    servers = _house(CLOCK)
    async with talk(engines(chat=Caller(late)), _config(), servers=servers) as (person, _):
        await anyio.sleep(0.2)
        await person.tell(CreateReply())
        await anyio.sleep(0.5)
        await person.tell(Configure(config=SessionConfig()))
        await person.until(ReplyDone)
        await anyio.sleep(1)
    [call] = [done.item for done in person.heard(ReplyItemDone) if isinstance(done.item, McpCall)]
    assert call.failure is not None
    assert servers.calls == []


async def test_a_call_that_is_deleted_has_no_end() -> None:
    servers = _house(CLOCK)
    async with talk(engines(chat=Caller(_calls("clock", "{}"))), _config(), servers=servers) as (person, _):
        await anyio.sleep(0.2)
        servers.delay_s = 1
        await _write(person)
        await person.until(McpCallProgress)
        await person.tell(DeleteItem(item_id=person.heard(McpCallProgress)[0].item.id))
        await anyio.sleep(3)
    ended = [done.item for done in person.heard(ReplyItemDone) + person.heard(ItemDone)]
    assert not any(isinstance(item, McpCall) for item in ended)


class Hesitant:
    """A server that tells its tools when ``told`` is set."""

    def __init__(self) -> None:
        self.told = anyio.Event()

    @asynccontextmanager
    async def open(self, _server: McpServer) -> AsyncIterator[Hesitant]:
        yield self

    async def offers(self) -> tuple[McpTool, ...]:
        await self.told.wait()
        return (CLOCK, CLOCK)

    async def run(self, _name: str, _arguments: str) -> str:
        return "noon"


@pytest.mark.parametrize("passes", range(6))
async def test_a_list_that_comes_as_its_server_is_dropped_ends_once(passes: int) -> None:
    server = Hesitant()
    async with talk(engines(), _config(), servers=server) as (person, _):
        await anyio.sleep(0.1)
        await person.tell(Configure(config=SessionConfig()))
        for _ in range(passes):
            await anyio.lowlevel.checkpoint()
        server.told.set()
        await anyio.sleep(1)
    assert len(person.heard(McpListingProgress)) == 2
    assert len(person.heard(ItemDone)) == 1


async def test_a_tool_that_is_listed_twice_is_offered_once() -> None:
    server, model = Hesitant(), Caller(_calls("clock", "{}"))
    server.told.set()
    async with talk(engines(chat=model), _config(), servers=server) as (person, _):
        await anyio.sleep(0.2)
        await person.tell(CreateReply())
        await person.until(ReplyDone)
    assert [tool.name for tool in model.asked[0].tools] == ["clock"]


async def test_a_server_that_hangs_delays_the_first_answer_alone() -> None:
    async with talk(engines(), _config(), servers=Hesitant()) as (person, _):
        await person.speak(1.0)
        await person.until(ReplyDone, 1)
        await anyio.sleep(5)
        begun_s = anyio.current_time()
        await person.speak(1.0)
        await person.until(ReplyText, 2)
        assert anyio.current_time() - begun_s < 2.5


async def test_words_that_are_truncated_before_a_call_leave_the_floor() -> None:
    parts = engines(chat=Caller(_calls("weather", "{}", preface="Let me look.")), tts=ScriptedSynthesizer(phrase_s=1.5))
    async with talk(parts, SessionConfig(tools=(WEATHER,))) as (person, session):
        await person.tell(CreateReply())
        await person.until(ReplyDone)
        [said] = [done.item for done in person.heard(ReplyItemDone) if isinstance(done.item, Message)]
        await person.tell(TruncateItem(item_id=said.id, audio_end_ms=100))
        await anyio.sleep(0.2)
        assert session._turns.is_idle

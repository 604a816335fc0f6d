"""Functions that the client runs, and tools of MCP servers that this server runs."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

from duologue.engines.base import ChatDelta, ChatRequest, ToolCallDelta
from duologue.engines.scripted import ScriptedStream
from duologue.events import CreateItem, CreateReply, ReplyArguments, ReplyDone, ReplyItemDone, ReplyText, SpeechStarted
from duologue.items import FunctionCall, FunctionOutput, FunctionTool, Message, SessionConfig
from duologue.session.replies import Ways
from tests.conversations.talk import engines, talk, words_of_any_length
from tests.virtual_time import VIRTUAL

pytestmark = pytest.mark.anyio
WEATHER = FunctionTool(name="weather", description="The weather of a place.")
WITH_TOOL = SessionConfig(tools=(WEATHER,))


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


class Caller(ScriptedStream[ChatRequest, ChatDelta]):
    """A chat model that calls ``weather`` until it has been told, then says what it was told."""

    def __init__(self, calls: int = 1, preface: str = "", never_content: bool = False) -> None:
        self.asked: list[ChatRequest] = []
        self._calls, self._preface, self._never_content = calls, preface, never_content

    async def results(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        self.asked.append(request)
        told = [message.content for message in request.messages if message.role == "tool"]
        if not request.tools or (told and not self._never_content):
            yield ChatDelta(f"It is {told[-1] if told else 'unknown'}.", finish="stop")
            return
        if self._preface:
            yield ChatDelta(self._preface)
        for index in range(self._calls):
            yield ChatDelta("", tool_call=ToolCallDelta(index, f"id{index}", "weather", '{"place":'))
            await anyio.sleep(0.05)
            yield ChatDelta("", tool_call=ToolCallDelta(index, arguments=f' "{index}"}}'))
        yield ChatDelta("", finish="tool_calls")


def calls_of(done: ReplyDone) -> list[FunctionCall]:
    return [item for item in done.output if isinstance(item, FunctionCall)]


async def test_a_call_is_streamed_and_its_result_is_spoken() -> None:
    model = Caller()
    async with talk(engines(chat=model), WITH_TOOL) as (person, _):
        await anyio.sleep(0.1)
        await person.speak(1.0)
        await person.until(ReplyDone)
        [call] = calls_of(person.heard(ReplyDone)[0])
        assert (call.name, json.loads(call.arguments), call.status) == ("weather", {"place": "0"}, "completed")
        assert "".join(delta.text for delta in person.heard(ReplyArguments)) == call.arguments
        await person.tell(CreateItem(item=FunctionOutput(id="out", call_id=call.call_id, output="raining")))
        await person.tell(CreateReply())
        await person.until(ReplyDone, 2)
        assert [delta.text for delta in person.heard(ReplyText)] == ["It is raining."]
    assistant, result = model.asked[1].messages[-2:]
    assert [made.arguments for made in assistant.tool_calls] == [call.arguments]
    assert (result.role, result.content, result.tool_call_id) == ("tool", "raining", call.call_id)


async def test_what_is_said_before_a_call_is_an_item_of_its_own() -> None:
    async with talk(engines(chat=Caller(preface="Let me look that up.")), WITH_TOOL) as (person, _):
        await anyio.sleep(0.1)
        await person.speak(1.0)
        await person.until(ReplyDone)
        message, call = person.heard(ReplyDone)[0].output
        assert isinstance(message, Message)
        assert isinstance(call, FunctionCall)
        assert message.parts[0].text == "Let me look that up."
        assert [done.index for done in person.heard(ReplyItemDone)] == [0, 1]


async def test_calls_side_by_side_are_one_step_of_the_prompt() -> None:
    model = Caller(calls=2)
    async with talk(engines(chat=model), WITH_TOOL) as (person, _):
        await anyio.sleep(0.1)
        await person.speak(1.0)
        await person.until(ReplyDone)
        for call in calls_of(person.heard(ReplyDone)[0]):
            await person.tell(CreateItem(item=FunctionOutput(id=call.id + "o", call_id=call.call_id, output="dry")))
        await person.tell(CreateReply())
        await person.until(ReplyDone, 2)
    roles = [message.role for message in model.asked[1].messages]
    assert roles[-3:] == ["assistant", "tool", "tool"]
    assert len(model.asked[1].messages[-3].tool_calls) == 2


async def test_a_model_that_calls_for_ever_has_to_answer() -> None:
    model = Caller(never_content=True)
    ways = Ways(tool_steps=3)
    async with talk(engines(chat=model), WITH_TOOL, ways=ways) as (person, _):
        await anyio.sleep(0.1)
        await person.speak(1.0)
        for number in range(1, 5):
            await person.until(ReplyDone, number)
            for call in calls_of(person.heard(ReplyDone)[-1]):
                output = FunctionOutput(id=f"out{number}", call_id=call.call_id, output="more")
                await person.tell(CreateItem(item=output))
                await person.tell(CreateReply())
        assert [len(calls_of(done)) for done in person.heard(ReplyDone)] == [1, 1, 1, 0]


async def test_an_attempt_that_is_dropped_calls_nothing() -> None:
    """A pause starts an attempt, the model calls at once; the user goes on."""
    model = Caller()
    config = SessionConfig(tools=(WEATHER,), show_transcript=True)
    async with talk(engines(chat=model, asr=words_of_any_length()), config) as (person, _):
        await anyio.sleep(0.1)
        for _ in range(3):
            await person.speak(0.6)
            await anyio.sleep(0.2)
        assert len(model.asked) >= 2, "attempts were made"
        assert not person.heard(ReplyItemDone)
        await person.speak(0.4)
        await person.until(ReplyDone)
        assert len(calls_of(person.heard(ReplyDone)[0])) == 1
        assert len(person.heard(SpeechStarted)) == 1


async def test_a_result_that_nobody_waits_for_is_refused() -> None:
    from duologue.events import Failed

    async with talk(engines(), WITH_TOOL) as (person, _):
        await person.tell(CreateItem(item=FunctionOutput(id="o", call_id="nobody", output="x"), ref="e1"))
        await person.until(Failed)
        assert (person.heard(Failed)[0].param, person.heard(Failed)[0].ref) == ("item.call_id", "e1")


async def test_a_slow_tool_is_bridged_and_the_bridge_is_forgotten() -> None:
    model = Caller()
    ways = Ways(filler="One moment, please.", filler_after_s=1.0)
    async with talk(engines(chat=model), WITH_TOOL, ways=ways) as (person, _):
        await anyio.sleep(0.1)
        await person.speak(1.0)
        await person.until(ReplyDone)
        [call] = calls_of(person.heard(ReplyDone)[0])
        await person.until(ReplyText)
        assert person.heard(ReplyText)[0].text == "One moment, please."
        await anyio.sleep(3)
        await person.tell(CreateItem(item=FunctionOutput(id="o", call_id=call.call_id, output="dry")))
        await person.tell(CreateReply())
        await person.until(ReplyDone, 3)
    told: list[Any] = [message.content for message in model.asked[-1].messages]
    assert "One moment, please." not in told
    assert [message.role for message in model.asked[-1].messages[-2:]] == ["assistant", "tool"]

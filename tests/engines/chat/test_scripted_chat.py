"""The scripted chat model that calls functions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from duologue.engines.base import ChatDelta, ChatMessage, ChatRequest, Tool, ToolCall
from duologue.engines.scripted import TWELVE_WORDS
from duologue.engines.scripted_chat import STORY, ScriptedToolChat

pytestmark = pytest.mark.anyio

CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = Tool("get_weather", "The weather in a city.", json.dumps(CITY))
PARTS = {
    "a": {"type": "integer"},
    "b": {"type": "number"},
    "unit": {"enum": ["m", "km"]},
    "is_exact": {"type": "boolean"},
}
SUM = Tool("add_numbers", "", json.dumps({"properties": PARTS}))


async def _deltas(*messages: ChatMessage, **options: Any) -> list[ChatDelta]:
    async with ScriptedToolChat(word_s=0.0).stream(ChatRequest(messages, **options)) as deltas:
        return [delta async for delta in deltas]


def _user(text: str) -> ChatMessage:
    return ChatMessage("user", text)


def _calls(deltas: list[ChatDelta]) -> list[tuple[str, Any]]:
    """(name, arguments) of each call, put together from its pieces."""
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    for call in (delta.tool_call for delta in deltas if delta.tool_call is not None):
        names[call.index] = names.get(call.index, "") + call.name
        arguments[call.index] = arguments.get(call.index, "") + call.arguments
    return [(names[index], json.loads(arguments[index])) for index in sorted(names)]


def _text(deltas: list[ChatDelta]) -> str:
    return "".join(delta.text for delta in deltas)


async def test_it_calls_what_the_words_name() -> None:
    deltas = await _deltas(_user("What is the weather in Oslo?"), tools=(SUM, WEATHER))
    assert _calls(deltas) == [("get_weather", {"city": "Oslo"})]
    assert sum(delta.tool_call is not None for delta in deltas) > 3, "arguments come in pieces"
    assert deltas[-1].finish == "tool_calls"


async def test_it_takes_numbers_from_the_words() -> None:
    deltas = await _deltas(_user("Which numbers are 2 and 3.5?"), tools=(SUM, WEATHER))
    assert _calls(deltas) == [("add_numbers", {"a": 2, "b": 3.5, "unit": "m", "is_exact": True})]


async def test_it_calls_two_at_once_where_it_may() -> None:
    asked = _user("Add the numbers 1 and 2, and tell the weather in Rome")
    both = await _deltas(asked, tools=(SUM, WEATHER))
    assert [name for name, _ in _calls(both)] == ["add_numbers", "get_weather"]
    one = await _deltas(asked, tools=(SUM, WEATHER), parallel_tool_calls=False)
    assert [name for name, _ in _calls(one)] == ["add_numbers"]


@pytest.mark.parametrize(
    ("choice", "called"), [("auto", []), ("required", ["add_numbers"]), ("get_weather", ["get_weather"]), ("none", [])]
)
async def test_the_choice_is_obeyed(choice: str, called: list[str]) -> None:
    deltas = await _deltas(_user("Hello."), tools=(SUM, WEATHER), tool_choice=choice)
    assert [name for name, _ in _calls(deltas)] == called


async def test_it_tells_what_functions_gave() -> None:
    steps = [(ToolCall(i, "get_weather", "{}"), given) for i, given in (("a", "nine degrees"), ("b", "rain"))]
    told = [ChatMessage("tool", given, tool_call_id=call.id) for call, given in steps]
    called = [ChatMessage("assistant", "", tool_calls=(call,)) for call, _ in steps]
    deltas = await _deltas(_user("What is the weather?"), called[0], told[0], called[1], told[1], tools=(WEATHER,))
    assert _text(deltas) == "The answer is: nine degrees and rain."
    assert _calls(deltas) == []


async def test_without_functions_it_talks() -> None:
    assert _text(await _deltas(_user("What is the weather?"))) == TWELVE_WORDS
    assert _text(await _deltas(_user("Tell me a story."), tools=(WEATHER,))) == STORY


async def test_the_last_sentence_counts() -> None:
    asked = _user("What is the weather? Tell me a story.\nGood morning.")
    assert _text(await _deltas(asked, tools=(WEATHER,))) == TWELVE_WORDS


async def test_what_was_answered_is_not_asked_again() -> None:
    answered = (_user("Tell me a story."), ChatMessage("assistant", "Once."))
    assert _text(await _deltas(*answered, tools=(WEATHER,))) == TWELVE_WORDS


async def test_an_answer_may_be_cut_short() -> None:
    deltas = await _deltas(_user("Hello."), max_tokens=3)
    assert (_text(deltas), deltas[-1].finish) == ("here is an", "length")

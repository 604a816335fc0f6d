"""MUST 13 and 14: items that the client puts into the conversation, and functions that it carries out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.checklist.house import WEATHER_HZ, House, answer, ask, housing, words
from tests.server.caller import Caller, calling, silence, voice
from tests.wire_checker import Frame

pytestmark = pytest.mark.anyio


def _function(name: str, **properties: dict[str, str]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties}
    return {"type": "function", "name": name, "description": f"To {name}.", "parameters": schema}


WEATHER = _function("get_weather", city={"type": "string"})
TIME = _function("get_time")
CALL = [
    "response.output_item.added",
    "conversation.item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "conversation.item.done",
    "response.output_item.done",
]


@pytest.fixture(scope="module")
async def house(anyio_backend: str) -> AsyncIterator[House]:
    async with housing() as shared:
        yield shared


@pytest.fixture
async def caller(house: House) -> AsyncIterator[Caller]:
    """In writing, so that no answer plays on while the next is asked for."""
    async with calling(house.ws) as found:
        await found.update(output_modalities=["text"])
        yield found
        found.checker.rest()


# --- 13 ---------------------------------------------------------------------------------------------------------------


async def _create(caller: Caller, item: dict[str, Any], **fields: Any) -> tuple[Frame, Frame]:
    """The item's ``added`` and ``done``."""
    count = caller.count("conversation.item.done")
    await caller.send("conversation.item.create", item=item, **fields)
    done = await caller.wait("conversation.item.done", count + 1)
    return caller.of("conversation.item.added")[-1], done


def _message(text: str, role: str = "user", **fields: Any) -> dict[str, Any]:
    part = {"type": "output_text" if role == "assistant" else "input_text", "text": text}
    return {"type": "message", "role": role, "content": [part], **fields}


KINDS = [
    _message("Be kind.", "system", id="item_system"),
    _message("Hello.", id="msg_of_mine-1"),
    _message("Good day.", "assistant", id="x"),
    {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "get_time", "arguments": "{}"},
    {"type": "function_call_output", "id": "fco_1", "call_id": "call_1", "output": '{"time": "noon"}'},
]


async def test_must_13_items_of_every_kind_are_added_and_done_under_the_clients_ids(
    house: House, caller: Caller
) -> None:
    previous_id = None
    for item in KINDS:
        added, done = await _create(caller, item)
        assert added["previous_item_id"] == done["previous_item_id"] == previous_id
        assert added["item"] == done["item"]
        assert added["item"] == {"object": "realtime.item", "status": "completed", **item}
        await caller.send("conversation.item.retrieve", item_id=item["id"])
        retrieved = await caller.wait("conversation.item.retrieved", KINDS.index(item) + 1)
        assert retrieved["item"] == done["item"]
        previous_id = item["id"]
    await caller.settled()
    assert caller.count("response.created") == 0, "an item asks for no answer"
    assert [event for event in caller.types() if event.startswith("conversation.item.")] == [
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.retrieved",
    ] * len(KINDS)
    await answer(caller, "And now?")
    told = [(m.role, m.content) for m in house.model.asked[-1].messages[-5:]]
    assert told == [
        ("system", "Be kind."),
        ("user", "Hello."),
        ("assistant", "Good day."),
        ("tool", '{"time": "noon"}'),
        ("user", "And now?"),
    ]


async def test_must_13_an_item_without_an_id_gets_one(caller: Caller) -> None:
    added, _ = await _create(caller, _message("Hello."))
    assert added["item"]["id"].startswith("item_")


async def test_must_13_items_go_where_the_client_says(house: House, caller: Caller) -> None:
    places: list[tuple[str, dict[str, Any], str | None]] = [
        ("two", {}, None),
        ("four", {"previous_item_id": None}, "two"),
        ("one", {"previous_item_id": "root"}, None),
        ("three", {"previous_item_id": "two"}, "two"),
    ]
    for name, place, previous_id in places:
        added, _ = await _create(caller, _message(name, id=name), **place)
        assert added["previous_item_id"] == previous_id
    assert caller.checker.order == ["one", "two", "three", "four"]
    await caller.send("response.create")
    await caller.wait("response.done")
    assert [m.content for m in house.model.prompt()] == ["one\ntwo\nthree\nfour"]


async def test_must_13_a_place_that_does_not_exist_is_an_error(caller: Caller) -> None:
    await caller.write("Hello.", previous_item_id="item_nobody", event_id="evt_1")
    error = (await caller.wait("error"))["error"]
    assert (error["type"], error["event_id"]) == ("invalid_request_error", "evt_1")
    assert error["param"] == "previous_item_id"
    assert caller.count("conversation.item.added") == 0


async def test_must_13_an_id_is_taken_once(house: House, caller: Caller) -> None:
    await _create(caller, _message("First.", id="item_mine"))
    await caller.send("conversation.item.create", item=_message("Second.", id="item_mine"), event_id="evt_2")
    error = (await caller.wait("error"))["error"]
    assert (error["code"], error["event_id"]) == ("item_create_duplicate_item_id", "evt_2")
    assert caller.count("conversation.item.added") == 1
    await caller.send("response.create")
    await caller.wait("response.done")
    assert [m.content for m in house.model.prompt()] == ["First."]


async def test_must_13_what_is_deleted_is_gone_and_its_id_free(house: House, caller: Caller) -> None:
    for name in ("keep", "forget"):
        await _create(caller, _message(name, id=name))
    await caller.send("conversation.item.delete", item_id="forget")
    assert (await caller.wait("conversation.item.deleted"))["item_id"] == "forget"
    await caller.send("conversation.item.retrieve", item_id="forget", event_id="evt_1")
    error = (await caller.wait("error"))["error"]
    assert (error["code"], error["event_id"]) == ("item_retrieve_invalid_item_id", "evt_1")
    await caller.send("conversation.item.delete", item_id="forget", event_id="evt_2")
    assert (await caller.wait("error", 2))["error"]["code"] == "item_delete_invalid_item_id"
    await caller.send("response.create")
    await caller.wait("response.done")
    assert [m.content for m in house.model.prompt()] == ["keep"]
    added, _ = await _create(caller, _message("again", id="forget"))
    assert added["previous_item_id"] == caller.of("response.done")[0]["response"]["output"][0]["id"]


# --- 14 ---------------------------------------------------------------------------------------------------------------


def _calls(done: Frame) -> list[dict[str, Any]]:
    return [item for item in done["response"]["output"] if item["type"] == "function_call"]


async def _tell(caller: Caller, call_id: str, output: str) -> None:
    await _create(caller, {"type": "function_call_output", "call_id": call_id, "output": output})


async def test_must_14_a_spoken_question_is_a_call_whose_result_is_spoken(house: House) -> None:
    async with calling(house.ws) as caller:
        await caller.update(tools=[WEATHER])
        await caller.say(pitch_hz=WEATHER_HZ)
        done = await caller.wait("response.done")
        kinds = caller.types()
        start = kinds.index("response.created")
        assert kinds[start : kinds.index("response.done") + 1] == ["response.created", *CALL, "response.done"]
        _check_call(caller, done)
        (call,) = _calls(done)
        await _tell(caller, call["call_id"], json.dumps({"degrees": 9}))
        await caller.settled()
        assert caller.count("response.created") == 1, "a result asks for no answer"
        await caller.send("response.create")
        spoken = await caller.wait("response.done", 2)
        assert spoken["response"]["status"] == "completed"
        assert '{"degrees": 9}' in words(spoken)
        assert caller.count("response.output_audio.delta") > 0
        asked, called, told = house.model.prompt()
        assert (asked.role, called.role, told.role) == ("user", "assistant", "tool")
        (made,) = called.tool_calls
        assert (made.id, made.name, json.loads(made.arguments)) == (call["call_id"], "get_weather", {"city": "Oslo"})
        assert (told.tool_call_id, told.content) == (call["call_id"], '{"degrees": 9}')
        caller.checker.rest()


def _check_call(caller: Caller, done: Frame) -> None:
    added = caller.of("response.output_item.added")[0]["item"]
    call_id = added["call_id"]
    assert 0 < len(call_id) <= 32
    assert added == caller.of("conversation.item.added")[1]["item"]
    assert added == {
        "id": added["id"],
        "object": "realtime.item",
        "type": "function_call",
        "status": "in_progress",
        "call_id": call_id,
        "name": "get_weather",
        "arguments": "",
    }
    deltas = caller.of("response.function_call_arguments.delta")
    whole = caller.of("response.function_call_arguments.done")[0]
    assert "".join(frame["delta"] for frame in deltas) == whole["arguments"]
    assert json.loads(whole["arguments"]) == {"city": "Oslo"}
    assert whole["name"] == "get_weather"
    for frame in (*deltas, whole):
        assert (frame["item_id"], frame["call_id"], frame["output_index"]) == (added["id"], call_id, 0)
    item = {**added, "status": "completed", "arguments": whole["arguments"]}
    assert caller.of("response.output_item.done")[0]["item"] == item
    assert caller.of("conversation.item.done")[1]["item"] == item
    assert done["response"]["output"] == [item]
    assert done["response"]["status"] == "completed"


async def test_must_14_arguments_are_streamed_as_the_model_writes_them(caller: Caller) -> None:
    await caller.update(tools=[WEATHER])
    (call,) = _calls(await answer(caller, "Slowly now: what is the weather in Oslo?"))
    deltas = [frame["delta"] for frame in caller.of("response.function_call_arguments.delta")]
    assert len(deltas) > 1
    assert "".join(deltas) == call["arguments"]


async def test_must_14_the_id_of_a_call_is_never_too_long(house: House, caller: Caller) -> None:
    await caller.update(tools=[WEATHER, TIME])
    calls = _calls(await answer(caller, "Longish: what are the time and the weather?"))
    assert len({call["call_id"] for call in calls}) == 2
    assert max(len(call["call_id"]) for call in calls) <= 32
    for call in calls:
        await _tell(caller, call["call_id"], f"of {call['name']}")
    await answer(caller, "And?")
    called = next(m for m in house.model.prompt() if m.tool_calls)
    told = {m.tool_call_id: m.content for m in house.model.prompt() if m.role == "tool"}
    assert told == {made.id: f"of {made.name}" for made in called.tool_calls}


async def test_must_14_words_and_a_call_are_two_items_of_one_response(house: House) -> None:
    async with calling(house.ws) as caller:
        await caller.update(tools=[WEATHER])
        done = await answer(caller, "Politely: what is the weather in Oslo?")
        said, call = done["response"]["output"]
        assert (said["role"], said["content"][0]["transcript"]) == ("assistant", "One moment, I will look that up.")
        assert (call["type"], call["status"]) == ("function_call", "completed")
        places = {f["item"]["id"]: f["output_index"] for f in caller.of("response.output_item.done")}
        assert places == {said["id"]: 0, call["id"]: 1}
        added = caller.of("conversation.item.added")
        assert [frame["previous_item_id"] for frame in added[1:]] == [added[0]["item"]["id"], said["id"]]
        await _tell(caller, call["call_id"], "nine degrees")
        await answer(caller, "And?")
        assert [m.content for m in house.model.prompt() if m.role == "tool"] == ["nine degrees"]
        caller.checker.rest()


@pytest.mark.parametrize("is_spoken_over", [True, False])
async def test_must_14_a_call_that_is_cut_off_is_nobodys_to_carry_out(house: House, is_spoken_over: bool) -> None:
    async with calling(house.ws) as caller:
        await caller.update(tools=[WEATHER])
        await ask(caller, "Slowly now: what is the weather in Oslo?")
        await caller.wait("response.function_call_arguments.delta")
        if is_spoken_over:
            await caller.append(voice(0.3))
        else:
            await caller.send("response.cancel")
        done = (await caller.wait("response.done"))["response"]
        reason = "turn_detected" if is_spoken_over else "client_cancelled"
        assert done["status_details"] == {"type": "cancelled", "reason": reason}
        (call,) = done["output"]
        assert (call["type"], call["status"]) == ("function_call", "incomplete")
        assert caller.of("response.output_item.done")[0]["item"] == call
        assert caller.of("conversation.item.done")[1]["item"] == call
        await caller.append(silence(0.6))
        await answer(caller, "Good morning.", tool_choice="none") if not is_spoken_over else await caller.wait(
            "response.done", 2
        )
        assert not [m for m in house.model.prompt() if m.tool_calls]
        caller.checker.rest()


async def test_must_14_calls_side_by_side_are_items_of_one_response(house: House, caller: Caller) -> None:
    await caller.update(tools=[WEATHER, TIME])
    done = await answer(caller, "What are the time and the weather in Oslo?")
    calls = _calls(done)
    assert [call["name"] for call in calls] == ["get_weather", "get_time"]
    assert len({call["call_id"] for call in calls}) == len({call["id"] for call in calls}) == 2
    indices = {f["item"]["id"]: f["output_index"] for f in caller.of("response.output_item.done")}
    assert [indices[call["id"]] for call in calls] == [0, 1]
    for number, call in enumerate(calls):
        await _tell(caller, call["call_id"], f"result {number}")
    await caller.send("response.create")
    assert words(await caller.wait("response.done", 2)) == "The answer is: result 0 and result 1."
    assert [m.content for m in house.model.prompt() if m.role == "tool"] == ["result 0", "result 1"]
    await answer(caller, "The time and the weather again.", parallel_tool_calls=False)
    assert len(_calls(caller.of("response.done")[-1])) == 1


async def test_must_14_tool_choice(house: House, caller: Caller) -> None:
    await caller.update(tools=[WEATHER, TIME], tool_choice="none")
    assert _calls(await answer(caller, "The weather in Oslo?")) == []
    await caller.update(tool_choice="auto")
    assert [call["name"] for call in _calls(await answer(caller, "The weather in Oslo?"))] == ["get_weather"]
    assert _calls(await answer(caller, "Good morning.")) == []
    await caller.update(tool_choice="required")
    assert len(_calls(await answer(caller, "Good morning."))) == 1
    assert house.model.asked[-1].tool_choice == "required"
    named = {"type": "function", "name": "get_time"}
    shown = await caller.update(tool_choice=named)
    assert shown["tool_choice"] == named
    assert [call["name"] for call in _calls(await answer(caller, "The weather in Oslo?"))] == ["get_time"]
    # Of one response only.
    assert _calls(await answer(caller, "What time is it?", tool_choice="none")) == []
    required = await answer(caller, "Good morning.", tool_choice={"type": "function", "name": "get_weather"})
    assert [call["name"] for call in _calls(required)] == ["get_weather"]
    assert caller.errors() == []


async def test_must_14_tools_change_in_mid_session(house: House, caller: Caller) -> None:
    question = "The time and the weather in Oslo?"
    assert _calls(await answer(caller, question)) == []
    offers: list[list[dict[str, Any]]] = [[WEATHER], [WEATHER, TIME], [TIME], []]
    for tools in offers:
        assert (await caller.update(tools=tools))["tools"] == tools
        called = [call["name"] for call in _calls(await answer(caller, question))]
        assert called == [tool["name"] for tool in tools]
        assert [tool.name for tool in house.model.asked[-1].tools] == called
    own = await answer(caller, question, tools=[WEATHER])
    assert [call["name"] for call in _calls(own)] == ["get_weather"]
    assert _calls(await answer(caller, question)) == []


async def test_must_14_tools_changed_while_a_call_is_open(caller: Caller) -> None:
    await caller.update(tools=[WEATHER])
    (call,) = _calls(await answer(caller, "The weather in Oslo?"))
    await caller.update(tools=[])
    await _tell(caller, call["call_id"], "nine degrees")
    await caller.send("response.create")
    assert words(await caller.wait("response.done", 2)) == "The answer is: nine degrees."


async def test_must_14_a_result_of_no_call_is_an_error(caller: Caller) -> None:
    output = {"type": "function_call_output", "call_id": "call_nobody", "output": "{}"}
    await caller.send("conversation.item.create", item=output, event_id="evt_1")
    error = (await caller.wait("error"))["error"]
    assert (error["type"], error["event_id"]) == ("invalid_request_error", "evt_1")
    await ask(caller, "Hello.")
    await caller.wait("response.done")

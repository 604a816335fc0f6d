"""Good events at the wrong time: each is one ``error`` with OpenAI's code, and what goes on is not disturbed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from duologue.engines.base import ChatRequest
from duologue.engines.scripted import ScriptedChat, ScriptedSynthesizer
from tests.checklist.refusals import lives, refused
from tests.server.caller import Caller, calling, silence, voice
from tests.server.serving import Serving, engines, serving

pytestmark = pytest.mark.anyio

MESSAGE = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
CALL = {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "call_1", "id": "item_call"}
NOWHERE = "the item with id 'item_none' does not exist."


async def _refused(caller: Caller, kind: str, **fields: Any) -> tuple[str, str]:
    """Code and message of what an event leads to; its id is echoed."""
    error = await refused(caller, json.dumps({"type": kind, "event_id": f"evt {kind}", **fields}))
    assert error["event_id"] == f"evt {kind}"
    return error["code"], error["message"]


async def test_cancel_without_a_response(server: Serving) -> None:
    async with calling(server.ws) as caller:
        expected = ("response_cancel_not_active", "Cancellation failed: no active response found")
        assert await _refused(caller, "response.cancel") == expected
        assert await _refused(caller, "response.cancel", response_id="resp_none") == expected
        await lives(caller)
        code, _ = await _refused(caller, "response.cancel", response_id=caller.of("response.done")[0]["response"]["id"])
        assert code == "response_cancel_not_active"
        await lives(caller)


async def test_commit_of_nothing(server: Serving) -> None:
    """With and without voice activity detection."""
    expected = (
        "input_audio_buffer_commit_empty",
        "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer only has "
        "0.00ms of audio.",
    )
    async with calling(server.ws) as caller:
        assert await _refused(caller, "input_audio_buffer.commit") == expected
        await caller.detect(None)
        assert await _refused(caller, "input_audio_buffer.commit") == expected
        await caller.append(voice(0.5))
        await caller.send("input_audio_buffer.commit")
        await caller.wait("input_audio_buffer.committed")
        assert await _refused(caller, "input_audio_buffer.commit") == expected
        await caller.detect({"type": "server_vad", "silence_duration_ms": 200})
        await lives(caller)


async def test_items_that_are_not_there(server: Serving) -> None:
    async with calling(server.ws) as caller:
        place = {"item_id": "item_none"}
        code, message = await _refused(caller, "conversation.item.delete", **place)
        assert (code, message) == ("item_delete_invalid_item_id", f"Error deleting item: {NOWHERE}")
        code, message = await _refused(caller, "conversation.item.retrieve", **place)
        assert (code, message) == ("item_retrieve_invalid_item_id", f"Error retrieving item: {NOWHERE}")
        code, message = await _refused(caller, "conversation.item.truncate", **place, content_index=0, audio_end_ms=0)
        assert (code, message) == ("item_truncate_invalid_item_id", f"Error truncating item: {NOWHERE}")
        code, message = await _refused(caller, "conversation.item.create", item=MESSAGE, previous_item_id="item_none")
        assert "item_none" in message
        code, message = await _refused(
            caller, "response.create", response={"input": [{"type": "item_reference", "id": "item_none"}]}
        )
        assert "item_none" in message
        assert caller.count("response.created") == caller.count("conversation.item.added") == 0
        await lives(caller)


async def test_truncate_of_what_cannot_be_cut(server: Serving) -> None:
    """What the user said, what was written, and calls. Nothing of them is lost."""
    async with calling(server.ws) as caller:
        await lives(caller)
        user = caller.of("input_audio_buffer.committed")[0]["item_id"]
        said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I wrote it."}]}
        for item in ({**MESSAGE, "id": "item_written"}, {**said, "id": "item_said"}, CALL):
            await caller.send("conversation.item.create", item=item)
        await caller.settled()
        errors = caller.count("error")
        for item_id in (user, "item_written", "item_said", "item_call"):
            code, message = await _refused(
                caller, "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=0
            )
            assert "truncat" in message
            assert code in ("invalid_value", "item_truncate_invalid_item_id")
        assert caller.count("conversation.item.truncated") == 0
        assert caller.count("error") == errors + 8
        await lives(caller)


async def test_an_id_that_is_taken(server: Serving) -> None:
    async with calling(server.ws) as caller:
        await caller.send("conversation.item.create", item={**MESSAGE, "id": "item_mine"})
        code, _ = await _refused(caller, "conversation.item.create", item={**MESSAGE, "id": "item_mine"})
        assert code == "item_create_duplicate_item_id"
        assert caller.count("conversation.item.added") == 1
        await lives(caller)


async def test_an_id_that_is_announced(server: Serving) -> None:
    """``speech_started`` names the item that the turn will be: nobody else gets that id, and the turn becomes it."""
    async with calling(server.ws) as caller:
        await caller.append(voice(0.6))
        announced = (await caller.wait("input_audio_buffer.speech_started"))["item_id"]
        code, _ = await _refused(caller, "conversation.item.create", item={**MESSAGE, "id": announced})
        assert code == "item_create_duplicate_item_id"
        await caller.append(silence(0.6))
        assert (await caller.wait("input_audio_buffer.committed"))["item_id"] == announced
        await caller.wait("response.done")
        await lives(caller)


async def test_truncate_of_a_part_that_is_not_there(server: Serving) -> None:
    async with calling(server.ws) as caller:
        await lives(caller)
        [item] = caller.of("response.done")[0]["response"]["output"]
        for index in (1, 7, -1):
            place = {"item_id": item["id"], "content_index": index}
            code, _ = await _refused(caller, "conversation.item.truncate", **place, audio_end_ms=0)
            assert code == "invalid_value"
        assert caller.count("conversation.item.truncated") == 0
        await lives(caller)


async def test_items_that_go_while_they_are_given(server: Serving) -> None:
    """The answer that sounds, and the question that it answers: both may be deleted, and the talk goes on."""
    async with calling(server.ws) as caller:
        await caller.write("hello", item={"id": "item_hello"})
        await caller.send("response.create")
        answer = (await caller.wait("response.output_item.added"))["item"]["id"]
        for item_id in (answer, "item_hello"):
            await caller.send("conversation.item.delete", item_id=item_id)
        await caller.wait("conversation.item.deleted", 2)
        code, _ = await _refused(caller, "conversation.item.truncate", item_id=answer, content_index=0, audio_end_ms=0)
        assert code == "item_truncate_invalid_item_id"
        assert (await caller.wait("response.done"))["response"]["status"] == "completed"
        await lives(caller)


async def test_answers_to_what_nobody_asked(server: Serving) -> None:
    """A function's result without its call, leave for a call that was not asked about."""
    async with calling(server.ws) as caller:
        result = {"type": "function_call_output", "call_id": "call_none", "output": "5"}
        _, message = await _refused(caller, "conversation.item.create", item=result)
        assert "call_none" in message
        leave = {"type": "mcp_approval_response", "id": "m", "approval_request_id": "mcpr_none", "approve": True}
        await _refused(caller, "conversation.item.create", item=leave)
        assert caller.count("conversation.item.added") == 0
        await lives(caller)


async def test_output_audio_buffer_clear_over_a_websocket(server: Serving) -> None:
    async with calling(server.ws) as caller:
        _, message = await _refused(caller, "output_audio_buffer.clear")
        assert "WebRTC" in message
        await lives(caller)


def _at_length(request: ChatRequest) -> str:
    """Longer than what is sent ahead, if asked in writing."""
    return "one two three four. five six seven eight." if request.messages[-1].content == "hello" else "yes"


async def test_a_second_response_while_one_is_active() -> None:
    client = engines(
        chat=ScriptedChat("one two three four. five six seven eight."), tts=ScriptedSynthesizer(word_s=0.5)
    )
    async with serving(client) as server, calling(server.ws) as caller:
        await caller.write("hello")
        await caller.send("response.create")
        active = (await caller.wait("response.created"))["response"]["id"]
        code, message = await _refused(caller, "response.create")
        assert code == "conversation_already_has_active_response"
        expected = f"Conversation already has an active response in progress: {active}."
        assert message == f"{expected} Wait until the response is finished before creating a new one."
        assert (await _refused(caller, "response.cancel", response_id="resp_none"))[0] == "response_cancel_not_active"
        assert caller.count("response.created") == 1
        assert caller.count("response.done") == 0
        await caller.send("response.cancel", response_id=active)
        assert (await caller.wait("response.done"))["response"]["status"] == "cancelled"
        await lives(caller)


async def _captions(caller: Caller) -> None:
    """A turn is written down."""
    kind = "conversation.item.input_audio_transcription.completed"
    count = caller.count(kind)
    await caller.say()
    await caller.wait(kind, count + 1)


async def test_responses_in_a_transcription_session(server: Serving) -> None:
    async with calling(server.ws.split("?")[0] + "?intent=transcription") as caller:
        await _captions(caller)
        item_id = caller.of("input_audio_buffer.committed")[0]["item_id"]
        for kind, fields in (
            ("response.create", {}),
            ("response.create", {"response": {"conversation": "none", "output_modalities": ["text"]}}),
            ("response.cancel", {}),
            ("conversation.item.truncate", {"item_id": item_id, "content_index": 0, "audio_end_ms": 0}),
            ("output_audio_buffer.clear", {}),
        ):
            code, message = await _refused(caller, kind, **fields)
            assert code in ("invalid_value", "response_cancel_not_active")
            assert "transcription" in message
        await _captions(caller)
        assert not [kind for kind in caller.types() if kind.startswith("response.")]


@pytest.mark.parametrize("first", ["session.update", "input_audio_buffer.append", "input_audio_buffer.clear"])
async def test_the_type_of_a_session_stays(server: Serving, first: str) -> None:
    async with calling(server.ws) as caller:
        fields = {"session": {"type": "realtime"}, "audio": "AAAA"}
        key = {"session.update": "session", "input_audio_buffer.append": "audio"}.get(first)
        await caller.send(first, **({key: fields[key]} if key else {}))
        await caller.settled()
        error = await refused(caller, '{"type":"session.update","event_id":"e","session":{"type":"transcription"}}')
        assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "session.type", "e")
        assert (await caller.update())["type"] == "realtime"
        await lives(caller)


async def test_a_transcription_session_stays_one(server: Serving) -> None:
    async with calling(server.ws.split("?")[0] + "?intent=transcription") as caller:
        await caller.send("session.update", session={"type": "transcription"})
        error = await refused(caller, '{"type":"session.update","event_id":"e","session":{"type":"realtime"}}')
        assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "session.type", "e")
        await _captions(caller)
        assert not [kind for kind in caller.types() if kind.startswith("response.")]


async def test_what_is_said_first_is_answered_first(server: Serving) -> None:
    """An ``error`` and a ``session.updated`` wait for the sound and the events before them."""
    async with calling(server.ws) as caller:
        await caller.detect(None)
        await caller.append(voice(5.0))
        await caller.send("input_audio_buffer.commit")
        await caller.socket.send("no JSON")
        await caller.send("conversation.item.create", item=MESSAGE)
        await caller.send("session.update", session={"type": "realtime", "instructions": "Be kind."})
        await caller.wait("session.updated", 2)
        kinds = [kind for kind in caller.types() if "transcription" not in kind]
        assert kinds[2:] == [
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "error",
            "conversation.item.added",
            "conversation.item.done",
            "session.updated",
        ]

"""MUST 2, 3, 5 and 18: what a session is, what changes it, what its events are and what it says of faults."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.checklist.house import House, answer, ask, housing, words
from tests.conformance.conftest import run_node, run_python, sdk_python
from tests.server.caller import Caller, calling, silence, voice
from tests.wire_checker import Frame

# The fixtures of the conformance tests run the SDKs.
__all__ = ["run_node", "run_python", "sdk_python"]

pytestmark = pytest.mark.anyio

PCM = {"type": "audio/pcm", "rate": 24_000}


@pytest.fixture(scope="module")
async def house(anyio_backend: str) -> AsyncIterator[House]:
    async with housing() as shared:
        yield shared


# --- 2 ----------------------------------------------------------------------------------------------------------------


async def test_must_02_the_first_frame_is_the_whole_session_before_any_client_event(house: House) -> None:
    async with connect(house.ws, compression=None) as socket:
        created = json.loads(await socket.recv())
    assert (created["type"], created["event_id"][:6]) == ("session.created", "event_")
    session = created["session"]
    assert (session["id"][:5], session["object"], session["type"]) == ("sess_", "realtime.session", "realtime")
    assert session["model"] == "gpt-realtime"
    assert isinstance(session["expires_at"], int)
    assert time.time() < session["expires_at"] <= time.time() + 3_600
    assert session["output_modalities"] == ["audio"]
    assert isinstance(session["instructions"], str)
    sound_in, sound_out = session["audio"]["input"], session["audio"]["output"]
    assert sound_in["format"] == sound_out["format"] == PCM
    assert sound_in["transcription"] is sound_in["noise_reduction"] is None
    assert sound_in["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    }
    assert isinstance(sound_out["voice"], str)
    assert sound_out["speed"] == 1.0
    defaults: dict[str, Any] = {
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "truncation": "auto",
        "tracing": None,
    }
    assert {key: session[key] for key in defaults} == defaults


# --- 3 ----------------------------------------------------------------------------------------------------------------


async def test_must_03_an_update_before_the_client_has_read_anything(house: House) -> None:
    async with connect(house.ws, compression=None) as socket:
        session = {"type": "realtime", "instructions": "Be brief."}
        await socket.send(json.dumps({"type": "session.update", "session": session}))
        first, second = json.loads(await socket.recv()), json.loads(await socket.recv())
    assert (first["type"], second["type"]) == ("session.created", "session.updated")
    assert second["session"] == first["session"] | {"instructions": "Be brief."}


async def test_must_03_an_update_while_it_answers_and_while_somebody_speaks(house: House) -> None:
    async with calling(house.ws) as caller:
        await ask(caller, "Say a verse.")
        assert (await caller.update(output_modalities=["text"]))["output_modalities"] == ["text"]
        first = (await caller.wait("response.done"))["response"]
        assert (first["status"], first["output_modalities"]) == ("completed", ["audio"])
        await caller.append(voice(0.4))
        await caller.wait("input_audio_buffer.speech_started")
        assert (await caller.update(instructions="Be brief."))["output_modalities"] == ["text"]
        await caller.append(silence(0.6))
        assert (await caller.wait("response.done", 2))["response"]["output_modalities"] == ["text"]
        assert house.model.asked[-1].messages[0].content == "Be brief."
        caller.checker.rest()


async def test_must_03_turn_detection_null_changes_nothing_else(house: House) -> None:
    async with calling(house.ws) as caller:
        before = await caller.update(
            instructions="Be brief.",
            audio={
                "input": {"transcription": {"model": "whisper-1"}, "noise_reduction": {"type": "near_field"}},
                "output": {"voice": "marin", "speed": 1.25},
            },
        )
        after = await caller.update(audio={"input": {"turn_detection": None}})
        before["audio"]["input"]["turn_detection"] = None
        assert after == before


async def test_must_03_how_changes_merge(house: House) -> None:
    async with calling(house.ws) as caller:

        async def detected(**change: Any) -> dict[str, Any]:
            shown: Frame = await caller.update(audio={"input": {"turn_detection": change}})
            detection: dict[str, Any] = shown["audio"]["input"]["turn_detection"]
            return detection

        first = await detected(type="server_vad", threshold=0.7, interrupt_response=False)
        assert (first["threshold"], first["interrupt_response"], first["prefix_padding_ms"]) == (0.7, False, 300)
        assert await detected(type="server_vad", prefix_padding_ms=200) == first | {"prefix_padding_ms": 200}
        other = {"type": "semantic_vad", "eagerness": "auto", "create_response": True, "interrupt_response": True}
        assert await detected(type="semantic_vad") == other
        assert (await detected(type="server_vad"))["threshold"] == 0.5
        tool = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}
        transcribed = {"input": {"transcription": {"model": "whisper-1"}}}
        full = await caller.update(instructions="Be brief.", tools=[tool], audio=transcribed)
        assert (full["tools"], full["audio"]["input"]["transcription"]) == ([tool], {"model": "whisper-1"})
        assert (await caller.update(instructions=""))["tools"] == [tool]
        cleared = await caller.update(tools=[], audio={"input": {"transcription": None}})
        assert (cleared["instructions"], cleared["tools"]) == ("", [])
        assert cleared["audio"]["input"]["transcription"] is None


NEVER_ERRORS: list[dict[str, Any]] = [
    {"no_such_key": {"deep": [1]}, "audio": {"input": {"no_such": 1}, "output": {"no_such": 2}, "no_such": 3}},
    {"tracing": "auto"},
    {"tracing": {"workflow_name": "w", "group_id": "g", "metadata": {"a": "b"}}},
    {"tracing": None},
    {"model": "gpt-realtime-2.1"},
    {"prompt": None},
    {"prompt": {"id": "pmpt_1", "version": "2", "variables": {"a": "b"}}},
    {"reasoning": {"effort": "low"}},
    {"reasoning": None},
    {"truncation": "auto"},
    {"truncation": "disabled"},
    {"truncation": {"type": "retention_ratio", "retention_ratio": 0.8, "token_limits": {"post_instructions": 4_000}}},
    {"include": ["item.input_audio_transcription.logprobs"]},
    {"include": None},
    {"audio": {"input": {"noise_reduction": {"type": "far_field"}}}},
    {"audio": {"input": {"noise_reduction": {"type": "near_field", "strength": 0.5}}}},
    {"audio": {"input": {"noise_reduction": None}}},
    {"tool_choice": None},
    {"parallel_tool_calls": False},
    {"audio": {"input": {"transcription": {"model": "gpt-4o-mini-transcribe", "language": "en", "prompt": "names"}}}},
    {"audio": {"input": {"transcription": {"model": "gpt-realtime-whisper", "keywords": ["Oslo"], "delay": "low"}}}},
    *({"audio": {"output": {"voice": name}}} for name in ("alloy", "ash", "marin", {"id": "voice_1234"})),
]


async def test_must_03_what_never_is_an_error(house: House) -> None:
    async with calling(house.ws) as caller:
        for change in NEVER_ERRORS:
            await caller.update(**change)
        await caller.settled()
        assert caller.errors() == ["item_retrieve_invalid_item_id"], "that of the mark alone"
        await caller.say()
        assert (await caller.wait("response.done"))["response"]["status"] == "completed"
    for model in ("gpt-realtime", "gpt-realtime-2.1", "anything-at-all"):
        async with calling(house.ws.replace("gpt-realtime", model)) as caller:
            assert caller.frames[0]["session"]["model"] == model


# --- 5 ----------------------------------------------------------------------------------------------------------------

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


async def _every_kind_of_event(url: str) -> list[Frame]:
    """A talk with a bit of everything."""
    async with calling(url, allows_aside=True) as caller:
        await caller.update(audio={"input": {"transcription": {"model": "whisper-1"}}}, tools=[WEATHER])
        await caller.say()
        item_id = (await caller.wait("response.done"))["response"]["output"][0]["id"]
        await caller.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=500)
        await caller.send("conversation.item.retrieve", item_id=item_id)
        await caller.say(pitch_hz=660.0)
        await caller.wait("conversation.item.input_audio_transcription.failed")
        await caller.wait("response.done", 2)
        call = (await answer(caller, "What is the weather in Oslo?"))["response"]["output"][0]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": '{"degrees": 9}'}
        await caller.send("conversation.item.create", item=output)
        await caller.wait("conversation.item.done", caller.count("conversation.item.done") + 1)
        await answer(caller, "Thanks.", metadata={"a": "b"}, max_output_tokens=3)
        await answer(caller, "Break.", conversation="none", input=[])
        await answer(caller, "Please break.")
        await answer(caller, "Hello.", output_modalities=["text"])
        await ask(caller, "Tell me a story.")
        await caller.send("response.cancel")
        await caller.send("response.cancel")
        await caller.wait("response.done", caller.count("response.created"))
        await caller.append(voice(0.3))
        await caller.send("input_audio_buffer.clear")
        await caller.send("conversation.item.delete", item_id=item_id)
        await caller.wait("conversation.item.deleted")
        return list(caller.frames)


@pytest.fixture(scope="module")
async def frames(house: House) -> list[Frame]:
    return [*await _every_kind_of_event(house.ws), *await _every_kind_of_event(house.ws)]


@pytest.fixture
def recorded(frames: list[Frame], tmp_path: Path) -> Path:
    path = tmp_path / "frames.jsonl"
    path.write_text("\n".join(json.dumps(frame) for frame in frames), encoding="utf-8")
    return path


# Those of a WebSocket with voice, text and functions, in OpenAI's own types.
OF_OPENAI = (
    {"error", "rate_limits.updated", "session.created", "session.updated"}
    | {f"conversation.item.{name}" for name in ("added", "done", "deleted", "retrieved", "truncated")}
    | {f"conversation.item.input_audio_transcription.{name}" for name in ("delta", "completed", "failed")}
    | {f"input_audio_buffer.{name}" for name in ("speech_started", "speech_stopped", "committed", "cleared")}
    | {f"response.{name}" for name in ("created", "done")}
    | {f"response.{part}.{name}" for part in ("output_item", "content_part") for name in ("added", "done")}
    | {
        f"response.{part}.{name}"
        for part in ("output_audio", "output_audio_transcript", "output_text", "function_call_arguments")
        for name in ("delta", "done")
    }
)


async def test_must_05_every_event_has_an_id_of_its_own(frames: list[Frame]) -> None:
    ids = [frame["event_id"] for frame in frames]
    assert all(event_id.startswith("event_") for event_id in ids)
    assert len(set(ids)) == len(ids)


async def test_must_05_there_are_no_vendor_events(frames: list[Frame]) -> None:
    assert {frame["type"] for frame in frames} <= OF_OPENAI


async def test_must_05_every_event_fits_the_types_of_the_python_sdks(recorded: Path, run_python: Any) -> None:
    assert "0 that do not fit" in run_python("client_schemas.py", recorded)


async def test_must_05_every_event_fits_the_schemas_of_the_javascript_sdk(recorded: Path, run_node: Any) -> None:
    assert "0 that do not fit" in run_node("schemas.mjs", recorded)


# --- 18 ---------------------------------------------------------------------------------------------------------------


def _event(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "event_id": "evt_mine", **fields})


def _item(**fields: Any) -> str:
    return _event("conversation.item.create", item=fields)


NO_ITEM = "ing item: the item with id 'item_nobody' does not exist."
NOTHING_TO_CANCEL = "Cancellation failed: no active response found"
TOO_SMALL = (
    "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
    "but buffer only has 0.00ms of audio."
)
# What is sent, the code, and the message where clients read it.
FAULTS: dict[str, tuple[str, str, str]] = {
    "cancel": (_event("response.cancel"), "response_cancel_not_active", NOTHING_TO_CANCEL),
    "commit": (_event("input_audio_buffer.commit"), "input_audio_buffer_commit_empty", TOO_SMALL),
    "truncate": (
        _event("conversation.item.truncate", item_id="item_nobody", content_index=0, audio_end_ms=1),
        "item_truncate_invalid_item_id",
        f"Error truncat{NO_ITEM}",
    ),
    "delete": (
        _event("conversation.item.delete", item_id="item_nobody"),
        "item_delete_invalid_item_id",
        f"Error delet{NO_ITEM}",
    ),
    "retrieve": (
        _event("conversation.item.retrieve", item_id="item_nobody"),
        "item_retrieve_invalid_item_id",
        f"Error retriev{NO_ITEM}",
    ),
    "no item": (_event("conversation.item.create"), "missing_required_parameter", ""),
    "no session": (_event("session.update"), "missing_required_parameter", ""),
    "no type": ('{"event_id":"evt_mine"}', "missing_required_parameter", ""),
    "unknown type": (_event("no.such.event"), "invalid_value", ""),
    "unknown item": (_item(type="no_such_item"), "invalid_value", ""),
    "bad base64": (_event("input_audio_buffer.append", audio="@@@@"), "invalid_value", ""),
    "broken base64": (_event("input_audio_buffer.append", audio="AAA"), "invalid_value", ""),
    "wrong modality": (_event("session.update", session={"output_modalities": ["smell"]}), "invalid_value", ""),
    "wrong vad": (
        _event("session.update", session={"audio": {"input": {"turn_detection": {"type": "ears"}}}}),
        "invalid_value",
        "",
    ),
    "wrong tokens": (_event("response.create", response={"max_output_tokens": 0}), "invalid_value", ""),
}


async def _lives(caller: Caller) -> None:
    done = caller.count("response.done")
    await caller.say()
    assert (await caller.wait("response.done", done + 1))["response"]["status"] == "completed"


async def test_must_18_errors_have_the_codes_of_openai_and_name_the_event(house: House) -> None:
    async with calling(house.ws) as caller:
        for number, (name, (sent, code, message)) in enumerate(FAULTS.items(), start=1):
            await caller.socket.send(sent)
            error = (await caller.wait("error", number))["error"]
            assert error.keys() == {"type", "code", "message", "param", "event_id"}, name
            assert (error["type"], error["event_id"]) == ("invalid_request_error", "evt_mine"), name
            assert error["code"] == code, f"{name}: {error}"
            assert error["message"], name
            assert error["message"] == (message or error["message"])
        await _lives(caller)


async def test_must_18_errors_of_the_conversation_name_the_event_too(house: House) -> None:
    async with calling(house.ws) as caller:
        await caller.write("One.", item={"id": "item_one"})
        await caller.write("Again.", item={"id": "item_one"}, event_id="evt_again")
        error = (await caller.wait("error"))["error"]
        assert (error["code"], error["event_id"]) == ("item_create_duplicate_item_id", "evt_again")
        created = await ask(caller, "Say a verse.")
        await caller.send("response.create", event_id="evt_second")
        error = (await caller.wait("error", 2))["error"]
        assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", "evt_second")
        assert error["message"] == (
            f"Conversation already has an active response in progress: {created['response']['id']}. "
            "Wait until the response is finished before creating a new one."
        )
        await caller.wait("response.done")
        await _lives(caller)


WRONG_TYPES = [
    '{"type":"input_audio_buffer.append","audio":17}',
    '{"type":7}',
    '{"type":"session.update","session":"all"}',
    '{"type":"session.update","session":{"audio":{"input":7}}}',
    '{"type":"session.update","session":{"instructions":{}}}',
    '{"type":"session.update","session":{"tools":{}}}',
    '{"type":"response.create","response":[]}',
    '{"type":"conversation.item.create","item":[]}',
    '{"type":"conversation.item.truncate","item_id":"a","content_index":0,"audio_end_ms":"7"}',
    '{"type":"conversation.item.delete","item_id":{}}',
    '{"type":"conversation.item.delete","item_id":"a","event_id":7}',
]


async def test_must_18_nothing_that_is_sent_kills_the_session(house: House) -> None:
    malformed: list[str | bytes] = ["", "hello", "{", '{"type":"response.cancel"', "[1,2]", "null", "7"]
    binary: list[str | bytes] = [b"", b"\x00\x01", base64.b64encode(voice(0.1))]
    async with calling(house.ws) as caller:
        for number, data in enumerate([*malformed, *WRONG_TYPES, *binary], start=1):
            await caller.socket.send(data)
            error = (await caller.wait("error", number))["error"]
            assert error["type"] == "invalid_request_error", data
            assert isinstance(error["code"], str), data
        codes = caller.errors()
        assert codes[:4] == ["invalid_json"] * 4
        await caller.settled()
        await _lives(caller)
        assert words(caller.of("response.done")[-1])

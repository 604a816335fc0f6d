"""The official Python SDK in conversation with a server: run by the SDK's own environment, not by the tests'.

    python client_openai.py http://127.0.0.1:8710 speech.pcm

``speech.pcm`` is s16le mono at 24 kHz, one spoken turn. The server's chat model is the scripted one with tools. Every
frame is held against the SDK's own types. Prints one line for each part of the conversation; the exit status is 0
when all of it went well.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter, ValidationError

PATIENCE_S = 15.0
APPEND_BYTES = 4_800
SILENCE = bytes(48_000)
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}

_types: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


def typed(raw: bytes) -> Any:
    """The event as the SDK's types have it. Raises SystemExit, in words, for one that does not fit them."""
    kind = json.loads(raw)["type"]
    try:
        event = _types.validate_json(raw)
    except ValidationError as error:
        name = "".join(part.capitalize() for part in kind.replace(".", "_").split("_"))
        problems = [p for p in error.errors() if str(p["loc"][0]).startswith(name)] or error.errors()[:3]
        sys.exit(f"{kind} does not fit the SDK's types: {problems}\n{raw.decode()[:2_000]}")
    if event.type != kind:
        sys.exit(f"{kind} was taken for {event.type}")
    return event


class Talk:
    """A connection and what has come over it."""

    def __init__(self, connection: AsyncRealtimeConnection) -> None:
        self.connection = connection
        self.events: list[Any] = []

    async def read(self) -> Any:
        raw = await asyncio.wait_for(self.connection.recv_bytes(), PATIENCE_S)
        self.events.append(typed(raw))
        return self.connection.parse_event(raw)

    async def until(self, kind: str) -> Any:
        """Read on to the next event of ``kind``, as an object of the SDK's. An ``error`` ends the conversation."""
        while True:
            event = await self.read()
            if event.type == kind:
                return event
            if event.type == "error":
                sys.exit(f"error while waiting for {kind}: {event.error}")

    async def write(self, text: str) -> None:
        item: Any = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        await self.connection.conversation.item.create(item=item)
        await self.until("conversation.item.done")

    async def say(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), APPEND_BYTES):
            audio = base64.b64encode(pcm[start : start + APPEND_BYTES]).decode()
            await self.connection.input_audio_buffer.append(audio=audio)


async def configure(talk: Talk) -> None:
    created = await talk.until("session.created")
    assert created.session.id, "the official examples need session.id"
    await talk.connection.session.update(
        session={
            "type": "realtime",
            "instructions": "Be brief.",
            "audio": {
                "input": {
                    "transcription": {"model": "gpt-4o-mini-transcribe"},
                    "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
                },
                "output": {"voice": "marin"},
            },
            "tracing": "auto",
        }
    )
    updated = await talk.until("session.updated")
    assert updated.session.instructions == "Be brief."
    assert updated.session.audio.input.turn_detection.interrupt_response is True
    print("configured")


async def spoken_turn(talk: Talk, speech: bytes) -> str:
    """One turn by voice -> the id of the answer's item."""
    await talk.say(speech + SILENCE)
    started = await talk.until("input_audio_buffer.speech_started")
    committed = await talk.until("input_audio_buffer.committed")
    assert committed.item_id == started.item_id
    done = await talk.until("response.done")
    assert done.response.status == "completed", done.response
    sound = b"".join(base64.b64decode(e.delta) for e in talk.events if e.type == "response.output_audio.delta")
    assert len(sound) > 24_000, "half a second of sound at least"
    spoken = "".join(e.delta for e in talk.events if e.type == "response.output_audio_transcript.delta")
    (answer,) = done.response.output
    assert answer.content[0].transcript == spoken
    while not any(e.type == "conversation.item.input_audio_transcription.completed" for e in talk.events):
        await talk.read()
    print(f"spoken turn: {spoken}")
    return str(answer.id)


async def late_interruption(talk: Talk, speech: bytes, item_id: str) -> None:
    """Speak while the answer still sounds, all of it here already; report how much was played, as a client must."""
    await talk.say(speech)
    await talk.until("input_audio_buffer.speech_started")
    await talk.connection.conversation.item.truncate(item_id=item_id, content_index=0, audio_end_ms=400)
    truncated = await talk.until("conversation.item.truncated")
    assert (truncated.item_id, truncated.audio_end_ms) == (item_id, 400)
    await talk.say(SILENCE)
    await talk.until("response.done")
    await talk.connection.conversation.item.retrieve(item_id=item_id)
    retrieved = await talk.until("conversation.item.retrieved")
    print(f"late interruption: kept {retrieved.item.content[0].transcript!r}")


async def interruption(talk: Talk, speech: bytes) -> None:
    """Speak while the answer is being made: it ends there, with the reason."""
    await talk.write("Tell me a story.")
    await talk.connection.response.create()
    created = await talk.until("response.created")
    delta = await talk.until("response.output_audio.delta")
    await talk.say(speech)
    await talk.until("input_audio_buffer.speech_started")
    done = await talk.until("response.done")
    assert (done.response.id, done.response.status) == (created.response.id, "cancelled")
    assert done.response.status_details.reason == "turn_detected"
    await talk.connection.conversation.item.truncate(item_id=delta.item_id, content_index=0, audio_end_ms=500)
    await talk.until("conversation.item.truncated")
    await talk.say(SILENCE)
    done = await talk.until("response.done")
    assert done.response.status == "completed", done.response
    late = [e for e in talk.events if getattr(e, "response_id", "") == created.response.id and e.type.endswith("delta")]
    assert talk.events.index(late[-1]) < talk.events.index(
        next(e for e in talk.events if _ends(e, created.response.id))
    )
    print("interruption: the story ended")


def _ends(event: Any, response_id: str) -> bool:
    return event.type == "response.done" and event.response.id == response_id


async def tool_call(talk: Talk, speech: bytes) -> None:
    """The model calls a function, once by the words and once because it must, after a spoken turn."""
    await talk.connection.session.update(session={"type": "realtime", "tools": [WEATHER], "tool_choice": "auto"})
    updated = await talk.until("session.updated")
    assert updated.session.tools[0].name == "get_weather"
    await talk.write("What is the weather in Oslo?")
    await talk.connection.response.create()
    await function_result(talk, "Oslo")
    await talk.connection.session.update(session={"type": "realtime", "tool_choice": "required"})
    await talk.until("session.updated")
    await talk.say(speech + SILENCE)
    await function_result(talk, None)
    await talk.connection.session.update(session={"type": "realtime", "tools": [], "tool_choice": "auto"})
    updated = await talk.until("session.updated")
    assert updated.session.tools == []


async def function_result(talk: Talk, city: str | None) -> None:
    """Read the call that is coming, give its result, hear it told."""
    before = len(talk.events)
    call = await talk.until("response.function_call_arguments.done")
    pieces = [e.delta for e in talk.events[before:] if e.type == "response.function_call_arguments.delta"]
    assert call.name == "get_weather"
    assert "".join(pieces) == call.arguments
    assert city is None or json.loads(call.arguments) == {"city": city}
    done = await talk.until("response.done")
    (item,) = done.response.output
    assert (item.type, item.call_id, item.arguments) == ("function_call", call.call_id, call.arguments)
    output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": '{"degrees": 9}'}
    await talk.connection.conversation.item.create(item=output)
    await talk.connection.response.create(response={"tool_choice": "none"})
    told = await talk.until("response.output_audio_transcript.done")
    assert '{"degrees": 9}' in told.transcript, told.transcript
    await talk.until("response.done")
    print(f"tool call: {call.arguments}")


async def written_turn(talk: Talk) -> None:
    await talk.write("Say hello.")
    await talk.connection.response.create(response={"output_modalities": ["text"], "metadata": {"part": "three"}})
    done = await talk.until("response.done")
    text = "".join(e.delta for e in talk.events if e.type == "response.output_text.delta")
    assert done.response.output[0].content[0].text == text
    assert done.response.metadata == {"part": "three"}
    print(f"written turn: {text}")


async def refusal(talk: Talk) -> None:
    """Nothing is being said, so there is nothing to cancel: an error in the types' shape, and life goes on."""
    await talk.connection.response.cancel(event_id="evt_refused")
    while (event := await talk.read()).type != "error":
        pass
    assert (event.error.code, event.error.event_id) == ("response_cancel_not_active", "evt_refused")
    print("refusal: understood")


async def turn_by_hand(talk: Talk, speech: bytes) -> None:
    await talk.connection.session.update(
        session={"type": "realtime", "audio": {"input": {"turn_detection": None}}},
    )
    await talk.until("session.updated")
    await talk.say(speech)
    await talk.connection.input_audio_buffer.commit()
    await talk.until("input_audio_buffer.committed")
    await talk.connection.response.create()
    done = await talk.until("response.done")
    assert done.response.status == "completed"
    print("turn by hand: answered")


async def converse(url: str, speech: bytes) -> None:
    client = AsyncOpenAI(base_url=f"{url}/v1", api_key="x")
    async with client.realtime.connect(model="gpt-realtime") as connection:
        talk = Talk(connection)
        await configure(talk)
        item_id = await spoken_turn(talk, speech)
        await late_interruption(talk, speech, item_id)
        await interruption(talk, speech)
        await written_turn(talk)
        await refusal(talk)
        await tool_call(talk, speech)
        await turn_by_hand(talk, speech)
    ids = [event.event_id for event in talk.events]
    assert len(set(ids)) == len(ids), "event ids are unique"
    print(f"{len(ids)} events, all of the SDK's types")


if __name__ == "__main__":
    asyncio.run(converse(sys.argv[1], Path(sys.argv[2]).read_bytes()))

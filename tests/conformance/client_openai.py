"""The official Python SDK in conversation with a server: run by the SDK's own environment, not by the tests'.

    python client_openai.py http://127.0.0.1:8710 speech.pcm

``speech.pcm`` is s16le mono at 24 kHz, one spoken turn. Every frame is held against the SDK's own types. Prints one
line for each part of the conversation; the exit status is 0 when all of it went well.
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


async def interruption(talk: Talk, speech: bytes, item_id: str) -> None:
    """Speak while the answer still sounds; report how much was played, as a client must."""
    await talk.say(speech)
    await talk.until("input_audio_buffer.speech_started")
    await talk.connection.conversation.item.truncate(item_id=item_id, content_index=0, audio_end_ms=400)
    truncated = await talk.until("conversation.item.truncated")
    assert (truncated.item_id, truncated.audio_end_ms) == (item_id, 400)
    await talk.say(SILENCE)
    await talk.until("response.done")
    await talk.connection.conversation.item.retrieve(item_id=item_id)
    retrieved = await talk.until("conversation.item.retrieved")
    print(f"interruption: kept {retrieved.item.content[0].transcript!r}")


async def written_turn(talk: Talk) -> None:
    content = [{"type": "input_text", "text": "Say hello."}]
    item: Any = {"type": "message", "role": "user", "content": content}
    await talk.connection.conversation.item.create(item=item)
    await talk.until("conversation.item.done")
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
        await interruption(talk, speech, item_id)
        await written_turn(talk)
        await refusal(talk)
        await turn_by_hand(talk, speech)
    ids = [event.event_id for event in talk.events]
    assert len(set(ids)) == len(ids), "event ids are unique"
    print(f"{len(ids)} events, all of the SDK's types")


if __name__ == "__main__":
    asyncio.run(converse(sys.argv[1], Path(sys.argv[2]).read_bytes()))

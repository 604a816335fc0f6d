"""Talks with a server over a bare WebSocket, every frame kept: material for the SDKs' own types and schemas.

Each talk is one connection. Together they bring forth every kind of event that a WebSocket carries.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from websockets.asyncio.client import ClientConnection, connect

PATIENCE_S = 15.0
APPEND_BYTES = 4_800
SILENCE = bytes(72_000)
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
TIME = {"type": "function", "name": "get_time", "parameters": {"type": "object", "properties": {}}}

Frame = dict[str, Any]


class Line:
    """One connection; ``frames`` gets the text of all that comes. ``speech``: a spoken turn, s16le at 24 kHz."""

    def __init__(self, socket: ClientConnection, frames: list[str], speech: bytes, mcp_url: str) -> None:
        self._socket = socket
        self._frames = frames
        self.speech = speech
        self.mcp_url = mcp_url

    async def send(self, kind: str, **fields: Any) -> None:
        await self._socket.send(json.dumps({"type": kind, **fields}))

    async def update(self, **session: Any) -> Frame:
        await self.send("session.update", session={"type": "realtime", **session})
        return await self.until("session.updated")

    async def write(self, text: str, **response: Any) -> None:
        """A written turn and the wish for an answer to it."""
        await self.send("conversation.item.create", item=message(text))
        await self.send("response.create", response=response)

    async def say(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), APPEND_BYTES):
            audio = base64.b64encode(pcm[start : start + APPEND_BYTES]).decode()
            await self.send("input_audio_buffer.append", audio=audio)

    async def until(self, kind: str, **fields: Any) -> Frame:
        """Read on to a frame of ``kind`` with these fields."""
        before: list[str] = []
        with anyio.move_on_after(PATIENCE_S):
            while True:
                text = str(await self._socket.recv())
                self._frames.append(text)
                frame: Frame = json.loads(text)
                if frame["type"] == kind and all(frame[name] == value for name, value in fields.items()):
                    return frame
                before.append(frame["type"] if frame["type"] != "error" else text)
        raise TimeoutError(f"no {kind} {fields} within {PATIENCE_S} s, only {before[-12:]}")

    async def answer(self) -> Frame:
        return (await self.until("response.done"))["response"]


def message(text: str, item_id: str | None = None) -> dict[str, Any]:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    return item if item_id is None else {**item, "id": item_id}


def transcribed(**more: Any) -> dict[str, Any]:
    return {"audio": {"input": {"transcription": {"model": "gpt-4o-mini-transcribe"}, **more}}}


async def voice(line: Line) -> None:
    """A spoken turn, an interruption that came late, one that came early, and an answer stopped by the client."""
    await line.update(**transcribed())
    await line.say(line.speech + SILENCE)
    item_id = (await line.answer())["output"][0]["id"]
    await line.say(line.speech)
    await line.until("input_audio_buffer.speech_started")
    await line.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=400)
    await line.until("conversation.item.truncated")
    await line.send("conversation.item.retrieve", item_id=item_id)
    retrieved = await line.until("conversation.item.retrieved")
    assert retrieved["item"]["id"] == item_id
    await line.say(SILENCE)
    await line.answer()
    await line.write("Tell me a story.")
    await line.until("response.output_audio.delta")
    await line.say(line.speech)
    assert (await line.answer())["status"] == "cancelled"
    await line.say(SILENCE)
    await line.answer()
    await line.write("Tell me a story.")
    await line.until("response.output_audio.delta")
    await line.send("response.cancel")
    assert (await line.answer())["status_details"]["reason"] == "client_cancelled"


async def by_hand(line: Line) -> None:
    """No voice activity: the client says where a turn ends; items put in, taken out, and looked at."""
    await line.update(**transcribed(turn_detection=None))
    await line.say(line.speech)
    await line.send("input_audio_buffer.clear")
    await line.until("input_audio_buffer.cleared")
    await line.say(line.speech)
    await line.send("input_audio_buffer.commit")
    turn = (await line.until("input_audio_buffer.committed"))["item_id"]
    await line.until("conversation.item.input_audio_transcription.completed", item_id=turn)
    await line.send("conversation.item.retrieve", item_id=turn)
    await line.until("conversation.item.retrieved")
    await line.send("conversation.item.create", item=message("First.", "item_first"), previous_item_id="root")
    await line.until("conversation.item.done")
    system = {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be kind."}]}
    spoken = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I said so."}]}
    for item in (system, spoken):
        await line.send("conversation.item.create", item=item)
        await line.until("conversation.item.done")
    await line.send("conversation.item.delete", item_id="item_first")
    await line.until("conversation.item.deleted")
    await line.send("response.create")
    await line.answer()


async def text(line: Line) -> None:
    """Written answers: whole, too long, and beside the conversation."""
    await line.update(output_modalities=["text"])
    await line.write("Good morning.", metadata={"part": "one"})
    assert (await line.answer())["metadata"] == {"part": "one"}
    await line.write("Good morning.", max_output_tokens=3)
    assert (await line.answer())["status"] == "incomplete"
    aside = {"conversation": "none", "input": [message("Aside.")], "metadata": {"topic": "aside"}}
    await line.send("response.create", response=aside)
    assert (await line.answer())["metadata"] == {"topic": "aside"}
    await line.send("response.create", response={**aside, "output_modalities": ["audio"], "input": []})
    await line.answer()


async def functions(line: Line) -> None:
    """Two functions called at once, their results told."""
    await line.update(tools=[WEATHER, TIME])
    await line.write("What are the time and the weather in Oslo?")
    calls = (await line.answer())["output"]
    assert [call["name"] for call in calls] == ["get_weather", "get_time"]
    for call in calls:
        item = {"type": "function_call_output", "call_id": call["call_id"], "output": "nine"}
        await line.send("conversation.item.create", item=item)
        await line.until("conversation.item.done")
    await line.send("conversation.item.retrieve", item_id=calls[0]["id"])
    await line.until("conversation.item.retrieved")
    await line.send("response.create", response={"tool_choice": "none"})
    assert "nine and nine" in (await line.answer())["output"][0]["content"][0]["transcript"]


async def mcp(line: Line) -> None:
    """A server's tools: listed, called with leave and without, and a server that is away."""
    server = {"type": "mcp", "server_label": "house", "server_url": line.mcp_url, "require_approval": "never"}
    await line.update(tools=[server])
    await line.until("mcp_list_tools.completed")
    await line.write("What is the weather in Oslo?")
    await line.until("response.mcp_call.completed")
    await line.until("response.output_audio_transcript.done")
    await line.until("response.done")
    await line.update(tools=[{**server, "server_label": "careful", "require_approval": "always"}])
    await line.until("mcp_list_tools.completed")
    await line.write("What is the weather in Rome?")
    while (item := (await line.until("conversation.item.done"))["item"])["type"] != "mcp_approval_request":
        pass
    await line.until("response.done")
    leave = {"type": "mcp_approval_response", "approval_request_id": item["id"], "approve": True}
    await line.send("conversation.item.create", item=leave)
    await line.until("response.mcp_call.completed")
    await line.update(tools=[{**server, "server_label": "away", "server_url": "http://127.0.0.1:9/mcp"}])
    await line.until("mcp_list_tools.failed")


async def errors(line: Line) -> None:
    """What a server refuses, each in its own way."""
    refused: list[tuple[str, dict[str, Any]]] = [
        ("response.cancel", {}),
        ("input_audio_buffer.commit", {}),
        ("conversation.item.delete", {"item_id": "item_nobody"}),
        ("conversation.item.retrieve", {"item_id": "item_nobody"}),
        ("conversation.item.truncate", {"item_id": "item_nobody", "content_index": 0, "audio_end_ms": 0}),
        ("conversation.item.create", {}),
        ("conversation.item.create", {"item": message("Late."), "previous_item_id": "item_nobody"}),
        ("session.update", {"session": {"type": "realtime", "output_modalities": ["smell"]}}),
        ("input_audio_buffer.append", {"audio": "%%%"}),
        ("no.such.event", {}),
    ]
    for number, (kind, fields) in enumerate(refused):
        await line.send(kind, event_id=f"evt_{number}", **fields)
        error = (await line.until("error"))["error"]
        assert error["event_id"] == f"evt_{number}", error
    await line.write("Tell me a story.")
    await line.until("response.created")
    await line.send("response.create")
    assert (await line.until("error"))["error"]["code"] == "conversation_already_has_active_response"
    await line.send("response.cancel")
    await line.answer()


async def silence(line: Line) -> None:
    """Nobody speaks: the server asks."""
    await line.update(**transcribed(turn_detection={"type": "server_vad", "idle_timeout_ms": 5_000}))
    await line.write("Good morning.")
    await line.answer()
    await line.say(bytes(48_000 * 8))
    await line.until("input_audio_buffer.timeout_triggered")
    await line.answer()


async def transcription(line: Line) -> None:
    """Only words, no answers."""
    await line.send("session.update", session={"type": "transcription", **transcribed()})
    await line.until("session.updated")
    await line.say(line.speech + SILENCE)
    await line.until("conversation.item.input_audio_transcription.completed")


Talk = Callable[[Line], Awaitable[None]]
TALKS: dict[str, Talk] = {
    talk.__name__: talk for talk in (voice, by_hand, text, functions, mcp, errors, silence, transcription)
}


async def record(talk: Talk, url: str, frames: list[str], speech: bytes, mcp_url: str = "") -> None:
    """Hold one talk; ``frames`` gets every frame as it was sent. Raises TimeoutError for one that does not come."""
    query = "intent=transcription" if talk is transcription else "model=gpt-realtime"
    address = f"{url.replace('http', 'ws', 1)}/v1/realtime?{query}"
    async with connect(address, max_size=None) as socket:
        line = Line(socket, frames, speech, mcp_url)
        await line.until("session.created")
        await talk(line)

"""A server for the checklist: what its engines do depends on what is said to it, so that one serves many tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import numpy as np
from msgspec import structs

from duologue.engines.base import (
    ChatDelta,
    ChatMessage,
    ChatRequest,
    SpeakRequest,
    SpeechChunk,
    TranscribeRequest,
    WordTime,
)
from duologue.engines.scripted import TRANSCRIPT, TWELVE_WORDS, ScriptedChat, ScriptedSynthesizer, ScriptedTranscriber
from duologue.engines.scripted import tone as sound_of
from duologue.engines.scripted_chat import ScriptedToolChat
from duologue.errors import EngineLost
from tests.server.caller import Caller
from tests.server.serving import Serving, engines, serving
from tests.wire_checker import Frame

WORD_S = 0.15
# Two phrases, 3.2 s of sound: longer than the server sends ahead.
VERSE = "There once was an answer of two even lines. It took a few seconds and then it was over and done."
RECITED = {"verse": VERSE, "halting": "A halting answer it is.", "Odd": "This is odd."}
# What each pitch of voice says.
STORY_HZ, VERSE_HZ, WEATHER_HZ, MUMBLE_HZ = 330.0, 440.0, 550.0, 660.0
SAID = {220.0: TRANSCRIPT, STORY_HZ: "Tell me a story.", VERSE_HZ: "Say a verse.", WEATHER_HZ: "The weather in Oslo?"}

__all__ = ["TRANSCRIPT", "TWELVE_WORDS", "sound_of"]


async def _slowly(deltas: AsyncIterator[ChatDelta]) -> AsyncIterator[ChatDelta]:
    async for delta in deltas:
        yield delta
        await anyio.sleep(0.02)


async def _politely(deltas: AsyncIterator[ChatDelta]) -> AsyncIterator[ChatDelta]:
    yield ChatDelta("One moment, I will look that up.")
    async for delta in deltas:
        yield delta


async def _with_long_ids(deltas: AsyncIterator[ChatDelta]) -> AsyncIterator[ChatDelta]:
    """Some chat servers name calls in 46 letters."""
    async for delta in deltas:
        call = delta.tool_call
        named = call and structs.replace(call, id=call.id and f"chatcmpl-tool-{call.id:x<32}")
        yield structs.replace(delta, tool_call=named)


MANNERS = {"Slowly": _slowly, "Politely": _politely, "Longish": _with_long_ids}


class Model(ScriptedToolChat):
    """Remembers what it is asked; fails at the word "break", gives ``RECITED`` at others. ``running``: answers that are
    being written."""

    def __init__(self) -> None:
        super().__init__(word_s=0.03)
        self.asked: list[ChatRequest] = []
        self.running = 0

    @asynccontextmanager
    async def stream(self, request: ChatRequest) -> AsyncIterator[AsyncIterator[ChatDelta]]:
        self.asked.append(request)
        last = request.messages[-1].content if request.messages else ""
        if "break" in last:
            raise EngineLost("The engine has gone away. Try again.")
        self.running += 1
        try:
            recited = next((text for word, text in RECITED.items() if word in last), None)
            async with super().stream(request) if recited is None else ScriptedChat(recited).stream(request) as deltas:
                yield next((manner(deltas) for word, manner in MANNERS.items() if word in last), deltas)
        finally:
            self.running -= 1

    def prompt(self) -> list[ChatMessage]:
        """The latest, without the instructions."""
        return [message for message in self.asked[-1].messages if message.role != "system"]

    def remembers(self) -> list[str]:
        """What the model is told that it said last, in words, without the mark of an interruption."""
        said = [message.content for message in self.prompt() if message.role == "assistant"]
        return said[-1].removesuffix(" ...").split() if said else []


class Voice(ScriptedSynthesizer):
    """``WORD_S`` a word; a "halting" phrase stops after its first second until it ``may_go_on``, an "odd" one is 505 ms
    long."""

    def __init__(self) -> None:
        super().__init__()
        self._even, self._odd = ScriptedSynthesizer(word_s=WORD_S), ScriptedSynthesizer(phrase_s=0.505)
        self.may_go_on = anyio.Event()

    @asynccontextmanager
    async def stream(self, request: SpeakRequest) -> AsyncIterator[AsyncIterator[SpeechChunk]]:
        if "halting" in request.text:
            yield self._halt(request)
            return
        synthesizer = self._odd if "odd" in request.text else self._even
        async with synthesizer.stream(request) as chunks:
            yield chunks

    async def _halt(self, request: SpeakRequest) -> AsyncIterator[SpeechChunk]:
        yield SpeechChunk(sound_of(1.0), (WordTime(0, len(request.text), 0.0, 1_000.0),))
        await self.may_go_on.wait()
        yield SpeechChunk(sound_of(0.5))


def hear(request: TranscribeRequest) -> str:
    """What the voice of this pitch says."""
    spectrum = np.abs(np.fft.rfft(request.audio))
    pitch_hz = float(np.argmax(spectrum)) * 16_000 / max(1, len(request.audio))
    if abs(pitch_hz - MUMBLE_HZ) < 40:
        raise EngineLost("The engine has gone away. Try again.")
    return SAID[min(SAID, key=lambda known: abs(known - pitch_hz))]


class House:
    """``server``, and the engines in it that are looked at."""

    def __init__(self, server: Serving, model: Model, voice: Voice) -> None:
        self.server, self.model, self.voice = server, model, voice

    @property
    def ws(self) -> str:
        return self.server.ws


@asynccontextmanager
async def housing(**settings: Any) -> AsyncIterator[House]:
    model, voice = Model(), Voice()
    client = engines(asr=ScriptedTranscriber(hear=hear), chat=model, tts=voice)
    async with serving(client, speculates=True, **settings) as server:
        yield House(server, model, voice)


# --- what the tests read ----------------------------------------------------------------------------------------------

SPOKEN = ("response.output_audio_transcript.delta", "response.output_audio.delta")
HEARD_TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
]
OPENING = ["response.output_item.added", "conversation.item.added", "response.content_part.added"]
CLOSING = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]
ANSWER = ["response.created", *OPENING, "deltas", *CLOSING]


def order(frames: Sequence[Frame]) -> list[str]:
    """The types, all deltas in a row as "deltas", without what may come anywhere."""
    kinds: list[str] = []
    for frame in frames:
        kind = "deltas" if frame["type"].endswith(".delta") else frame["type"]
        is_anywhere = "input_audio_transcription" in frame["type"] or kind == "rate_limits.updated"
        if not is_anywhere and (kind != "deltas" or kinds[-1:] != ["deltas"]):
            kinds.append(kind)
    return kinds


def of_response(caller: Caller, response_id: str) -> list[Frame]:
    """All frames of one response."""
    return [f for f in caller.frames if response_id in (f.get("response_id"), f.get("response", {}).get("id"))]


def words(done: Frame) -> str:
    """The words of an answer's last item."""
    part = done["response"]["output"][-1]["content"][0]
    return str(part.get("text", part.get("transcript")))


async def ask(caller: Caller, text: str, **response: Any) -> Frame:
    """A written question and the wish for its answer: the answer's ``response.created``."""
    count = caller.count("response.created")
    await caller.write(text)
    await caller.send("response.create", response=response)
    return await caller.wait("response.created", count + 1)


async def answer(caller: Caller, text: str, **response: Any) -> Frame:
    """A written question: its ``response.done``."""
    count = caller.count("response.done")
    await ask(caller, text, **response)
    return await caller.wait("response.done", count + 1)

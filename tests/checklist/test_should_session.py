"""The checklist's SHOULD items of a session: one test each, named after it."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import numpy as np
import pytest

from duologue.audio.g711 import Law, decode_g711, encode_g711
from duologue.engines.base import ChatDelta, ChatRequest, SpeakRequest, SpeechChunk, TranscribeRequest
from duologue.engines.scripted import TWELVE_WORDS, ScriptedChat, ScriptedSynthesizer, ScriptedTranscriber
from duologue.options import ChatOptions
from tests.checklist.refusals import lives, refused
from tests.server.caller import Caller, calling, silence, voice
from tests.server.serving import Serving, engines, serving, until
from tests.wire_checker import Frame

pytestmark = pytest.mark.anyio

WORD_S = 0.05
SENTENCES = "One two three four. Five six seven. Eight nine ten eleven twelve thirteen. Fourteen fifteen, sixteen."
RULE = {"type": "server_vad", "silence_duration_ms": 200}
TRANSCRIBED = {"transcription": {"model": "whisper-1"}}


class Model(ScriptedChat):
    """Remembers what it is asked."""

    def __init__(self) -> None:
        super().__init__(answer=lambda request: SENTENCES if "verse" in _last(request) else TWELVE_WORDS)
        self.asked: list[ChatRequest] = []

    @asynccontextmanager
    async def stream(self, request: ChatRequest) -> AsyncIterator[AsyncIterator[ChatDelta]]:
        self.asked.append(request)
        async with super().stream(request) as deltas:
            yield deltas

    @property
    def instructions(self) -> str:
        return self.asked[-1].messages[0].content

    @property
    def told(self) -> list[tuple[str, str]]:
        """Role and words of the last prompt, without the instructions."""
        return [(m.role, m.content) for m in self.asked[-1].messages if m.role != "system"]


def _last(request: ChatRequest) -> str:
    return request.messages[-1].content if request.messages else ""


class Reader(ScriptedSynthesizer):
    """Remembers what it is to read."""

    voices = ("tone", "other")

    def __init__(self) -> None:
        super().__init__(word_s=WORD_S)
        self.asked: list[SpeakRequest] = []

    @asynccontextmanager
    async def stream(self, request: SpeakRequest) -> AsyncIterator[AsyncIterator[SpeechChunk]]:
        self.asked.append(request)
        async with super().stream(request) as chunks:
            yield chunks


def _pitch(request: TranscribeRequest) -> str:
    spectrum = np.abs(np.fft.rfft(request.audio)) if len(request.audio) else np.zeros(1)
    return f"{np.argmax(spectrum) * 16_000 / max(1, len(request.audio)):.0f} hertz"


@dataclass
class House:
    """A server whose chat model takes images, and the engines in it that are looked at."""

    ws: str = ""
    model: Model = field(default_factory=Model)
    reader: Reader = field(default_factory=Reader)


@pytest.fixture(scope="module")
async def house(anyio_backend: str) -> AsyncIterator[House]:
    house = House()
    client = engines(asr=ScriptedTranscriber(hear=_pitch), chat=house.model, tts=house.reader)
    async with serving(client, chat_model=ChatOptions(vision=True)) as shared:
        house.ws = shared.ws
        yield house


async def _answer(caller: Caller, **response: Any) -> Frame:
    count = caller.count("response.done")
    await caller.send("response.create", response=response)
    done: Frame = (await caller.wait("response.done", count + 1))["response"]
    return done


async def test_should_idle_timeout_take_the_floor_after_the_answer_was_heard(house: House) -> None:
    async with calling(house.ws) as caller:
        await caller.detect({**RULE, "idle_timeout_ms": 1_000})
        await caller.say()
        await caller.wait("response.output_audio.delta")
        began_s = anyio.current_time()
        await caller.wait("response.done")
        timeout = await caller.wait("input_audio_buffer.timeout_triggered")
        # Twelve words are heard for 0.6 s, then it is silent for 1 s.
        assert anyio.current_time() - began_s >= 1.5
        assert (await caller.wait("response.done", 2))["response"]["status"] == "completed"
        after = caller.frames[caller.frames.index(timeout) :]
        assert [frame["type"] for frame in after][:5] == [
            "input_audio_buffer.timeout_triggered",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
        ]
        assert timeout["item_id"] == after[1]["item_id"] == after[2]["item"]["id"]
        assert after[1]["previous_item_id"] == caller.of("response.done")[0]["response"]["output"][0]["id"]
        assert timeout["audio_start_ms"] <= timeout["audio_end_ms"]
        caller.checker.rest()


@pytest.mark.parametrize(("kind", "law"), [("audio/pcmu", "mulaw"), ("audio/pcma", "alaw")])
async def test_should_g711_in_and_out(house: House, kind: str, law: Law) -> None:
    """A tone of 220 Hz is heard as such, and the one that answers is of 440 Hz, 50 ms a word: one byte a sample."""
    async with calling(house.ws) as caller:
        shown = await caller.update(
            audio={"input": {"format": {"type": kind}, **TRANSCRIBED}, "output": {"format": {"type": kind}}}
        )
        assert shown["audio"]["input"]["format"] == shown["audio"]["output"]["format"] == {"type": kind}
        said = np.frombuffer(voice(0.6) + silence(0.6), "<i2")[::3]
        sound = encode_g711(said, law)
        for start in range(0, len(sound), 801):
            audio = base64.b64encode(sound[start : start + 801]).decode()
            await caller.send("input_audio_buffer.append", audio=audio)
        heard = await caller.wait("conversation.item.input_audio_transcription.completed")
        assert float(heard["transcript"].split()[0]) == pytest.approx(220, abs=5)
        assert heard["usage"]["seconds"] == pytest.approx(0.7, abs=0.3)
        response = (await caller.wait("response.done"))["response"]
        assert response["audio"]["output"]["format"] == {"type": kind}
        answer = decode_g711(_sound(caller), law)
        assert len(answer) / 8_000 == pytest.approx(12 * WORD_S, abs=0.01)
        spectrum = np.abs(np.fft.rfft(answer))
        assert np.argmax(spectrum) * 8_000 / len(answer) == pytest.approx(440, abs=5)


def _sound(caller: Caller) -> bytes:
    return b"".join(base64.b64decode(frame["delta"]) for frame in caller.of("response.output_audio.delta"))


async def test_should_speed_of_the_voice(house: House) -> None:
    """It can change between turns; what is beyond OpenAI's limits is refused."""
    async with calling(house.ws) as caller:
        await caller.write("hello")
        for speed in (1.5, 0.25, 1.0):
            shown = await caller.update(audio={"output": {"speed": speed}})
            assert shown["audio"]["output"]["speed"] == speed
            await _answer(caller)
            assert house.reader.asked[-1].speed == speed
        update = {"type": "realtime", "audio": {"output": {"speed": 1.6}}}
        error = await refused(caller, json.dumps({"type": "session.update", "session": update}))
        assert error["param"] == "session.audio.output.speed"


async def test_should_max_output_tokens_incomplete(house: House) -> None:
    async with calling(house.ws) as caller:
        assert (await caller.update(max_output_tokens=3))["max_output_tokens"] == 3
        await caller.say()
        response = (await caller.wait("response.done"))["response"]
        assert response["status"] == "incomplete"
        assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
        assert response["max_output_tokens"] == 3
        assert response["output"][0]["status"] == "incomplete"
        assert response["output"][0]["content"][0]["transcript"].split() == TWELVE_WORDS.split()[:3]
        assert (await _answer(caller, max_output_tokens="inf"))["status"] == "completed"
        await caller.update(max_output_tokens="inf")
        assert (await _answer(caller, output_modalities=["text"]))["status"] == "completed"


async def test_should_item_reference_in_the_input_of_a_response(house: House) -> None:
    """Written and spoken items of the conversation beside new ones, in the order given; the rest is not told."""
    async with calling(house.ws, allows_aside=True) as caller:
        await caller.say()
        await caller.wait("response.done")
        spoken = caller.of("input_audio_buffer.committed")[0]["item_id"]
        await caller.write("the first", item={"id": "item_first"})
        await caller.write("the second", item={"id": "item_second"})
        await caller.settled()
        items = caller.count("conversation.item.added")
        new = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "and this"}]}
        wanted = [{"type": "item_reference", "id": "item_second"}, {"type": "item_reference", "id": spoken}, new]
        response = await _answer(caller, conversation="none", output_modalities=["text"], input=wanted)
        assert response["status"] == "completed"
        [(role, words)] = house.model.told
        assert role == "user"
        second, heard, last = words.split("\n")
        assert (second, last) == ("the second", "and this")
        assert float(heard.split()[0]) == pytest.approx(220, abs=5)
        assert caller.count("conversation.item.added") == items


FUNCTION = {"type": "function", "name": "one", "description": "The session's.", "parameters": {"type": "object"}}
OTHER = {"type": "function", "name": "two", "description": "The response's.", "parameters": {"type": "object"}}


async def test_should_per_response_overrides_of_instructions_tools_and_voice(house: House) -> None:
    async with calling(house.ws) as caller:
        await caller.update(instructions="Be brief.", tools=[FUNCTION], audio={"output": {"voice": "tone"}})
        await caller.write("hello")
        output = {"voice": "other", "format": {"type": "audio/pcmu"}}
        response = await _answer(
            caller, instructions="Be a pirate.", tools=[OTHER], tool_choice="auto", audio={"output": output}
        )
        assert response["audio"]["output"] == output
        assert caller.of("response.created")[0]["response"]["audio"]["output"] == output
        assert "Be a pirate." in house.model.instructions
        assert "Be brief." not in house.model.instructions
        assert [tool.name for tool in house.model.asked[-1].tools] == ["two"]
        assert house.reader.asked[-1].voice == "other"
        assert len(_sound(caller)) == pytest.approx(12 * WORD_S * 8_000, abs=80)
        response = await _answer(caller)
        assert response["audio"]["output"] == {"voice": "tone", "format": {"type": "audio/pcm", "rate": 24_000}}
        assert "Be brief." in house.model.instructions
        assert [tool.name for tool in house.model.asked[-1].tools] == ["one"]
        assert house.reader.asked[-1].voice == "tone"
        assert (await _answer(caller, tools=[]))["status"] == "completed"
        assert house.model.asked[-1].tools == ()


PICTURE = "data:image/png;base64," + base64.b64encode(bytes(300_000)).decode()
SEEN = [
    {"type": "input_text", "text": "what is this?"},
    {"type": "input_image", "image_url": PICTURE, "detail": "high"},
]


async def test_should_input_image_be_passed_to_a_model_that_sees(house: House) -> None:
    """In an item and in the input of a response; what is told of the item is small."""
    async with calling(house.ws) as caller:
        item = {"type": "message", "role": "user", "content": SEEN}
        await caller.send("conversation.item.create", item=item)
        assert (await _answer(caller, output_modalities=["text"]))["status"] == "completed"
        await _answer(caller, output_modalities=["text"], input=[item])
        for request in house.model.asked[-2:]:
            assert request.messages[-1].content == "what is this?"
            assert [(image.url, image.detail) for image in request.messages[-1].images] == [(PICTURE, "high")]
        assert max(len(json.dumps(frame)) for frame in caller.frames) < 500_000


async def test_should_input_image_be_refused_clearly_where_the_model_takes_none(server: Serving) -> None:
    async with calling(server.ws) as caller:
        item = {"type": "message", "role": "user", "content": SEEN}
        event = {"type": "conversation.item.create", "event_id": "evt_image", "item": item}
        error = await refused(caller, json.dumps(event))
        assert error["event_id"] == "evt_image"
        assert "image" in error["message"]
        aside = {"conversation": "none", "input": [item]}
        error = await refused(caller, json.dumps({**event, "type": "response.create", "response": aside}))
        assert error["event_id"] == "evt_image"
        assert "image" in error["message"]
        assert caller.count("conversation.item.added") == caller.count("response.created") == 0
        await lives(caller)


async def test_should_truncation_retention_ratio(house: House) -> None:
    """A conversation over the limit of 400 tokens is cut to half of that, and then not again until it is over it anew,
    so that a model's cache of its beginning lasts. Disabled: nothing is left out."""
    limits = {"type": "retention_ratio", "retention_ratio": 0.5, "token_limits": {"post_instructions": 400}}
    async with calling(house.ws) as caller:
        assert (await caller.update(truncation=limits, output_modalities=["text"]))["truncation"] == limits
        for number in range(20):
            await _line(caller, number)
        await _answer(caller)
        kept = house.model.told
        words = sum(len(text.split()) for _, text in kept)
        assert 50 <= words <= 200
        assert "line19" in kept[-1][1]
        assert "line0 " not in str(kept)
        await _line(caller, 20)
        await _answer(caller)
        assert house.model.told[: len(kept) - 1] == kept[:-1]
        assert "line20" in str(house.model.told)
        await caller.update(truncation="disabled")
        await _answer(caller)
        assert "line0 " in str(house.model.told)


async def _line(caller: Caller, number: int) -> None:
    """An item of twenty words, the user's and the assistant's in turn."""
    role, kind = ("user", "input_text") if number % 2 else ("assistant", "output_text")
    content = [{"type": kind, "text": f"line{number} " + "word " * 19}]
    await caller.send("conversation.item.create", item={"type": "message", "role": role, "content": content})


async def test_should_session_expired_error_and_close() -> None:
    async with serving(max_session_s=0.6) as server:
        async with calling(server.ws) as caller:
            created = caller.frames[0]["session"]
            error = (await caller.wait("error"))["error"]
            assert (error["type"], error["code"]) == ("invalid_request_error", "session_expired")
            assert "maximum duration" in error["message"]
            # One that SDKs take for worth connecting anew after.
            assert await caller.closed() == 1001
        await until(lambda: server.state.slots.taken == 0)
    async with serving(max_session_s=120) as server, calling(server.ws) as caller:
        longer = caller.frames[0]["session"]["expires_at"]
        assert 115 <= longer - created["expires_at"] <= 150


async def test_should_transcript_aligned_to_audio(house: House) -> None:
    """No word is told before the sound of those before its phrase was sent, and no sound before its words."""
    async with calling(house.ws) as caller:
        await caller.write("say the verse")
        await _answer(caller)
        words, sound_s, phrases = 0, 0.0, 0
        for frame in caller.frames:
            if frame["type"] == "response.output_audio_transcript.delta":
                assert sound_s >= words * WORD_S - 0.001, f"{frame['delta']!r} runs ahead of the sound"
                words, phrases = words + len(frame["delta"].split()), phrases + 1
            elif frame["type"] == "response.output_audio.delta":
                sound_s += len(base64.b64decode(frame["delta"])) / 48_000
                assert sound_s <= words * WORD_S + 0.001, "sound without its words"
        assert words == len(SENTENCES.split())
        assert sound_s == pytest.approx(words * WORD_S, abs=0.01)
        assert phrases >= 3


def _chat(count: int) -> list[dict[str, Any]]:
    """A conversation as LiveKit brings it back after it has connected anew."""
    items: list[dict[str, Any]] = []
    for number in range(count):
        asked = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": f"question {number}"}]}
        said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": f"yes {number}"}]}
        items += [{**asked, "id": f"item_q{number}"}, {**said, "id": f"item_a{number}"}]
    call = {"id": "item_call", "type": "function_call", "call_id": "call_1", "name": "one", "arguments": '{"a": 1}'}
    output = {"id": "item_output", "type": "function_call_output", "call_id": "call_1", "output": '"nine degrees"'}
    return [*items[:4], call, output, *items[4:]]


async def test_should_livekit_replay_a_session_on_a_new_connection(house: House) -> None:
    """After 20 minutes it connects anew, and sends the whole chat without waiting; then it asks for a reply."""
    async with calling(house.ws) as caller:
        await lives(caller)
    async with calling(house.ws) as caller:
        await caller.send(
            "session.update", session={"type": "realtime", "tools": [FUNCTION]}, event_id="session_update_1"
        )
        chat = _chat(60)
        for number, item in enumerate(chat):
            after = chat[number - 1]["id"] if number else "root"
            event_id = f"chat_ctx_create_{number}"
            await caller.send("conversation.item.create", item=item, previous_item_id=after, event_id=event_id)
        await caller.send("response.create", response={"metadata": {"client_event_id": "response_create_1"}})
        created = await caller.wait("response.created")
        assert created["response"]["metadata"] == {"client_event_id": "response_create_1"}
        await caller.wait("response.done")
        added = caller.of("conversation.item.added")[: len(chat)]
        assert [frame["item"]["id"] for frame in added] == [item["id"] for item in chat]
        assert [frame["previous_item_id"] for frame in added] == [None, *[item["id"] for item in chat[:-1]]]
        assert caller.errors() == []
        told = house.model.told
        roles = ["user", "assistant"] * 2 + ["assistant", "tool"] + ["user", "assistant"] * 58
        assert [role for role, _ in told] in (roles, [*roles[:3], *roles[4:]])
        assert told[0] == ("user", "question 0")
        assert ("tool", '"nine degrees"') in told
        await caller.say()
        assert (await caller.wait("response.done", 2))["response"]["status"] == "completed"


async def test_should_retrieve_without_huge_audio(house: House) -> None:
    """45 s of sound are 2.9 MB in base64; clients take 1 MiB a frame. The words are there, whatever is left out."""
    async with calling(house.ws) as caller:
        await caller.update(audio={"input": {"turn_detection": None, **TRANSCRIBED}})
        for seconds in (1.0, 45.0):
            count = caller.count("conversation.item.retrieved")
            await caller.append(voice(seconds), step_s=5)
            await caller.send("input_audio_buffer.commit")
            committed = await caller.wait("input_audio_buffer.committed", count + 1)
            await caller.wait("conversation.item.input_audio_transcription.completed", count + 1)
            await caller.send("conversation.item.retrieve", item_id=committed["item_id"])
            retrieved = await caller.wait("conversation.item.retrieved", count + 1)
            [part] = retrieved["item"]["content"]
            assert part["type"] == "input_audio"
            assert float(part["transcript"].split()[0]) == pytest.approx(220, abs=5)
            assert len(json.dumps(retrieved)) < 2**20
        await caller.update(audio={"input": {"transcription": None}})
        content = [{"type": "input_audio", "audio": base64.b64encode(voice(45)).decode()}]
        await caller.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        added = await caller.wait("conversation.item.added", 3)
        assert len(json.dumps(added)) < 10_000, "who sent it has it"
        await caller.send("conversation.item.retrieve", item_id=added["item"]["id"])
        assert len(json.dumps(await caller.wait("conversation.item.retrieved", 3))) < 2**20

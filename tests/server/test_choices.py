"""What a client chooses while it talks: the model that answers, the voice and its speed, the language that is heard."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from duologue.engines.base import SpeakRequest, SpeechChunk, TranscribeRequest, TranscribeResult
from duologue.engines.chat.openai_chat import OpenAIChat
from duologue.engines.local import LocalEngines
from duologue.engines.scripted import ScriptedSynthesizer, ScriptedTranscriber, ScriptedTurn, ScriptedVad
from tests.engines.chat.chat_server import DONE, ChatServer, Exchange, event, json_reply
from tests.engines.chat.chat_server import serving as chatting
from tests.server.caller import Caller, calling
from tests.server.serving import Serving, serving

pytestmark = pytest.mark.anyio


class Voices(ScriptedSynthesizer):
    """Keeps what it was asked to say."""

    voices = ("tone", "bell")

    def __init__(self) -> None:
        super().__init__(phrase_s=0.1)
        self.asked: list[tuple[str, float]] = []

    async def results(self, request: SpeakRequest) -> AsyncGenerator[SpeechChunk, None]:
        self.asked.append((request.voice, request.speed))
        async for chunk in super().results(request):
            yield chunk


class Ears(ScriptedTranscriber):
    """Keeps which language it was to expect."""

    languages = frozenset({"en", "fr"})

    def __init__(self) -> None:
        super().__init__()
        self.expected: list[str | None] = []

    def step(self, requests: Any) -> list[TranscribeResult]:
        asked: list[TranscribeRequest] = list(requests)
        self.expected += [request.language for request in asked]
        return super().step(asked)


async def answer(exchange: Exchange) -> None:
    """The name of the model that was asked."""
    await exchange.head()
    await exchange.write(event(f"I am {exchange.request.body['model']}."))
    await exchange.write(event(None, "stop") + DONE)
    await exchange.end()


@asynccontextmanager
async def house(names: tuple[str, ...] = ("small", "large"), **parts: Any) -> AsyncIterator[tuple[Serving, ChatServer]]:
    """A server whose chat model is on another server, which lists ``names``."""
    models = json_reply({"data": [{"id": name} for name in names]})
    async with chatting(answer, models=models) as far:
        chat = OpenAIChat(far.url, names[0])
        stages = {"vad": ScriptedVad(), "turn": ScriptedTurn(), "asr": ScriptedTranscriber(), "tts": Voices()}
        engines = LocalEngines(stages | {"chat": chat} | parts)
        await engines.start()
        try:
            async with serving(engines) as server:
                yield server, far
        finally:
            await engines.aclose()


async def ask(caller: Caller, text: str = "Who are you?") -> str:
    """The words of an answer."""
    await caller.write(text)
    await caller.send("response.create")
    done = await caller.wait("response.done", caller.count("response.done") + 1)
    assert done["response"]["status"] == "completed", done
    return str(done["response"]["output"][0]["content"][0]["transcript"])


async def test_the_model_that_is_chosen_answers_from_then_on() -> None:
    async with house() as (server, far), calling(server.ws) as caller:
        assert await ask(caller) == "I am small."
        assert (await caller.update(model="large"))["model"] == "large"
        assert await ask(caller) == "I am large."
        assert (await caller.update(instructions="Be brief."))["model"] == "large"
        assert await ask(caller) == "I am large."
        assert (await caller.update(model="small"))["model"] == "small"
        assert await ask(caller) == "I am small."
    assert [r.body["model"] for r in far.requests if r.body] == ["small", "large", "large", "small"]


async def test_two_sessions_with_two_models_do_not_mix() -> None:
    async with house() as (server, _), calling(server.ws) as first, calling(f"{server.ws}-2") as second:
        await first.update(model="large")
        for _turn in range(2):
            assert await ask(first) == "I am large."
            assert await ask(second) == "I am small."


async def test_a_model_in_the_address() -> None:
    async with house() as (server, _):
        url = server.ws.replace("gpt-realtime", "large")
        async with calling(url) as caller:
            assert caller.of("session.created")[0]["session"]["model"] == "large"
            assert await ask(caller) == "I am large."


async def test_names_of_openai_are_taken_and_shown() -> None:
    async with house() as (server, _), calling(server.ws) as caller:
        assert caller.of("session.created")[0]["session"]["model"] == "gpt-realtime"
        assert (await caller.update(model="gpt-realtime"))["model"] == "gpt-realtime"
        assert await ask(caller) == "I am small."


async def test_voice_and_speed_change_in_mid_conversation() -> None:
    voices = Voices()
    async with house(tts=voices) as (server, _), calling(server.ws) as caller:
        await ask(caller)
        await caller.update(audio={"output": {"voice": "bell", "speed": 1.5}})
        await ask(caller)
        await caller.update(audio={"output": {"speed": 0.5}})
        await ask(caller)
    assert voices.asked == [("tone", 1.0), ("bell", 1.5), ("bell", 0.5)]


async def test_an_unknown_voice_is_an_error_that_names_those_that_there_are() -> None:
    voices = Voices()
    async with house(tts=voices) as (server, _), calling(server.ws) as caller:
        await caller.send("session.update", session={"audio": {"output": {"voice": "belle", "speed": 0.5}}})
        error = (await caller.wait("error"))["error"]
        assert (error["param"], error["type"]) == ("session.audio.output.voice", "invalid_request_error")
        assert "tone, bell" in error["message"]
        await ask(caller)
    assert voices.asked == [("tone", 1.0)]


async def test_the_language_reaches_the_transcriber_and_an_unknown_one_is_an_error() -> None:
    ears = Ears()
    async with house(asr=ears) as (server, _), calling(server.ws) as caller:
        await caller.update(audio={"input": {"transcription": {"model": "whisper-1", "language": "fr"}}})
        await caller.send("session.update", session={"audio": {"input": {"transcription": {"language": "de"}}}})
        error = (await caller.wait("error"))["error"]
        assert error["param"] == "session.audio.input.transcription.language"
        assert "en, fr" in error["message"]
        await caller.say()
        await caller.wait("conversation.item.input_audio_transcription.completed")
        await caller.wait("response.done")
    assert set(ears.expected) == {"fr"}


async def test_a_client_secret_is_not_made_for_what_there_is_not() -> None:
    import httpx2

    wanted = {"session": {"type": "realtime", "audio": {"output": {"voice": "belle"}}}}
    async with house() as (server, _), httpx2.AsyncClient(base_url=server.http) as http:
        refused = await http.post("/v1/realtime/client_secrets", content=json.dumps(wanted))
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "session.audio.output.voice")

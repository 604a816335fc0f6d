"""An engine that fails ends an answer or a transcript, in the protocol's words, and never the session."""

from __future__ import annotations

from typing import Any

import pytest

from duologue.engines.base import ChatRequest, TranscribeRequest
from duologue.engines.scripted import TWELVE_WORDS, ScriptedChat, ScriptedTranscriber
from duologue.errors import EngineLost
from tests.server.caller import calling
from tests.server.serving import engines, serving

pytestmark = pytest.mark.anyio


class Once:
    """Fails the first time, then gives ``result``."""

    def __init__(self, result: str) -> None:
        self._result = result
        self._has_failed = False

    def __call__(self, _request: ChatRequest | TranscribeRequest) -> str:
        if self._has_failed:
            return self._result
        self._has_failed = True
        raise EngineLost("The engine has gone away. Try again.")


async def test_a_chat_model_that_fails() -> None:
    client = engines(chat=ScriptedChat(answer=Once(TWELVE_WORDS)))
    async with serving(client) as server, calling(server.ws) as caller:
        await caller.say()
        failed: dict[str, Any] = (await caller.wait("response.done"))["response"]
        assert failed["status"] == "failed"
        assert failed["status_details"]["error"]["code"] == "engine_lost"
        assert failed["output"] == []
        await caller.say()
        assert (await caller.wait("response.done", 2))["response"]["status"] == "completed"
        assert caller.errors() == []
        caller.checker.rest()


async def test_a_transcriber_that_fails() -> None:
    client = engines(asr=ScriptedTranscriber(hear=Once("hello")))
    async with serving(client) as server, calling(server.ws) as caller:
        await caller.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
        await caller.say()
        failed = await caller.wait("conversation.item.input_audio_transcription.failed")
        assert failed["error"]["code"] == "engine_lost"
        await caller.say()
        completed = await caller.wait("conversation.item.input_audio_transcription.completed")
        assert completed["transcript"] == "hello"
        await caller.settled()
        assert caller.of("conversation.item.added")[0]["item"]["id"] == failed["item_id"]

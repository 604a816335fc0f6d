"""A model that hears and answers, as a transcriber and as a chat model: what is asked of it without a spoken turn."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from duologue.engines.base import (
    ChatDelta,
    ChatMessage,
    ChatRequest,
    SpeechModel,
    SpeechRequest,
    TranscribeRequest,
    TranscribeResult,
)


class Face:
    """The model behind it is started and closed by whoever made it."""

    def __init__(self, speech: SpeechModel) -> None:
        self._speech = speech

    @property
    def name(self) -> str:
        return self._speech.name

    async def start(self) -> None:
        return

    async def aclose(self) -> None:
        return


class SpeechTranscriber(Face):
    """Transcriber: the words of a turn and no answer to it."""

    gives_partials = False

    @asynccontextmanager
    async def stream(self, request: TranscribeRequest) -> AsyncIterator[AsyncIterator[TranscribeResult]]:
        """The words so far as they come; the last result has them all."""
        async with aclosing(self._words(request)) as words:
            yield words

    async def _words(self, request: TranscribeRequest) -> AsyncGenerator[TranscribeResult, None]:
        turn = ChatMessage("user", "", audio=request.audio)
        asked = SpeechRequest((turn,), language=request.language, wants="transcript")
        text = ""
        async with self._speech.stream(asked) as deltas:
            async for delta in deltas:
                text += delta.heard
                yield TranscribeResult(text)


class SpeechChat(Face):
    """ChatModel: a conversation in words only. It knows no tools."""

    @asynccontextmanager
    async def stream(self, request: ChatRequest) -> AsyncIterator[AsyncIterator[ChatDelta]]:
        async with aclosing(self._answer(request)) as answer:
            yield answer

    async def _answer(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        asked = SpeechRequest(request.messages, max_tokens=request.max_tokens, wants="answer")
        async with self._speech.stream(asked) as deltas:
            async for delta in deltas:
                yield ChatDelta(delta.text, delta.finish, usage=delta.usage)

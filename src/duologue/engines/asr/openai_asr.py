"""Words from any server that has ``/v1/audio/transcriptions``: speaches, vLLM, whisper.cpp, or a hosted one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from duologue.engines.asr.clip import speech_of
from duologue.engines.asr.transcriptions import Transcript, transcribe
from duologue.engines.base import TimedWord, TranscribeRequest, TranscribeResult
from duologue.engines.http import HttpServer
from duologue.errors import EngineError, EngineLost, EngineUnavailable
from duologue.options import TranscriptionServerOptions

_ADVICE = "start it, or set url of [transcription_server] (DUOLOGUE_TRANSCRIPTION_SERVER__URL)"
# The hosted API gives names, others codes.
_CODES = {
    "english": "en", "german": "de", "french": "fr", "spanish": "es", "italian": "it", "portuguese": "pt",
    "dutch": "nl", "polish": "pl", "russian": "ru", "ukrainian": "uk", "turkish": "tr", "arabic": "ar",
    "hindi": "hi", "chinese": "zh", "japanese": "ja", "korean": "ko",
}  # fmt: skip


class OpenAITranscriber:
    """A Transcriber behind HTTP. Each request carries the whole turn; sound without speech is not sent.

    ``model_warning`` is set by ``start`` where the server does not list the model.
    """

    name = "openai-asr"
    # Each would send the whole turn again, and many such servers are paid by the second of sound.
    gives_partials = False

    def __init__(self, options: TranscriptionServerOptions) -> None:
        self._model = options.model
        self._server = HttpServer(options.url, what="the transcription server", advice=_ADVICE)
        self._has_word_times = True
        self.model_warning: str | None = None

    async def start(self) -> None:
        """Reach the server. Raises EngineUnavailable where nothing answers or the key is refused."""
        self.model_warning = await self._server.probe(self._model)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._server.aclose()

    @asynccontextmanager
    async def stream(self, request: TranscribeRequest) -> AsyncIterator[AsyncIterator[TranscribeResult]]:
        """One result. Leaving the context before it closes the connection, on which a server may stop.

        Raises EngineLost when the server is away or silent, EngineUnavailable for a wrong key or model, EngineError
        when it refuses.
        """
        async with aclosing(self._results(request)) as results:
            yield results

    async def _results(self, request: TranscribeRequest) -> AsyncGenerator[TranscribeResult, None]:
        if len(speech_of(request.audio)) == 0:
            yield TranscribeResult("")
            return
        yield _result(await self._ask(request))

    async def _ask(self, request: TranscribeRequest) -> Transcript:
        """With times of the words where they are wanted and known; vLLM refuses them for most models."""
        if request.wants_words and self._has_word_times:
            try:
                return await transcribe(self._server, self._model, request.audio, request.language, wants_words=True)
            except (EngineLost, EngineUnavailable):
                raise
            except EngineError:
                transcript = await transcribe(self._server, self._model, request.audio, request.language)
                self._has_word_times = False
                return transcript
        return await transcribe(self._server, self._model, request.audio, request.language)


def _result(transcript: Transcript) -> TranscribeResult:
    language = (transcript.language or "").lower()
    words = tuple(TimedWord(word.word.strip(), word.start, word.end) for word in transcript.words or [])
    code = language if len(language) == 2 else _CODES.get(language)
    return TranscribeResult(transcript.text.strip(), code, words)

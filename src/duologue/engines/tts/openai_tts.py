"""The voice of any server with ``/v1/audio/speech``: Kokoro-FastAPI, vLLM-Omni, speaches, or a hosted one.

Wire format: ``POST /audio/speech`` with ``response_format: pcm``, answered by 16-bit samples at 24 kHz as they are
made (platform.openai.com/docs/api-reference/audio/createSpeech). A WAV file in its place is taken as well.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

import anyio
import httpx2
import msgspec
import numpy as np
import soxr

from duologue.audio.codec import Pcm16Decoder
from duologue.audio.frame import VOICE_RATE_HZ, Int16
from duologue.engines.base import SpeakRequest, SpeechChunk
from duologue.engines.http import HttpServer, host_of
from duologue.engines.tts.espeak_sound import EdgeTrim
from duologue.engines.tts.pace import GuessedTimes, Pace
from duologue.engines.wav import WavReader
from duologue.errors import EngineError, EngineLost, EngineUnavailable
from duologue.options import SpeechServerOptions

_ADVICE = "start it, or set url of [speech_server] (DUOLOGUE_SPEECH_SERVER__URL)"
_FIRST_SOUND_S = 10.0
_BETWEEN_S = 5.0
# What the API takes in one request; about five minutes of speech.
_MAX_CHARACTERS = 4096
_MIN_SPEED, _MAX_SPEED = 0.25, 4.0
# Servers give PCM under many names; these are the names of something else.
_NOT_PCM = {"audio/mpeg", "audio/ogg", "audio/opus", "audio/aac", "audio/flac", "application/json"}
_HOSTED = "api.openai.com"
_HOSTED_VOICES = ("alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer", "verse")


class _Voices(msgspec.Struct):
    voices: list[str]


class OpenAISpeech:
    """A Synthesizer behind HTTP. The times of words are guessed (``tts/pace.py``): the API does not tell them.

    ``voices``: the default first, then those that the server lists, known after ``start``. ``model_warning`` is set by
    ``start`` where the server does not list the model.
    """

    name = "openai-tts"

    def __init__(self, options: SpeechServerOptions) -> None:
        self._options = options
        self._server = HttpServer(options.url, what="the speech server", advice=_ADVICE)
        self._is_hosted = host_of(self._server.url) == _HOSTED
        # Some servers stream only where they are asked to, others refuse a field that they do not know.
        self._asks_to_stream = not self._is_hosted
        self._paces: dict[str, Pace] = {}
        self.voices: tuple[str, ...] = (options.voice,)
        self.model_warning: str | None = None

    async def start(self) -> None:
        """Reach the server and learn its voices. Raises EngineUnavailable where nothing answers."""
        self.model_warning = await self._server.probe(self._options.model)
        listed = _HOSTED_VOICES if self._is_hosted else await self._listed_voices()
        self.voices = tuple(dict.fromkeys((self._options.voice, *listed)))

    async def _listed_voices(self) -> tuple[str, ...]:
        """What Kokoro-FastAPI and vLLM-Omni tell; the API itself has no such list."""
        status, body = await self._server.get("audio/voices")
        try:
            return tuple(msgspec.json.decode(body, type=_Voices).voices) if status == 200 else ()
        except msgspec.MsgspecError:
            return ()

    async def warm_up(self) -> None:
        """Say one word: the server's first is its slowest."""
        async with self.stream(SpeakRequest("Ready.")) as chunks:
            async for _ in chunks:
                pass

    async def aclose(self) -> None:
        """Close all connections."""
        await self._server.aclose()

    @asynccontextmanager
    async def stream(self, request: SpeakRequest) -> AsyncIterator[AsyncIterator[SpeechChunk]]:
        """Sound as it arrives. Leaving the context closes the connection, on which the server stops.

        Raises EngineLost when the server is away, silent or breaks off, EngineUnavailable for a wrong key or model,
        EngineError when it refuses, sends no PCM, or for a phrase of more than 4,096 characters.
        """
        if len(request.text) > _MAX_CHARACTERS:
            raise EngineError(f"a phrase may have {_MAX_CHARACTERS} characters: cut the text at sentences")
        async with aclosing(self._chunks(request)) as chunks:
            yield chunks

    async def _chunks(self, request: SpeakRequest) -> AsyncGenerator[SpeechChunk, None]:
        voice = request.voice if request.voice in self.voices else self._options.voice
        pace = self._paces.setdefault(voice, Pace())
        speed = min(max(request.speed, _MIN_SPEED), _MAX_SPEED)
        times = GuessedTimes(request.text, pace.share_ms / speed)
        trim = EdgeTrim(VOICE_RATE_HZ)
        given_samples = 0
        if any(map(str.isalnum, request.text)):
            async with aclosing(self._sound(request.text, voice, speed)) as pieces:
                async for pcm in pieces:
                    kept = trim.push(pcm)
                    given_samples += len(kept)
                    if len(kept):
                        yield SpeechChunk(kept, times.until(_ms(given_samples)))
            if given_samples == 0:
                raise EngineError(
                    f"the speech server at {self._server.shown_url} gave silence for a phrase: check its voice"
                )
            pace.learn(times.shares, _ms(given_samples) * speed)
        # The last word ends with its sound, not with the silence behind it.
        yield SpeechChunk(trim.finish(), times.finish(_ms(given_samples)))

    async def _sound(self, text: str, voice: str, speed: float) -> AsyncGenerator[Int16, None]:
        """int16 at 24 kHz as it arrives, untrimmed."""
        deadline_s = anyio.current_time() + _FIRST_SOUND_S
        async with AsyncExitStack() as stack:
            response = await self._ask(stack, text, voice, speed, deadline_s)
            sound = _Sound(response.headers.get("content-type", ""))
            pieces = self._server.pieces(response, deadline_s=deadline_s, between_s=_BETWEEN_S)
            async for piece in await stack.enter_async_context(aclosing(pieces)):
                try:
                    yield sound.feed(piece)
                except ValueError as error:
                    raise EngineError(f"the speech server at {self._server.shown_url} sends no PCM: {error}") from error
            yield sound.end()

    async def _ask(
        self, stack: AsyncExitStack, text: str, voice: str, speed: float, deadline_s: float
    ) -> httpx2.Response:
        """The response, asked for with ``stream`` where the server takes that."""
        body: dict[str, Any] = {
            "model": self._options.model,
            "input": text,
            "voice": voice,
            "response_format": "pcm",
            "speed": speed,
        }
        if self._asks_to_stream:
            try:
                return await stack.enter_async_context(
                    self._server.post("audio/speech", deadline_s=deadline_s, json=body | {"stream": True})
                )
            except (EngineLost, EngineUnavailable):
                raise
            except EngineError:
                pass  # it may refuse the field or the phrase: asked once more without the field
        response = await stack.enter_async_context(self._server.post("audio/speech", deadline_s=deadline_s, json=body))
        self._asks_to_stream = False
        return response


class _Sound:
    """Bytes as they arrive, PCM or a WAV file, cut anywhere -> int16 mono at 24 kHz. Raises ValueError for neither."""

    def __init__(self, content_type: str) -> None:
        self._content_type = content_type.partition(";")[0].strip().lower()
        self._decoder = Pcm16Decoder()
        self._start = b""
        self._wav: WavReader | None = None
        self._is_known = False
        self._resampler: soxr.ResampleStream | None = None

    def feed(self, data: bytes) -> Int16:
        if not self._is_known:
            self._start += data
            if len(self._start) < 4:
                return np.zeros(0, np.int16)
            data, self._start = self._start, b""
            self._know(data)
        if self._wav is None:
            return self._decoder.decode(data)
        return self._from_wav(self._decoder.decode(self._wav.feed(data)))

    def end(self) -> Int16:
        """What a change of rate still holds back."""
        if self._resampler is None:
            return np.zeros(0, np.int16)
        return np.asarray(self._resampler.resample_chunk(np.zeros(0, np.int16), last=True), np.int16)

    def _know(self, start: bytes) -> None:
        self._is_known = True
        if start[:4] == b"RIFF":
            self._wav = WavReader()
        elif self._content_type in _NOT_PCM or self._content_type.startswith("text/"):
            raise ValueError(f"it answers with {self._content_type}")

    def _from_wav(self, samples: Int16) -> Int16:
        wav = self._wav
        if wav is None or wav.rate_hz == 0:
            return samples
        if wav.rate_hz == VOICE_RATE_HZ:
            return samples
        if self._resampler is None:
            self._resampler = soxr.ResampleStream(wav.rate_hz, VOICE_RATE_HZ, 1, dtype="int16", quality="HQ")
        return np.asarray(self._resampler.resample_chunk(samples), np.int16)


def _ms(samples: int) -> float:
    return samples * 1000.0 / VOICE_RATE_HZ

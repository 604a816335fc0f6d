"""espeak-ng as a Synthesizer: robotic, and there at once (first sound in 1-2 ms, 3 s of speech in 6-9 ms).

The library runs in a process of its own (``espeak_process``, which says what goes over the pipe). Several phrases
may be in flight; the process speaks them one after the other.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np
from anyio.abc import Process

from duologue.engines.base import SpeakRequest, SpeechChunk
from duologue.engines.tts import espeak_process as wire
from duologue.engines.tts.espeak_sound import PhraseSound, speakable
from duologue.engines.weights import install_hint, packaged_file
from duologue.errors import EngineError, EngineLost, EngineUnavailable

# What clients ask for -> what the library calls it (its British English is plain "en").
VOICES = {
    "en-us": "en-us",
    "en-us+f3": "en-us+f3",
    "en-gb": "en",
    "en-gb+f3": "en+f3",
    "en-gb-x-rp": "en-gb-x-rp",
    "en-gb-scotland": "en-gb-scotland",
}

_NORMAL_WPM = 170
# espeak-ng speaks no slower than this, whatever it is told; above 450 it leaves out periods of the sound.
_MIN_WPM = 80
_MAX_WPM = 680
# About five minutes of speech: what is made ahead of the listener is bounded by it.
_MAX_CHARACTERS = 5000
_START_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 1.0
_SEND_TIMEOUT_S = 2.0

_Frame = tuple[int, bytes]


class Espeak:
    """Synthesizer on espeak-ng. ``speed`` 1.0 is 170 words a minute, within 80 and 680.

    An unknown voice is spoken by the first of ``voices``. A process that has died is replaced at the next phrase.
    """

    name = "espeak"
    voices = tuple(VOICES)

    def __init__(self) -> None:
        self._pipe: EspeakPipe | None = None
        self._spawning = anyio.Lock()

    @property
    def process_id(self) -> int | None:
        """The process that speaks; None before the first phrase and after a loss."""
        pipe = self._pipe
        return None if pipe is None or pipe.is_lost else pipe.process_id

    async def start(self) -> None:
        """Start the process and say one word. Raises EngineUnavailable."""
        async with self.stream(SpeakRequest(text="ready")) as chunks:
            async for _ in chunks:
                pass

    @asynccontextmanager
    async def stream(self, request: SpeakRequest) -> AsyncIterator[AsyncIterator[SpeechChunk]]:
        """Chunks of 40-100 ms as they are made.

        Raises EngineLost when the process dies meanwhile, EngineError for a phrase of more than 5,000 characters.
        """
        if len(request.text) > _MAX_CHARACTERS:
            raise EngineError(f"a phrase may have {_MAX_CHARACTERS} characters: cut the text at sentences")
        pipe = await self._live_pipe()
        request_id, frames = await pipe.open(_speak_payload(request))
        try:
            async with aclosing(_speech(frames, request.text, pipe.rate_hz)) as chunks:
                yield chunks
        finally:
            await pipe.close(request_id)

    async def aclose(self) -> None:
        """End the process. Phrases in flight raise EngineLost."""
        async with self._spawning:
            pipe, self._pipe = self._pipe, None
            if pipe is not None:
                await pipe.aclose()

    async def _live_pipe(self) -> EspeakPipe:
        async with self._spawning:
            if self._pipe is not None and self._pipe.is_lost:
                await self._pipe.aclose()
                self._pipe = None
            if self._pipe is None:
                self._pipe = await EspeakPipe.spawn()
            return self._pipe


class EspeakPipe:
    """One life of the process. A task of its own reads the pipe and sorts frames by request."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._request_ids = itertools.count(1)
        self._streams: dict[int, asyncio.Queue[_Frame | None]] = {0: asyncio.Queue()}
        self._sending = anyio.Lock()
        self._reader = asyncio.get_running_loop().create_task(self._read(), name="espeak pipe")
        self.process_id = process.pid
        self.is_lost = False
        self.rate_hz = 0

    @classmethod
    async def spawn(cls) -> EspeakPipe:
        """Start the process and wait until it is ready. Raises EngineUnavailable."""
        library = await anyio.to_thread.run_sync(espeak_library)
        # By path, isolated and without site-packages: ready in 25 ms, and nothing but this one file is loaded.
        command = [sys.executable, "-I", "-S", wire.__file__, str(library)]
        # A session of its own: Ctrl-C at the terminal then reaches the server alone.
        try:
            process = await anyio.open_process(command, stderr=None, start_new_session=True)
        except OSError as error:
            raise EngineUnavailable(f"espeak-ng's process does not start: {error}") from error
        pipe = cls(process)
        is_ready = False
        try:
            pipe.rate_hz = await pipe._greeting()
            is_ready = True
        finally:
            if not is_ready:
                with anyio.CancelScope(shield=True):
                    await pipe.aclose()
        return pipe

    async def _greeting(self) -> int:
        """Wait for the process to be ready; the rate of its sound in Hz. Raises EngineUnavailable."""
        try:
            with anyio.fail_after(_START_TIMEOUT_S):
                frame = await self._streams[0].get()
        except TimeoutError:
            frame = (wire.FAILED, b"it did not answer")
        if frame is None or frame[0] != wire.READY:
            reason = frame[1].decode(errors="replace") if frame else "its process ended"
            raise EngineUnavailable(f"espeak-ng does not start ({reason}): {install_hint('espeakng_loader')}")
        (rate_hz,) = wire.READY_PAYLOAD.unpack(frame[1])
        return int(rate_hz)

    async def open(self, payload: bytes) -> tuple[int, asyncio.Queue[_Frame | None]]:
        """Ask for a phrase. Raises EngineLost."""
        request_id = next(self._request_ids)
        frames = self._streams[request_id] = asyncio.Queue()
        is_sent = False
        try:
            await self._send(wire.SPEAK, request_id, payload)
            is_sent = True
        finally:
            if not is_sent:
                await self.close(request_id)
        return request_id, frames

    async def close(self, request_id: int) -> None:
        """Forget a phrase; where it is not complete the process is told to stop it."""
        if self._streams.pop(request_id, None) is not None and not self.is_lost:
            with suppress(EngineLost):
                await self._send(wire.CANCEL, request_id)

    async def aclose(self) -> None:
        """Close the pipe, which ends the process; kill it where it does not."""
        with anyio.CancelScope(shield=True):
            with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
                if self._process.stdin is not None:
                    await self._process.stdin.aclose()
            with anyio.move_on_after(_STOP_TIMEOUT_S):
                await self._process.wait()
            self._kill()
            await self._reader
            await self._process.aclose()

    async def _send(self, kind: int, request_id: int, payload: bytes = b"") -> None:
        """Write one frame whole: a frame cut short by cancellation would garble all that follow it."""
        frame = wire.HEADER.pack(len(payload), kind, request_id) + payload
        stdin = self._process.stdin
        if stdin is None:
            raise EngineLost("espeak-ng's process has no pipe; try again")
        with anyio.CancelScope(shield=True):
            try:
                with anyio.fail_after(_SEND_TIMEOUT_S):
                    async with self._sending:
                        await stdin.send(frame)
            except (OSError, RuntimeError, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
                self.is_lost = True
                self._kill()
                raise EngineLost("espeak-ng's process does not listen; try again") from error

    async def _read(self) -> None:
        buffer = bytearray()
        stdout = self._process.stdout
        try:
            while stdout is not None:
                buffer += await stdout.receive()
                self._sort(buffer)
        except (OSError, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass
        finally:
            self.is_lost = True
            for frames in self._streams.values():
                frames.put_nowait(None)

    def _sort(self, buffer: bytearray) -> None:
        """Hand on every whole frame at the start of ``buffer``; what is for a closed phrase is dropped."""
        while len(buffer) >= wire.HEADER.size:
            length, kind, request_id = wire.HEADER.unpack_from(buffer)
            stop = wire.HEADER.size + length
            if len(buffer) < stop:
                return
            frames = self._streams.get(request_id)
            if frames is not None:
                frames.put_nowait((kind, bytes(buffer[wire.HEADER.size : stop])))
                if kind in {wire.END, wire.FAILED}:
                    del self._streams[request_id]
            del buffer[:stop]

    def _kill(self) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()


async def _speech(frames: asyncio.Queue[_Frame | None], text: str, rate_hz: int) -> AsyncGenerator[SpeechChunk, None]:
    sound = PhraseSound(text, rate_hz)
    while (frame := await frames.get()) is not None:
        kind, payload = frame
        if kind == wire.SOUND:
            sound.push(np.frombuffer(payload, "<i2").astype(np.int16, copy=False))
        elif kind == wire.WORD:
            sound.mark(*wire.WORD_PAYLOAD.unpack(payload))
        elif kind == wire.FAILED:
            raise EngineError(payload.decode(errors="replace"))
        elif kind == wire.END:
            last = sound.finish()
            if len(last.pcm):
                yield last
            return
        while (chunk := sound.take()) is not None:
            yield chunk
    raise EngineLost("espeak-ng's process has ended; the next phrase starts a new one")


def _speak_payload(request: SpeakRequest) -> bytes:
    default = next(iter(VOICES.values()))
    voice = VOICES.get(request.voice, default).encode()
    speed = request.speed if request.speed > 0 else 1.0
    rate_wpm = round(min(max(_NORMAL_WPM * speed, _MIN_WPM), _MAX_WPM))
    return wire.SPEAK_HEAD.pack(rate_wpm, len(voice)) + voice + speakable(request.text).encode()


def espeak_library() -> Path:
    """The shared library inside the espeakng-loader wheel. Raises EngineUnavailable."""
    names = {"win32": "espeak-ng.dll", "darwin": "libespeak-ng.dylib"}
    return packaged_file("espeakng_loader", names.get(sys.platform, "libespeak-ng.so"))

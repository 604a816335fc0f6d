"""espeak-ng's process, from the server's side: phrases in, frames out (``espeak_process`` says what they are)."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import Process

from duologue.engines.tts import espeak_process as wire
from duologue.engines.weights import install_hint, packaged_file
from duologue.errors import EngineLost, EngineUnavailable

_START_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 1.0
_SEND_TIMEOUT_S = 2.0
# A page takes 20 ms: a process silent for so long in the middle of a phrase hangs, and would keep its place for ever.
_SILENCE_TIMEOUT_S = 5.0

Frames = asyncio.Queue[tuple[int, bytes] | None]


@dataclass(frozen=True, slots=True)
class _Stream:
    """The frames of one phrase."""

    ended: Callable[[], None] = lambda: None
    frames: Frames = field(default_factory=asyncio.Queue)


class EspeakPipe:
    """One life of a process. A task of its own reads the pipe and sorts frames by request."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._request_ids = itertools.count(1)
        self._streams: dict[int, _Stream] = {0: _Stream()}
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
                frame = await self._streams[0].frames.get()
        except TimeoutError:
            frame = (wire.FAILED, b"it did not answer")
        if frame is None or frame[0] != wire.READY:
            reason = frame[1].decode(errors="replace") if frame else "its process ended"
            raise EngineUnavailable(f"espeak-ng does not start ({reason}): {install_hint('espeakng_loader')}")
        (rate_hz,) = wire.READY_PAYLOAD.unpack(frame[1])
        return int(rate_hz)

    async def open(self, payload: bytes, ended: Callable[[], None]) -> tuple[int, Frames]:
        """Ask for a phrase. ``ended`` is called once the process has done with it. Raises EngineLost."""
        request_id = next(self._request_ids)
        stream = self._streams[request_id] = _Stream(ended)
        is_sent = False
        try:
            await self._send(wire.SPEAK, request_id, payload)
            is_sent = True
        finally:
            if not is_sent:
                await self.close(request_id)
        return request_id, stream.frames

    async def next_of(self, frames: Frames) -> tuple[int, bytes] | None:
        """The next frame of an open phrase, None at the loss of the process."""
        if not frames.empty():
            return frames.get_nowait()
        with anyio.move_on_after(_SILENCE_TIMEOUT_S):
            return await frames.get()
        self.is_lost = True
        self._kill()
        return None

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
            for stream in self._streams.values():
                stream.frames.put_nowait(None)
                stream.ended()

    def _sort(self, buffer: bytearray) -> None:
        """Hand on every whole frame at the start of ``buffer``; what is for a closed phrase is dropped."""
        while len(buffer) >= wire.HEADER.size:
            length, kind, request_id = wire.HEADER.unpack_from(buffer)
            stop = wire.HEADER.size + length
            if len(buffer) < stop:
                return
            stream = self._streams.get(request_id)
            if stream is not None:
                stream.frames.put_nowait((kind, bytes(buffer[wire.HEADER.size : stop])))
                if kind in {wire.END, wire.FAILED}:
                    del self._streams[request_id]
                    stream.ended()
            del buffer[:stop]

    def _kill(self) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()


def espeak_library() -> Path:
    """The shared library inside the espeakng-loader wheel. Raises EngineUnavailable."""
    names = {"win32": "espeak-ng.dll", "darwin": "libespeak-ng.dylib"}
    return packaged_file("espeakng_loader", names.get(sys.platform, "libespeak-ng.so"))

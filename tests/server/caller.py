"""A client of the protocol whose every received frame goes through the checker."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.wire_checker import Frame, WireChecker

RATE_HZ = 24_000
APPEND_S = 0.1


def voice(seconds: float, level: float = 8_000.0, pitch_hz: float = 220.0) -> bytes:
    """A loud tone: s16le, mono, 24 kHz."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (np.sin(2 * np.pi * pitch_hz * t) * level).astype("<i2").tobytes()


def silence(seconds: float) -> bytes:
    return bytes(2 * int(seconds * RATE_HZ))


class Caller:
    """One connection. ``frames`` are all that the server has sent, checked."""

    def __init__(self, socket: ClientConnection, checker: WireChecker) -> None:
        self.socket = socket
        self.checker = checker
        self.close_code: int | None = None
        self._changed = anyio.Event()
        self._marks = 0

    @property
    def frames(self) -> list[Frame]:
        return self.checker.frames

    async def listen(self) -> None:
        try:
            async for data in self.socket:
                self.checker.see(data)
                self._wake()
        except ConnectionClosed:
            pass
        self.close_code = self.socket.close_code
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def send(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def update(self, **session: Any) -> Frame:
        """A ``session.update`` and its answer."""
        await self.send("session.update", session={"type": "realtime", **session})
        return (await self.wait("session.updated", self.count("session.updated") + 1))["session"]

    async def detect(self, detection: dict[str, Any] | None) -> None:
        await self.update(audio={"input": {"turn_detection": detection}})

    async def append(self, pcm: bytes, step_s: float = APPEND_S) -> None:
        """Sound, as fast as the server takes it: the session's clock is the sound."""
        step = 2 * int(step_s * RATE_HZ)
        for start in range(0, len(pcm), step):
            await self.send("input_audio_buffer.append", audio=base64.b64encode(pcm[start : start + step]).decode())

    async def say(self, seconds: float = 0.6, **how: float) -> None:
        """A voice and the silence after it: one turn."""
        await self.append(voice(seconds, **how) + silence(0.6))

    async def write(self, text: str, **fields: Any) -> None:
        """An item of the user's, in text."""
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content, **fields.pop("item", {})}
        await self.send("conversation.item.create", item=item, **fields)

    async def wait(self, kind: str, count: int = 1, within_s: float = 10) -> Frame:
        """The ``count``-th frame of ``kind``."""
        with anyio.fail_after(within_s):
            while self.count(kind) < count:
                assert self.close_code is None, f"closed with {self.close_code} before {kind}; had {self.types()}"
                await self._changed.wait()
        return self.of(kind)[count - 1]

    async def closed(self, within_s: float = 10) -> int:
        """The code that the server closed with."""
        with anyio.fail_after(within_s):
            while self.close_code is None:
                await self._changed.wait()
        return self.close_code

    async def settled(self) -> None:
        """Everything that was sent has been handled: the server answers in order."""
        self._marks += 1
        mark = f"evt_mark_{self._marks}"
        await self.send("conversation.item.retrieve", item_id="item_nowhere", event_id=mark)
        with anyio.fail_after(10):
            while not any(frame["error"]["event_id"] == mark for frame in self.of("error")):
                assert self.close_code is None, f"closed with {self.close_code}; had {self.types()}"
                await self._changed.wait()

    def of(self, kind: str) -> list[Frame]:
        return [frame for frame in self.frames if frame["type"] == kind]

    def count(self, kind: str) -> int:
        return len(self.of(kind))

    def types(self) -> list[str]:
        """The types in order, a run of one type as one."""
        kinds = [frame["type"] for frame in self.frames]
        return [kind for i, kind in enumerate(kinds) if i == 0 or kinds[i - 1] != kind]

    def errors(self) -> list[str]:
        return [frame["error"]["code"] for frame in self.of("error")]


@asynccontextmanager
async def calling(
    url: str, *, allows_aside: bool = False, takes_own: bool = False, before: Iterable[str] = (), **options: Any
) -> AsyncIterator[Caller]:
    """A caller that has been greeted. ``before``: items of the conversation that it goes on with."""
    checker = WireChecker(allows_aside=allows_aside, takes_own=takes_own, order=list(before))
    async with connect(url, compression=None, max_size=None, **options) as socket:
        caller = Caller(socket, checker)
        async with anyio.create_task_group() as tg:
            tg.start_soon(caller.listen)
            await caller.wait("session.created")
            yield caller
            tg.cancel_scope.cancel()

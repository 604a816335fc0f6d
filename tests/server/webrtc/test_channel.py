"""What waits on its way to the caller, and for how much of it."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from pyee.asyncio import AsyncIOEventEmitter

from duologue.server.webrtc.channel import EARLY_BYTES, HIGH_BYTES, EventChannel

pytestmark = pytest.mark.anyio

NO_LIVE: Any = None


class Wire(AsyncIOEventEmitter):
    """Stands for aiortc's data channel. Nothing leaves it before ``flush``."""

    def __init__(self) -> None:
        super().__init__()
        self.bufferedAmount = 0
        self.bufferedAmountLowThreshold = 0
        self.sent: list[str] = []

    def send(self, text: str) -> None:
        self.sent.append(text)
        self.bufferedAmount += len(text)

    def flush(self) -> None:
        self.bufferedAmount = 0
        self.emit("bufferedamountlow")


async def _settle() -> None:
    for _ in range(20):
        await checkpoint()


async def test_what_was_said_before_the_channel_opened_comes_first() -> None:
    channel, wire = EventChannel(), Wire()
    frames_in, frames = anyio.create_memory_object_stream[list[bytes]](0)
    async with anyio.create_task_group() as tg:
        tg.start_soon(channel.write, NO_LIVE, frames)
        await frames_in.send([b"1", b"2"])
        await _settle()
        channel.open(wire)  # type: ignore[arg-type]
        await frames_in.send([b"3"])
        await _settle()
        assert wire.sent == ["1", "2", "3"]
        frames_in.close()


async def test_little_is_kept_for_a_channel_that_never_opens() -> None:
    channel, wire = EventChannel(), Wire()
    frames_in, frames = anyio.create_memory_object_stream[list[bytes]](0)
    async with anyio.create_task_group() as tg:
        tg.start_soon(channel.write, NO_LIVE, frames)
        for n in range(64):
            await frames_in.send([str(n).encode() * (EARLY_BYTES // 16)])
        await _settle()
        channel.open(wire)  # type: ignore[arg-type]
        await _settle()
        assert sum(map(len, wire.sent)) <= EARLY_BYTES
        assert wire.sent[-1][:2] == "63"
        frames_in.close()


async def test_a_caller_that_does_not_read_holds_the_session_up() -> None:
    channel, wire = EventChannel(), Wire()
    channel.open(wire)  # type: ignore[arg-type]
    frames_in, frames = anyio.create_memory_object_stream[list[bytes]](0)
    async with anyio.create_task_group() as tg:
        tg.start_soon(channel.write, NO_LIVE, frames)
        for _ in range(2):
            await frames_in.send([bytes(HIGH_BYTES)])
        await frames_in.send([b"held"])
        with pytest.raises(anyio.WouldBlock):
            await _settle()
            frames_in.send_nowait([b"too much"])
        assert len(wire.sent) == 2
        wire.flush()
        await _settle()
        assert wire.sent[-1] == "held"
        frames_in.close()


async def test_a_goodbye_waits_for_the_last_word() -> None:
    channel, wire = EventChannel(), Wire()
    channel.open(wire)  # type: ignore[arg-type]
    frames_in, frames = anyio.create_memory_object_stream[list[bytes]](0)
    has_left = anyio.Event()

    async def leave() -> None:
        await channel.drain()
        has_left.set()

    async with anyio.create_task_group() as tg:
        tg.start_soon(leave)
        await _settle()
        assert not has_left.is_set(), "nothing waits, and more may come"
        tg.start_soon(channel.write, NO_LIVE, frames)
        await frames_in.send([b"last"])
        frames_in.close()
        await _settle()
        assert (wire.sent, has_left.is_set()) == (["last"], False)
        wire.flush()
        await has_left.wait()

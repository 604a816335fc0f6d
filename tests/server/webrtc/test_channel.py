"""What waits on its way to the caller, and for how much of it."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest
from anyio.lowlevel import checkpoint
from pyee.asyncio import AsyncIOEventEmitter

from duologue.server.webrtc.channel import EARLY_BYTES, HIGH_BYTES, MAX_UNTAKEN_BYTES, EventChannel

pytestmark = pytest.mark.anyio


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


class Taker:
    """Stands for a conversation: takes one message, and the next when it is asked to go on."""

    def __init__(self) -> None:
        self.taken: list[str | None] = []
        self.go_on: Callable[[], None] = lambda: None

    def take(self, message: str | None, go_on: Callable[[], None]) -> bool:
        self.taken.append(message)
        self.go_on = go_on
        return False


async def test_what_was_said_before_the_channel_opened_comes_first() -> None:
    channel, wire = EventChannel(), Wire()
    channel.send_frames([b"1", b"2"])
    channel.open(wire)  # type: ignore[arg-type]
    channel.send_frames([b"3"])
    assert wire.sent == ["1", "2", "3"]


async def test_little_is_kept_for_a_channel_that_never_opens() -> None:
    channel, wire = EventChannel(), Wire()
    for n in range(64):
        channel.send_frames([str(n).encode() * (EARLY_BYTES // 16)])
    assert not channel.is_full, "a caller may do without one"
    channel.open(wire)  # type: ignore[arg-type]
    assert sum(map(len, wire.sent)) <= EARLY_BYTES
    assert wire.sent[-1][:2] == "63"


async def test_a_caller_that_does_not_read_holds_the_session_up() -> None:
    channel, wire = EventChannel(), Wire()
    channel.open(wire)  # type: ignore[arg-type]
    held = [b"held"]
    channel.on_room = lambda: channel.send_frames(held) and None
    channel.send_frames([bytes(HIGH_BYTES)])
    assert not channel.is_full
    channel.send_frames([b"one more"])
    assert channel.is_full
    wire.flush()
    assert (channel.is_full, wire.sent[-1]) == (False, "held")


async def test_messages_wait_until_they_are_asked_for_but_not_without_end() -> None:
    channel, wire, taker = EventChannel(), Wire(), Taker()
    channel.open(wire)  # type: ignore[arg-type]
    wire.emit("message", "early")
    channel.listen(taker)  # type: ignore[arg-type]
    for message in ("second", b"third", "fourth"):
        wire.emit("message", message)
    assert taker.taken == ["early"]
    taker.go_on()
    taker.go_on()
    assert taker.taken == ["early", "second", None]
    wire.emit("message", "x" * MAX_UNTAKEN_BYTES)
    assert channel.closed.is_set()


async def test_a_goodbye_waits_for_the_last_word() -> None:
    channel, wire = EventChannel(), Wire()
    channel.open(wire)  # type: ignore[arg-type]
    has_left = anyio.Event()

    async def leave() -> None:
        await channel.drain()
        has_left.set()

    async with anyio.create_task_group() as tg:
        tg.start_soon(leave)
        await _settle()
        assert not has_left.is_set(), "nothing waits, and more may come"
        channel.send_frames([b"last"])
        channel.end()
        await _settle()
        assert (wire.sent, has_left.is_set()) == (["last"], False)
        wire.flush()
        await has_left.wait()

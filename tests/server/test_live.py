"""A conversation's channels: who sets the pace, and who is left behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import pytest

from duologue.events import Event, Failed
from duologue.protocols.openai_realtime.protocol import RealtimeProtocol
from duologue.server.live import LIGHT_BYTES, POLICY_VIOLATION, UNREAD_EVENTS, Live
from tests.server.serving import Serving, serving

pytestmark = pytest.mark.anyio


class Ear:
    """A channel into a list. ``room``: batches that it takes before it is full; None: all."""

    def __init__(self, room: int | None = None) -> None:
        self.frames: list[dict[str, Any]] = []
        self.has_ended = False
        self.on_room: Callable[[], None] | None = None
        self._room = room

    @property
    def is_full(self) -> bool:
        return self._room == 0

    @is_full.setter
    def is_full(self, _full: bool) -> None:
        raise AssertionError("a channel knows that itself")

    def send_frames(self, frames: Sequence[bytes]) -> bool:
        if self.is_full:
            return False
        self.frames += map(json.loads, frames)
        self._room = None if self._room is None else self._room - 1
        return True

    def make_room(self, room: int | None) -> None:
        self._room = room
        assert self.on_room is not None
        self.on_room()

    def end(self) -> None:
        self.has_ended = True

    def refs(self) -> list[str]:
        return [frame["error"]["event_id"] for frame in self.frames if frame["type"] == "error"]


def _live(server: Serving, *watchers: Callable[[Event], None]) -> Live:
    return Live(server.state, RealtimeProtocol("m", server.state.defaults, now_s=0), watchers)


def _ask(live: Live, ref: int, go_on: Callable[[], None] = lambda: None, padding: int = 0) -> bool:
    """Something that the session answers with an error that names ``ref``."""
    event = {"type": "conversation.item.retrieve", "item_id": "nowhere", "event_id": str(ref), "more": "x" * padding}
    return live.take(json.dumps(event).encode(), go_on)


async def _until_handled(live: Live) -> None:
    reached = anyio.Event()
    live.ask(reached.set)
    await reached.wait()


async def test_what_the_first_has_no_room_for_waits_and_comes_in_order() -> None:
    async with serving() as server:
        live, ear = _live(server), Ear(room=3)
        live.join(ear)
        async with anyio.create_task_group() as tg:
            tg.start_soon(live.run)
            for ref in range(20):
                _ask(live, ref)
                await _until_handled(live)
            await anyio.wait_all_tasks_blocked()
            assert ear.refs() == ["0", "1"], "after the greeting"
            ear.make_room(5)
            assert ear.refs() == [str(ref) for ref in range(7)]
            ear.make_room(None)
            assert ear.refs() == [str(ref) for ref in range(20)]
            live.end()
        assert (ear.has_ended, live.close_code) == (True, 1000)


async def test_who_never_has_room_ends_the_conversation() -> None:
    async with serving() as server:
        live, ear = _live(server), Ear(room=1)
        live.join(ear)
        async with anyio.create_task_group() as tg:
            tg.start_soon(live.run)
            for ref in range(UNREAD_EVENTS + 1):
                _ask(live, ref)
        assert (ear.has_ended, live.close_code) == (True, POLICY_VIOLATION)
        assert ear.refs() == []


async def test_a_later_channel_that_is_slow_is_left_behind() -> None:
    async with serving() as server:
        live, first, later = _live(server), Ear(), Ear(room=2)
        live.join(first)
        live.join(later, greets=False)
        async with anyio.create_task_group() as tg:
            tg.start_soon(live.run)
            for ref in range(5):
                _ask(live, ref)
            await anyio.wait_all_tasks_blocked()
            assert (later.refs(), later.has_ended) == (["0", "1"], True)
            assert first.refs() == ["0", "1", "2", "3", "4"]
            assert not first.has_ended
            live.end()


async def test_watchers_see_each_event_before_its_frames_go_out() -> None:
    seen: list[tuple[Event, int]] = []
    async with serving() as server:
        ear = Ear()
        live = _live(server, lambda event: seen.append((event, len(ear.refs()))))
        live.join(ear)
        async with anyio.create_task_group() as tg:
            tg.start_soon(live.run)
            _ask(live, 7)
            await anyio.wait_all_tasks_blocked()
            live.end()
    assert [(type(event), before) for event, before in seen] == [(Failed, 0)]


async def test_of_large_messages_one_is_held_at_a_time() -> None:
    async with serving() as server:
        live, ear = _live(server), Ear()
        live.join(ear)
        went_on = anyio.Event()
        async with anyio.create_task_group() as tg:
            tg.start_soon(live.run)
            assert _ask(live, 1, went_on.set)
            assert not _ask(live, 2, went_on.set, padding=LIGHT_BYTES)
            assert not went_on.is_set()
            await went_on.wait()
            assert ear.refs() == ["1", "2"]
            live.end()

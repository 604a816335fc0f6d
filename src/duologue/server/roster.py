"""The conversations that are on the air, as an operator may see them: what they do, never what is said."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar, Literal

import msgspec

from duologue.events import (
    Event,
    ItemAdded,
    PlayoutCleared,
    PlayoutStarted,
    PlayoutStopped,
    ReplyDone,
    ReplyStarted,
    SpeechStarted,
    SpeechStopped,
    TurnCommitted,
)
from duologue.items import Message

Does = Literal["listening", "hearing", "thinking", "speaking"]
Transport = Literal["websocket", "webrtc"]
# Of an id's random end so much tells any two apart on one server.
SHORT_ID_CHARS = 8


class Seen(msgspec.Struct, frozen=True):
    """One conversation. ``id``: the end of the session's id, by which logs know it. ``turns``: how often the user said
    something, or wrote something that was answered."""

    id: str
    transport: Transport
    age_s: float
    state: Does
    turns: int


class Entry:
    """Follows one conversation by its events: one look in a table for each, nothing for sound and words."""

    __slots__ = ("_began_s", "_clock", "_does", "_has_written", "_id", "_transport", "_turns")

    def __init__(self, session_id: str, transport: Transport, clock: Callable[[], float]) -> None:
        self._id, self._transport, self._clock = session_id[-SHORT_ID_CHARS:], transport, clock
        self._began_s = clock()
        self._does: Does = "listening"
        self._turns = 0
        self._has_written = False

    def note(self, event: Event) -> None:
        """The session said ``event``."""
        does = self._DOES.get(type(event))
        if does is None:
            if isinstance(event, ItemAdded):
                self._has_written |= _is_written(event)
            return
        if isinstance(event, TurnCommitted) or (isinstance(event, ReplyStarted) and self._has_written):
            self._turns += 1
            self._has_written = False
        # An answer is over when it was heard; one that was never heard, when it was made.
        if not (isinstance(event, ReplyDone) and self._does in ("speaking", "hearing")):
            self._does = does

    def look(self) -> Seen:
        return Seen(self._id, self._transport, round(self._clock() - self._began_s, 1), self._does, self._turns)

    _DOES: ClassVar[Mapping[type[Event], Does]] = {
        SpeechStarted: "hearing",
        SpeechStopped: "listening",
        TurnCommitted: "thinking",
        ReplyStarted: "thinking",
        PlayoutStarted: "speaking",
        PlayoutStopped: "listening",
        PlayoutCleared: "listening",
        ReplyDone: "listening",
    }


def _is_written(event: ItemAdded) -> bool:
    """Whether the user wrote it. What is put back of an earlier talk comes all at once, and counts once."""
    item = event.item
    return isinstance(item, Message) and item.role == "user" and any(p.kind == "input_text" for p in item.parts)


class Roster:
    """Who is there. ``clock``: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[Entry, None] = {}

    @contextmanager
    def present(self, session_id: str, transport: Transport) -> Iterator[Entry]:
        """The conversation is on the air until the block ends."""
        entry = Entry(session_id, transport, self._clock)
        self._entries[entry] = None
        try:
            yield entry
        finally:
            del self._entries[entry]

    def look(self) -> list[Seen]:
        """All of them, the longest there first."""
        return [entry.look() for entry in self._entries]

"""Short ways to put a client's event in and read what comes of it. No I/O anywhere."""

from __future__ import annotations

import json
from typing import Any

from duologue.events import Event, Told
from duologue.items import SessionConfig
from duologue.protocols.openai_realtime.protocol import RealtimeProtocol

Frame = dict[str, Any]
NOW_S = 1_800_000_000


def protocol(**defaults: Any) -> RealtimeProtocol:
    return RealtimeProtocol("house", SessionConfig(voice="tone", **defaults), now_s=NOW_S)


def exchange(wire: RealtimeProtocol, event: object) -> tuple[list[Told], list[Frame]]:
    """One client event, as an object or as raw text -> (what the session is told, frames back)."""
    received = wire.receive(event if isinstance(event, str | bytes) else json.dumps(event))
    return received.told, [json.loads(frame) for frame in received.frames]


def tell(wire: RealtimeProtocol, event: object) -> Told:
    """The one thing that the session is told of ``event``; nothing goes back to the client."""
    told, frames = exchange(wire, event)
    assert frames == []
    (only,) = told
    return only


def fault(wire: RealtimeProtocol, event: object) -> Frame:
    """The ``error`` that ``event`` is answered with; the session is told nothing."""
    told, frames = exchange(wire, event)
    assert told == []
    (only,) = frames
    assert only["type"] == "error"
    assert set(only) == {"type", "event_id", "error"}
    assert set(only["error"]) == {"type", "code", "message", "param", "event_id"}
    assert len(json.dumps(only)) < 4_000
    return dict(only["error"])


def update(wire: RealtimeProtocol, **session: Any) -> Frame:
    """A ``session.update`` that is accepted -> the effective session."""
    told, frames = exchange(wire, {"type": "session.update", "session": {"type": "realtime", **session}})
    assert len(told) == 1
    (only,) = frames
    assert only["type"] == "session.updated", only
    return dict(only["session"])


def said(wire: RealtimeProtocol, event: Event) -> list[Frame]:
    """The frames of a session's event, without their event ids."""
    frames = [json.loads(frame) for frame in wire.send(event)]
    ids = [frame.pop("event_id") for frame in frames]
    assert len(set(ids)) == len(ids)
    assert all(each.startswith("event_") for each in ids)
    return frames

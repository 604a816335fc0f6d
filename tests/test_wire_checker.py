"""The checker itself: it takes a right conversation as it is, and no wrong one."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from duologue.events import (
    Event,
    ItemAdded,
    ItemDone,
    McpCallProgress,
    ReplyArguments,
    ReplyAudio,
    ReplyDone,
    ReplyItemDone,
    ReplyItemStarted,
    ReplyManner,
    ReplyStarted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
    TurnCommitted,
)
from duologue.items import FunctionCall, McpCall, Message, Part, SessionConfig
from duologue.protocols.openai_realtime.protocol import RealtimeProtocol
from tests.wire_checker import Frame, WireChecker, WireFault


def _turn() -> list[Event]:
    user = Message(id="u1", role="user", parts=(Part(kind="input_audio"),))
    begun = Message(id="a1", role="assistant", parts=(Part(kind="output_audio", text=""),), status="in_progress")
    ended = Message(id="a1", role="assistant", parts=(Part(kind="output_audio", text="hi you"),))
    return [
        SpeechStarted(item_id="u1", at_ms=100),
        SpeechStopped(item_id="u1", at_ms=900),
        TurnCommitted(item_id="u1", previous_item_id=None),
        ItemAdded(item=user, previous_item_id=None),
        ItemDone(item=user, previous_item_id=None),
        ReplyStarted(reply_id="r1", manner=ReplyManner(modality="audio")),
        ReplyItemStarted(reply_id="r1", item=begun, previous_item_id="u1"),
        ReplyText(reply_id="r1", item_id="a1", text="hi"),
        ReplyAudio(reply_id="r1", item_id="a1", pcm=bytes(4_800)),
        ReplyText(reply_id="r1", item_id="a1", text=" you"),
        ReplyItemDone(reply_id="r1", item=ended, previous_item_id="u1"),
        ReplyDone(reply_id="r1", manner=ReplyManner(modality="audio"), status="completed", output=(ended,)),
    ]


def _tools() -> list[Event]:
    """An answer of two calls: one that the client carries out, one that the server does."""
    manner = ReplyManner(modality="audio")
    call = FunctionCall(id="f1", call_id="call_1", name="look", arguments="", status="in_progress")
    called = structs.replace(call, arguments="{}", status="completed")
    tool = McpCall(id="m1", label="house", name="open", arguments="", status="in_progress")
    asked = structs.replace(tool, arguments="{}")
    done = structs.replace(asked, status="completed", output="open")
    return [
        ReplyStarted(reply_id="r1", manner=manner),
        ReplyItemStarted(reply_id="r1", item=call, previous_item_id=None),
        ReplyArguments(reply_id="r1", item=call, text="{}"),
        ReplyItemDone(reply_id="r1", item=called, previous_item_id=None),
        ReplyItemStarted(reply_id="r1", item=tool, previous_item_id="f1", index=1),
        ReplyArguments(reply_id="r1", item=tool, text="{}", index=1),
        McpCallProgress(reply_id="r1", item=asked, phase="in_progress", index=1),
        ReplyDone(reply_id="r1", manner=manner, status="completed", output=(called, asked)),
        McpCallProgress(reply_id="r1", item=done, phase="completed", index=1),
        ReplyItemDone(reply_id="r1", item=done, previous_item_id="f1", index=1),
    ]


def _frames(events: Callable[[], list[Event]] = _turn) -> list[Frame]:
    wire = RealtimeProtocol("m", SessionConfig(voice="tone"), now_s=0)
    sent = [*wire.greet(), *(frame for event in events() for frame in wire.send(event))]
    return [json.loads(frame) for frame in sent]


def _check(frames: list[Frame]) -> None:
    checker = WireChecker()
    for number, frame in enumerate(frames):
        checker.see(json.dumps({**frame, "event_id": f"event_{number}"}))
    checker.rest()


@pytest.mark.parametrize("events", [_turn, _tools])
def test_a_right_conversation(events: Callable[[], list[Event]]) -> None:
    _check(_frames(events))


# Nothing that follows refers to these, so that one more or less is not a fault.
_LOOSE = {
    "_turn": ["response.output_audio.delta", "rate_limits.updated"],
    "_tools": ["rate_limits.updated"],
}


@pytest.mark.parametrize("events", [_turn, _tools])
def test_any_frame_left_out_is_noticed_or_harmless(events: Callable[[], list[Event]]) -> None:
    frames = _frames(events)
    unnoticed = []
    for number, frame in enumerate(frames):
        try:
            _check(frames[:number] + frames[number + 1 :])
        except WireFault:
            continue
        unnoticed.append(frame["type"])
    assert unnoticed == _LOOSE[events.__name__]


@pytest.mark.parametrize("events", [_turn, _tools])
def test_any_frame_twice_is_noticed(events: Callable[[], list[Event]]) -> None:
    frames = _frames(events)
    for number, frame in enumerate(frames):
        if frame["type"] not in _LOOSE["_turn"]:
            with pytest.raises(WireFault):
                _check([*frames[: number + 1], *frames[number:]])


def test_neighbours_that_change_places_are_noticed() -> None:
    frames = _frames()
    for number in range(len(frames) - 2):
        one, two = frames[number : number + 2]
        if {one["type"].rsplit(".", 1)[-1], two["type"].rsplit(".", 1)[-1]} != {"delta"}:
            with pytest.raises(WireFault):
                _check([*frames[:number], two, one, *frames[number + 2 :]])


def _set(kind: str, change: Callable[[Frame], Any]) -> list[Frame]:
    frames = copy.deepcopy(_frames())
    change(next(frame for frame in frames if frame["type"] == kind))
    return frames


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("input_audio_buffer.speech_stopped", lambda f: f.update(item_id="other")),
        ("input_audio_buffer.speech_stopped", lambda f: f.update(audio_end_ms=10)),
        ("input_audio_buffer.committed", lambda f: f.update(item_id="other")),
        ("input_audio_buffer.committed", lambda f: f.update(previous_item_id="a1")),
        ("conversation.item.added", lambda f: f["item"].update(id="other")),
        ("conversation.item.added", lambda f: f["item"].update(name=None)),
        ("response.created", lambda f: f["response"].update(status="completed")),
        ("response.output_audio.delta", lambda f: f.update(delta=base64.b64encode(bytes(3)).decode())),
        ("response.output_audio.delta", lambda f: f.update(delta=base64.b64encode(bytes(24_002)).decode())),
        ("response.output_audio.delta", lambda f: f.update(response_id="other")),
        ("response.output_audio_transcript.done", lambda f: f.update(transcript="hi")),
        ("response.output_audio.done", lambda f: f.update(x=None)),
        ("response.output_item.done", lambda f: f["item"].update(status="incomplete")),
        ("response.done", lambda f: f["response"].update(output=[])),
        ("response.done", lambda f: f["response"].update(metadata={"a": "b"})),
        ("response.done", lambda f: f["response"].update(status="cancelled")),
        ("response.done", lambda f: f["response"]["usage"].update(total_tokens=99)),
        ("response.done", lambda f: f.update(type="response.finished")),
        ("response.done", lambda f: f.update(padding="x" * 2**20)),
    ],
)
def test_a_wrong_value_is_noticed(kind: str, change: Callable[[Frame], Any]) -> None:
    with pytest.raises(WireFault):
        _check(_set(kind, change))


def _own(what: str, **fields: Any) -> Frame:
    return {"type": f"duologue.{what}", **fields}


def _quiet(what: str, response_id: str = "r1", **fields: Any) -> Frame:
    return _own(f"output_audio.{what}", response_id=response_id, **fields)


LOWERED = _quiet("lowered", gain=0.3)


def _check_own(*frames: Frame, takes_own: bool = True) -> None:
    checker = WireChecker(takes_own=takes_own)
    for number, frame in enumerate([*_frames()[:7], *frames]):
        checker.see(json.dumps({**frame, "event_id": f"event_{number}"}))


@pytest.mark.parametrize(
    "frames",
    [
        [LOWERED, _quiet("held"), _quiet("resumed")],
        [LOWERED, _quiet("resumed"), LOWERED],
        [_quiet("held"), LOWERED, _quiet("held"), _quiet("resumed")],
        [_own("overlap.judged", verdict="noise"), _own("response.timing", ms_since_speech_end={"transcript": None})],
    ],
)
def test_our_own_events_are_for_those_who_asked(frames: list[Frame]) -> None:
    _check_own(*frames)
    with pytest.raises(WireFault, match="not asked for"):
        _check_own(*frames, takes_own=False)


@pytest.mark.parametrize(
    "frames",
    [
        [_quiet("resumed")],
        [LOWERED, _quiet("resumed"), _quiet("resumed")],
        [_quiet("held"), _quiet("held")],
        [_quiet("held", "other")],
        [_quiet("lowered", gain=0)],
        [_quiet("lowered", gain=1)],
        [_quiet("raised")],
        [_own("response.finished")],
    ],
)
def test_a_wrong_one_of_our_own_is_noticed(frames: list[Frame]) -> None:
    with pytest.raises(WireFault):
        _check_own(*frames)

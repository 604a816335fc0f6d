"""The checker itself: it takes a right conversation as it is, and no wrong one."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from duologue.events import (
    Event,
    ItemAdded,
    ItemDone,
    Message,
    Part,
    ReplyAudio,
    ReplyDone,
    ReplyItemDone,
    ReplyItemStarted,
    ReplyManner,
    ReplyStarted,
    ReplyText,
    SessionConfig,
    SpeechStarted,
    SpeechStopped,
    TurnCommitted,
)
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


def _frames() -> list[Frame]:
    wire = RealtimeProtocol("m", SessionConfig(voice="tone"), now_s=0)
    sent = [*wire.greet(), *(frame for event in _turn() for frame in wire.send(event))]
    return [json.loads(frame) for frame in sent]


def _check(frames: list[Frame]) -> None:
    checker = WireChecker()
    for number, frame in enumerate(frames):
        checker.see(json.dumps({**frame, "event_id": f"event_{number}"}))
    checker.rest()


def test_a_right_conversation() -> None:
    _check(_frames())


def test_any_frame_left_out_is_noticed_or_harmless() -> None:
    """Only the deltas' sound and the limits may be missing: nothing that follows refers to them."""
    frames = _frames()
    unnoticed = []
    for number, frame in enumerate(frames):
        try:
            _check(frames[:number] + frames[number + 1 :])
        except WireFault:
            continue
        unnoticed.append(frame["type"])
    assert unnoticed == ["response.output_audio.delta", "rate_limits.updated"]


def test_any_frame_twice_is_noticed() -> None:
    frames = _frames()
    for number, frame in enumerate(frames):
        if frame["type"] not in ("response.output_audio.delta", "rate_limits.updated"):
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

"""No message, however mangled, and no sequence of them, upsets the protocol."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from duologue.events import Configure
from tests.protocols.exchange import protocol

ITEM = {"type": "message", "id": "i", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
DETECTION = {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 200, "create_response": True}
SESSION = {
    "type": "realtime",
    "instructions": "x",
    "output_modalities": ["audio"],
    "max_output_tokens": "inf",
    "tools": [],
    "tracing": "auto",
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24_000},
            "transcription": {"model": "m", "language": "en"},
            "noise_reduction": None,
            "turn_detection": DETECTION,
        },
        "output": {"voice": "ash", "speed": 1.0},
    },
}
RESPONSE = {"conversation": "none", "input": [ITEM], "metadata": {"a": "b"}, "output_modalities": ["text"]}
MESSAGES: list[dict[str, Any]] = [
    {"type": "session.update", "session": SESSION},
    {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}}},
    {"type": "input_audio_buffer.append", "audio": "AAAA"},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "conversation.item.create", "item": ITEM, "previous_item_id": "root"},
    {"type": "conversation.item.delete", "item_id": "i"},
    {"type": "conversation.item.retrieve", "item_id": "i"},
    {"type": "conversation.item.truncate", "item_id": "i", "content_index": 0, "audio_end_ms": 5},
    {"type": "response.create", "response": RESPONSE},
    {"type": "response.cancel", "response_id": "r"},
    {"type": "output_audio_buffer.clear"},
]
WORDS = ["realtime", "server_vad", "semantic_vad", "high", "audio", "text", "none", "inf", "message", "assistant"]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**64), 10**40])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "id", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in pairs for place in [(*path, key), *_places(inner, (*path, key))]]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A message of the protocol with up to three of its values replaced or taken away, or with its text cut."""
    message = copy.deepcopy(draw(st.sampled_from(MESSAGES)))
    message["event_id"] = "evt"
    for _ in range(draw(st.integers(0, 3))):
        *path, last = draw(st.sampled_from([("type",), *_places(message)]))
        parent: Any = message
        for key in path:
            parent = parent[key]
        if draw(st.booleans()):
            parent[last] = draw(JSON)
        elif isinstance(parent, dict):
            parent.pop(last, None)
    text = json.dumps(message, ensure_ascii=draw(st.booleans()))
    return text[: draw(st.integers(0, len(text)))] if draw(st.integers(0, 9)) == 0 else text


class AnyClient(RuleBasedStateMachine):
    """One connection that is sent anything."""

    @initialize()
    def connect(self) -> None:
        self.wire = protocol()
        self.event_ids = {json.loads(frame)["event_id"] for frame in self.wire.greet()}

    @rule(message=mutated() | st.text(max_size=40) | st.binary(max_size=40))
    def send(self, message: str | bytes) -> None:
        received = self.wire.receive(message)
        assert received.told or received.frames, "every message leads to something"
        for data in received.frames:
            frame = json.loads(data)
            assert frame["type"] in ("error", "session.updated")
            assert frame["event_id"] not in self.event_ids
            self.event_ids.add(frame["event_id"])
            assert received.told == [] or frame["type"] != "error"
        for told in received.told:
            assert not isinstance(told, Configure) or told.config == self.wire.config()

    @rule()
    def change_nothing(self) -> None:
        """Whatever came before, the session is whole and still takes updates."""
        received = self.wire.receive('{"type":"session.update","session":{"type":"realtime"}}')
        (frame,) = received.frames
        session = json.loads(frame)["session"]
        assert session["object"] == "realtime.session"
        assert (
            session["audio"]["input"]["turn_detection"] is None or session["audio"]["input"]["turn_detection"]["type"]
        )


AnyClient.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAnyClient = AnyClient.TestCase


@given(mutated())
@settings(max_examples=400, deadline=None)
def test_one_mangled_message(message: str) -> None:
    received = protocol().receive(message)
    assert len(received.frames) + len(received.told) >= 1
    assert all(json.loads(frame)["event_id"] for frame in received.frames)

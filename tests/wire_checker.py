"""A linter for the wire: reads every frame that a server sends on one connection and knows what may follow what.

The rules are those of OpenAI's own server (GA), as its clients rely on them. The tests' clients feed a checker, so
that every conversation of every test is held to all of the rules, whatever it is about.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

Frame = dict[str, Any]

LARGEST_FRAME_BYTES = 1024 * 1024
LARGEST_DELTA_BYTES = 24_000  # 500 ms of s16le at 24 kHz

_INPUT = {"speech_started", "speech_stopped", "committed", "cleared"}
_ITEM = {"added", "done", "deleted", "retrieved", "truncated"}
_TRANSCRIPTION = {"delta", "completed", "failed"}
KNOWN_TYPES = (
    {"session.created", "session.updated", "error", "rate_limits.updated"}
    | {f"input_audio_buffer.{name}" for name in _INPUT}
    | {f"conversation.item.{name}" for name in _ITEM}
    | {f"conversation.item.input_audio_transcription.{name}" for name in _TRANSCRIPTION}
)

_END = "response.done"
# Of one response: what came last -> what may come next. "item" stands for its conversation.item.* frames.
_SPOKEN_DELTAS = ("response.output_audio_transcript.delta", "response.output_audio.delta")
_IN_PART = (
    *_SPOKEN_DELTAS,
    "response.output_text.delta",
    "response.output_audio.done",
    "response.output_text.done",
)
NEXT: dict[str, tuple[str, ...]] = {
    "response.created": ("response.output_item.added", _END),
    "response.output_item.added": ("item added", "response.content_part.added"),
    "item added": ("response.content_part.added",),
    "response.content_part.added": _IN_PART,
    "response.output_audio_transcript.delta": (*_SPOKEN_DELTAS, "response.output_audio.done"),
    "response.output_audio.delta": (*_SPOKEN_DELTAS, "response.output_audio.done"),
    "response.output_text.delta": ("response.output_text.delta", "response.output_text.done"),
    "response.output_audio.done": ("response.output_audio_transcript.done",),
    "response.output_audio_transcript.done": ("response.content_part.done",),
    "response.output_text.done": ("response.content_part.done",),
    "response.content_part.done": ("item done", "response.output_item.done"),
    "item done": ("response.output_item.done",),
    "response.output_item.done": (_END,),
    _END: (),
}

# Where OpenAI sends null; anywhere else a null breaks some client's schema.
_NULLABLE = {"previous_item_id", "status_details", "usage", "metadata", "transcript", "code", "param", "event_id"} | {
    "conversation_id"
}


class WireFault(AssertionError):
    """The server broke a rule of the protocol."""


def demand(claim: bool, complaint: str) -> None:
    if not claim:
        raise WireFault(complaint)


@dataclass
class _Response:
    """One response so far. ``item``: the message it consists of, once begun."""

    id: str
    metadata: Any
    at: str = "response.created"
    item_id: str | None = None
    is_in_conversation: bool = False
    text: str = ""
    done_item: Frame | None = None
    audio_bytes: int = 0


@dataclass
class WireChecker:
    """Feed it each frame, in order, with ``see``; call ``rest`` where nothing should be left open.

    ``allows_aside``: the test asks for responses outside the conversation, which may run beside another.
    """

    allows_aside: bool = False
    frames: list[Frame] = field(default_factory=list)
    responses: dict[str, _Response] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    speaking: str | None = None
    _event_ids: set[str] = field(default_factory=set)
    _user_items: set[str] = field(default_factory=set)
    _transcribed: set[str] = field(default_factory=set)
    _unfinished: set[str] = field(default_factory=set)
    _stopped: str | None = None
    _committed: str | None = None
    _may_drop_turn: bool = False
    _last_start_ms: int = 0

    def see(self, data: str | bytes) -> Frame:
        """Check one frame and give it back, parsed. Raises WireFault."""
        demand(isinstance(data, str), "a frame is text")
        demand(len(data) < LARGEST_FRAME_BYTES, f"a frame of {len(data)} bytes; clients take less than 1 MiB")
        frame: Frame = json.loads(data, parse_constant=_refuse_constant)
        try:
            self._check(frame)
        except WireFault as fault:
            story = "\n  ".join(_brief(f) for f in [*self.frames[-12:], frame])
            raise WireFault(f"{fault}, in\n  {story}") from None
        self.frames.append(frame)
        return frame

    def rest(self) -> None:
        """Nothing is under way any more."""
        demand(not self._open_responses(), "a response has no response.done")
        demand(not self._unfinished, f"items without conversation.item.done: {self._unfinished}")
        demand(self._committed is None, "a committed turn has no conversation.item.added")

    def _check(self, frame: Frame) -> None:
        kind = frame.get("type")
        demand(isinstance(kind, str), "a frame has a type")
        assert isinstance(kind, str)
        event_id = frame.get("event_id")
        demand(isinstance(event_id, str) and bool(event_id), "a frame has an event_id")
        demand(event_id not in self._event_ids, f"event_id {event_id} twice")
        self._event_ids.add(str(event_id))
        demand(bool(self.frames) == (kind != "session.created"), "session.created comes first, and once")
        _check_nulls(frame)
        if kind.startswith("response."):
            demand(self._committed is None, "a turn's item comes before anything else")
            demand(not self._unfinished & self._user_items, "a turn's item is done before it is answered")
            self._check_response(kind, frame)
        elif kind.startswith("input_audio_buffer."):
            self._check_input(kind.removeprefix("input_audio_buffer."), frame)
        elif kind.startswith("conversation.item.input_audio_transcription."):
            self._check_transcription(kind, frame)
        elif kind.startswith("conversation.item."):
            self._check_item(kind.removeprefix("conversation.item."), frame)
        else:
            demand(kind in KNOWN_TYPES, f"unknown type {kind}")
            self._may_drop_turn |= kind == "session.updated"

    # --- the user's turn ------------------------------------------------------------------------------------------

    def _check_input(self, kind: str, frame: Frame) -> None:
        demand(kind in _INPUT, f"unknown type input_audio_buffer.{kind}")
        demand(self._committed is None, "a committed turn's item comes at once")
        match kind:
            case "speech_started":
                self._check_speech_started(frame)
            case "speech_stopped":
                demand(frame["item_id"] == self.speaking, "speech_stopped is of the speech that started")
                demand(frame["audio_end_ms"] >= self._last_start_ms, "speech ends after it starts")
                self.speaking, self._stopped = None, frame["item_id"]
            case "committed":
                self._check_committed(frame)
            case "cleared":
                demand(self.speaking is None, "speech_stopped comes before cleared")
                self._stopped = None

    def _check_speech_started(self, frame: Frame) -> None:
        demand(self.speaking is None, "speech_started twice without speech_stopped")
        demand(self._stopped is None or self._may_drop_turn, "a turn that ended was not committed")
        demand(frame["item_id"] not in self.order, "speech_started names an item to come")
        demand(frame["audio_start_ms"] >= self._last_start_ms, "speech starts later than earlier speech")
        self.speaking, self._last_start_ms, self._may_drop_turn = frame["item_id"], frame["audio_start_ms"], False
        self._stopped = None
        self._user_items.add(frame["item_id"])

    def _check_committed(self, frame: Frame) -> None:
        demand(self.speaking is None, "speech_stopped comes before committed")
        demand(self._stopped in (None, frame["item_id"]) or self._may_drop_turn, "committed is of the speech before")
        demand(frame["item_id"] not in self.order, "an item is committed once")
        demand(frame["previous_item_id"] == self._last_item(), "committed.previous_item_id is the last item")
        self._committed, self._stopped = frame["item_id"], None
        self._user_items.add(frame["item_id"])

    def _last_item(self) -> str | None:
        return self.order[-1] if self.order else None

    def _check_transcription(self, kind: str, frame: Frame) -> None:
        demand(kind in KNOWN_TYPES, f"unknown type {kind}")
        item_id = frame["item_id"]
        demand(item_id in self._user_items, "a transcript is of a user's turn")
        demand(item_id not in self._transcribed, "nothing of a transcript after its end")
        demand(frame["content_index"] == 0, "a turn has one part")
        if kind.endswith("delta"):
            demand(bool(frame["delta"]), "a delta says something")
        else:
            demand(item_id in self.order or item_id == self._committed, "a transcript ends after its item was added")
            self._transcribed.add(item_id)
        if kind.endswith("completed"):
            demand(isinstance(frame["transcript"], str) and "type" in frame["usage"], "transcript and usage are there")

    # --- items ----------------------------------------------------------------------------------------------------

    def _check_item(self, kind: str, frame: Frame) -> None:
        demand(kind in _ITEM, f"unknown type conversation.item.{kind}")
        demand(self._committed is None or kind == "added", "a committed turn's item comes at once")
        match kind:
            case "added":
                self._check_added(frame)
            case "done":
                self._check_item_done(frame)
            case "deleted":
                demand(frame["item_id"] in self.order, "an item that is deleted was there")
                self.order.remove(frame["item_id"])
            case "retrieved":
                _check_item_shape(frame["item"])
                demand(frame["item"]["id"] in self.order, "an item that is retrieved is there")
            case "truncated":
                demand(frame["item_id"] in self.order, "an item that is truncated is there")

    def _check_added(self, frame: Frame) -> None:
        item, previous_id = frame["item"], frame["previous_item_id"]
        _check_item_shape(item)
        demand(item["id"] not in self.order, "an item is added once")
        demand(previous_id is None or previous_id in self.order, "previous_item_id names an item that is there")
        response = self._of_item(item["id"])
        if self._committed is not None:
            demand(item["id"] == self._committed, "the item added is the turn that was committed")
            demand(item["role"] == "user" and item["status"] == "completed", "a turn's item is the user's, completed")
            demand(item["content"] == [{"type": "input_audio", "transcript": None}], "its words are not known yet")
            demand(previous_id == self._last_item(), "a turn's item comes last")
            self._committed = None
        else:
            demand(item["id"] not in self._user_items, "a turn is committed before its item is added")
        if response is not None:
            demand(previous_id == self._last_item(), "an answer's item comes last")
            response.is_in_conversation = True
            self._advance(response, "item added")
        self.order.insert(self.order.index(previous_id) + 1 if previous_id else 0, item["id"])
        self._unfinished.add(item["id"])

    def _check_item_done(self, frame: Frame) -> None:
        item = frame["item"]
        _check_item_shape(item)
        demand(item["id"] in self._unfinished, "an item is done once, after it was added")
        self._unfinished.discard(item["id"])
        response = self._of_item(item["id"])
        if response is not None:
            self._advance(response, "item done")
            response.done_item = item
        else:
            demand(item["status"] == "completed", "an item that is not an answer is complete")

    def _of_item(self, item_id: str) -> _Response | None:
        return next((r for r in self.responses.values() if r.item_id == item_id), None)

    # --- responses ------------------------------------------------------------------------------------------------

    def _open_responses(self) -> list[_Response]:
        return [r for r in self.responses.values() if r.at != _END]

    def _advance(self, response: _Response, kind: str) -> None:
        demand(kind in NEXT[response.at], f"after {response.at} of a response comes no {kind}")
        response.at = kind

    def _check_response(self, kind: str, frame: Frame) -> None:
        if kind == "response.created":
            self._check_created(frame["response"])
            return
        demand(kind in NEXT, f"unknown type {kind}")
        response_id = frame["response"]["id"] if kind == _END else frame["response_id"]
        response = self.responses.get(response_id)
        demand(response is not None, "response.created comes first")
        assert response is not None
        self._advance(response, kind)
        if kind == _END:
            self._check_done(response, frame["response"])
        elif kind.startswith("response.output_item."):
            self._check_output_item(response, kind, frame)
        else:
            demand(frame["item_id"] == response.item_id, "it is of the response's item")
            demand(frame["output_index"] == frame["content_index"] == 0, "the one part of the one item")
            self._check_content(response, kind, frame)

    def _check_created(self, shown: Frame) -> None:
        demand(shown["id"] not in self.responses, "a response is created once")
        demand(self.allows_aside or not self._open_responses(), "one response at a time")
        demand(shown["status"] == "in_progress" and shown["output"] == [], "a new response is empty")
        demand(shown["usage"] is None and shown["status_details"] is None, "a new response has used nothing")
        _check_response_shape(shown)
        self.responses[shown["id"]] = _Response(shown["id"], shown["metadata"])

    def _check_output_item(self, response: _Response, kind: str, frame: Frame) -> None:
        item = frame["item"]
        _check_item_shape(item)
        demand(frame["output_index"] == 0 and item["role"] == "assistant", "one item, the assistant's")
        if kind.endswith("added"):
            demand(item["status"] == "in_progress" and item["content"] == [], "a new item is empty")
            demand(item["id"] not in self.order, "a new item is new")
            response.item_id = item["id"]
            return
        demand(item["id"] == response.item_id, "the item that is done was added")
        demand(not response.is_in_conversation or item == response.done_item, "both kinds of done show one item")
        (part,) = item["content"]
        demand(part.get("transcript", part.get("text")) == response.text, "the item holds what was said")
        response.done_item = item

    def _check_content(self, response: _Response, kind: str, frame: Frame) -> None:
        match kind.removeprefix("response."):
            case "content_part.added":
                demand(
                    frame["part"] in ({"type": "audio", "transcript": ""}, {"type": "text", "text": ""}),
                    "an empty part",
                )
            case "output_audio.delta":
                pcm = base64.b64decode(frame["delta"], validate=True)
                demand(0 < len(pcm) <= LARGEST_DELTA_BYTES, f"{len(pcm)} bytes of sound in a delta")
                demand(len(pcm) % 2 == 0, "whole samples")
                response.audio_bytes += len(pcm)
            case "output_audio_transcript.delta" | "output_text.delta":
                demand(bool(frame["delta"]), "a delta says something")
                response.text += frame["delta"]
            case "output_audio_transcript.done":
                demand(frame["transcript"] == response.text, "the deltas make up the transcript")
            case "output_text.done":
                demand(frame["text"] == response.text, "the deltas make up the text")
            case "content_part.done":
                part = frame["part"]
                demand(part.get("transcript", part.get("text")) == response.text, "the part holds what was said")

    def _check_done(self, response: _Response, shown: Frame) -> None:
        _check_response_shape(shown)
        demand(shown["metadata"] == response.metadata, "metadata is echoed alike")
        outputs = [response.done_item] if response.done_item else []
        demand(shown["output"] == outputs, "the output is the items that were done")
        status, details = shown["status"], shown["status_details"]
        demand(status in ("completed", "cancelled", "failed", "incomplete"), f"status {status} at the end")
        demand((details is None) == (status == "completed"), "status_details tell why it is not completed")
        demand(details is None or details["type"] == status, "status_details are of the status")
        demand(all((i["status"] == "completed") == (status == "completed") for i in outputs), "the item ends likewise")
        if status == "cancelled" and details["reason"] == "turn_detected":
            demand(self.speaking is not None, "speech_started comes before the answer's end, as clients cut on it")
        if status == "failed":
            demand(all(isinstance(details["error"][key], str) for key in ("type", "code", "message")), "it says why")
        counts = [shown["usage"][key] for key in ("total_tokens", "input_tokens", "output_tokens")]
        demand(all(isinstance(n, int) and n >= 0 for n in counts), "usage is counted")
        demand(counts[0] == counts[1] + counts[2], "usage adds up")


def _check_response_shape(shown: Frame) -> None:
    demand(shown["object"] == "realtime.response", "a response says what it is")
    demand(shown["output_modalities"] in (["audio"], ["text"]), "one modality")
    demand({"conversation_id", "max_output_tokens", "audio", "metadata"} <= shown.keys(), "a response is whole")


def _check_item_shape(item: Frame) -> None:
    demand(item["object"] == "realtime.item" and item["type"] == "message", "an item says what it is")
    demand(bool(item["id"]) and item["role"] in ("system", "user", "assistant"), "an item has an id and a role")
    demand(item["status"] in ("in_progress", "completed", "incomplete"), f"no such status: {item['status']}")
    for part in item["content"]:
        demand(part["type"] in ("input_text", "input_audio", "output_text", "output_audio"), f"no such part: {part}")
        demand(("transcript" if part["type"].endswith("audio") else "text") in part, f"a part without words: {part}")


def _check_nulls(frame: Frame) -> None:
    if not str(frame["type"]).startswith("session."):
        _demand_no_null(frame, str(frame["type"]))


def _demand_no_null(value: Any, path: str) -> None:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        demand(inner is not None or key in _NULLABLE, f"null at {path}.{key}")
        _demand_no_null(inner, f"{path}.{key}")


def _refuse_constant(name: str) -> None:
    raise WireFault(f"{name} is not JSON")


def _brief(frame: Frame) -> str:
    shown = {key: value for key, value in frame.items() if key not in ("type", "event_id", "delta")}
    return f"{frame.get('type')} {json.dumps(shown)[:160]}"

"""A linter for the wire: reads every frame that a server sends on one connection and knows what may follow what.

The rules are those of OpenAI's own server (GA), as its clients rely on them. The tests' clients feed a checker, so
that every conversation of every test is held to all of the rules, whatever it is about.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.wire_response import END, RESPONSE_TYPES, Frame, Output, Response, WireFault, check_begin, demand

__all__ = ["KNOWN_TYPES", "Frame", "WireChecker", "WireFault", "demand"]

LARGEST_FRAME_BYTES = 1024 * 1024

_INPUT = {"speech_started", "speech_stopped", "committed", "cleared", "timeout_triggered"}
_ITEM = {"added", "done", "deleted", "retrieved", "truncated"}
_TRANSCRIPTION = {"delta", "completed", "failed"}
_PROGRESS = {"in_progress", "completed", "failed"}
_PLAYOUT = {"started", "stopped", "cleared"}
# Duologue's own, for those who ask.
_OWN = {"response.timing", "overlap.judged", "attempt.ended", "context.trimmed", "conversation.opened"}
_OWN_PLAYOUT = {"lowered", "held", "resumed"}
KNOWN_TYPES = (
    {"session.created", "session.updated", "error", "rate_limits.updated"}
    | {f"input_audio_buffer.{name}" for name in _INPUT}
    | {f"output_audio_buffer.{name}" for name in _PLAYOUT}
    | {f"conversation.item.{name}" for name in _ITEM}
    | {f"conversation.item.input_audio_transcription.{name}" for name in _TRANSCRIPTION}
    | {f"mcp_list_tools.{name}" for name in _PROGRESS}
    | RESPONSE_TYPES
)

# Where OpenAI sends null; anywhere else a null breaks some client's schema.
_NULLABLE = {"previous_item_id", "status_details", "usage", "metadata", "transcript", "code", "param", "event_id"} | {
    "conversation_id",
    "output",
}
# What an item of each type has, besides "id", "object", "type" and "status".
_ITEM_FIELDS = {
    "message": {"role", "content"},
    "function_call": {"call_id", "name", "arguments"},
    "function_call_output": {"call_id", "output"},
    "mcp_list_tools": {"server_label", "tools"},
    "mcp_call": {"server_label", "name", "arguments", "output"},
    "mcp_approval_request": {"server_label", "name", "arguments"},
    "mcp_approval_response": {"approval_request_id", "approve"},
}
_PARTS = ("input_text", "input_audio", "input_image", "output_text", "output_audio")


@dataclass
class WireChecker:
    """Feed it each frame, in order, with ``see``; call ``rest`` where nothing should be left open.

    ``allows_aside``: the test asks for responses outside the conversation, which may run beside another.
    ``over_webrtc``: the events of a call, whose sound goes another way. ``joins``: a call that is under way.
    ``takes_own``: the client asked for events that are not OpenAI's.
    """

    allows_aside: bool = False
    over_webrtc: bool = False
    joins: bool = False
    takes_own: bool = False
    frames: list[Frame] = field(default_factory=list)
    responses: dict[str, Response] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    speaking: str | None = None
    _event_ids: set[str] = field(default_factory=set)
    _user_items: set[str] = field(default_factory=set)
    _transcribed: set[str] = field(default_factory=set)
    _unfinished: set[str] = field(default_factory=set)
    _stopped: str | None = None
    _committed: str | None = None
    _timed_out: str | None = None
    _playing: str | None = None
    _quiet: dict[str, str] = field(default_factory=dict)
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
        outputs = [output for response in self.responses.values() for output in response.outputs]
        demand(all(o.at == "response.output_item.done" for o in outputs), "an item has no response.output_item.done")
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
        is_first = not self.frames and not self.joins
        demand(is_first == (kind == "session.created"), "session.created comes first, and once")
        if kind.startswith("duologue."):
            self._check_own(kind.removeprefix("duologue."), frame)
            return
        _check_nulls(frame)
        if kind.startswith("response."):
            demand(self._committed is None, "a turn's item comes before anything else")
            demand(not self._unfinished & self._user_items, "a turn's item is done before it is answered")
            self._check_response(kind, frame)
        elif kind.startswith("output_audio_buffer."):
            self._check_playout(kind.removeprefix("output_audio_buffer."), frame)
        elif kind.startswith("input_audio_buffer."):
            self._check_input(kind.removeprefix("input_audio_buffer."), frame)
        elif kind.startswith("conversation.item.input_audio_transcription."):
            self._check_transcription(kind, frame)
        elif kind.startswith("conversation.item."):
            self._check_item(kind.removeprefix("conversation.item."), frame)
        else:
            demand(kind in KNOWN_TYPES, f"unknown type {kind}")
            self._may_drop_turn |= kind == "session.updated"
            if kind.startswith("mcp_list_tools."):
                demand(frame["item_id"] in self.order, "a list of tools is an item first")

    # --- what is not OpenAI's -------------------------------------------------------------------------------------

    def _check_own(self, kind: str, frame: Frame) -> None:
        demand(self.takes_own, f"duologue.{kind} was not asked for")
        if not kind.startswith("output_audio."):
            demand(kind in _OWN, f"unknown type duologue.{kind}")
            return
        what, reply_id = kind.removeprefix("output_audio."), frame["response_id"]
        demand(what in _OWN_PLAYOUT, f"unknown type duologue.{kind}")
        demand(reply_id in self.responses, "what is lowered or held is an answer")
        demand(not self.over_webrtc or self._playing == reply_id, "what is lowered or held is being played")
        if what == "resumed":
            demand(self._quiet.pop(reply_id, None) is not None, "what is resumed was lowered or held")
            return
        demand(what == "lowered" or self._quiet.get(reply_id) != "held", "what is held is not held again")
        demand(what == "held" or 0 < frame["gain"] < 1, "lower is softer, and no silence")
        self._quiet[reply_id] = what

    # --- the user's turn ------------------------------------------------------------------------------------------

    def _check_input(self, kind: str, frame: Frame) -> None:
        demand(kind in _INPUT, f"unknown type input_audio_buffer.{kind}")
        demand(self._committed is None, "a committed turn's item comes at once")
        demand(self._timed_out is None or kind == "committed", "after a timeout the empty turn is committed at once")
        match kind:
            case "timeout_triggered":
                demand(self.speaking is None, "nobody is speaking when a timeout comes")
                demand(frame["audio_start_ms"] <= frame["audio_end_ms"], "the silence has a length")
                self._timed_out = frame["item_id"]
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
        demand(self._timed_out in (None, frame["item_id"]), "the turn that is committed is the one that timed out")
        demand(frame["previous_item_id"] == self._last_item(), "committed.previous_item_id is the last item")
        self._committed, self._stopped = frame["item_id"], None
        self._user_items.add(frame["item_id"])

    def _last_item(self) -> str | None:
        return self.order[-1] if self.order else None

    def _check_transcription(self, kind: str, frame: Frame) -> None:
        demand(kind in KNOWN_TYPES, f"unknown type {kind}")
        item_id = frame["item_id"]
        if kind.endswith("delta") and self.speaking is None:
            # A client that commits by hand is shown words of the turn that it will commit.
            self._user_items.add(item_id)
        demand(item_id in self._user_items, "a transcript is of a user's turn")
        demand(item_id not in self._transcribed, "nothing of a transcript after its end")
        demand(frame["content_index"] == 0, "a turn has one part")
        if kind.endswith("delta"):
            demand(bool(frame["delta"]), "a delta says something")
        else:
            is_there = item_id in self.order or item_id == self._committed
            demand(is_there or kind.endswith("failed"), "a transcript ends after its item was added")
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
        output = self._output(item["id"])
        if self._committed is not None:
            demand(item["id"] == self._committed, "the item added is the turn that was committed")
            demand(item["role"] == "user" and item["status"] == "completed", "a turn's item is the user's, completed")
            words = None if self._timed_out is None else ""
            demand(item["content"] == [{"type": "input_audio", "transcript": words}], "its words are not known yet")
            demand(previous_id == self._last_item(), "a turn's item comes last")
            self._committed = self._timed_out = None
        else:
            demand(item["id"] not in self._user_items, "a turn is committed before its item is added")
        if output is not None:
            demand(previous_id == self._last_item(), "an answer's item comes last")
            output.is_in_conversation = True
            output.advance("item added")
        self.order.insert(self.order.index(previous_id) + 1 if previous_id else 0, item["id"])
        self._unfinished.add(item["id"])

    def _check_item_done(self, frame: Frame) -> None:
        item = frame["item"]
        _check_item_shape(item)
        demand(item["id"] in self._unfinished, "an item is done once, after it was added")
        self._unfinished.discard(item["id"])
        output = self._output(item["id"])
        if output is not None:
            output.advance("item done")
            output.done = item
        else:
            is_listing = item["type"] == "mcp_list_tools"
            demand(item["status"] == "completed" or is_listing, "an item that is not an answer is complete")

    def _output(self, item_id: str) -> Output | None:
        return next((found for r in self.responses.values() if (found := r.item(item_id)) is not None), None)

    # --- responses ------------------------------------------------------------------------------------------------

    def _open_responses(self) -> list[Response]:
        return [response for response in self.responses.values() if not response.is_over]

    def _check_response(self, kind: str, frame: Frame) -> None:
        demand(kind in RESPONSE_TYPES, f"unknown type {kind}")
        if kind == "response.created":
            self._check_created(frame["response"])
        elif kind == END:
            self._check_done(frame["response"])
        elif kind.startswith("response.mcp_call"):
            self._check_mcp_call(kind, frame)
        else:
            response = self.responses.get(frame["response_id"])
            demand(response is not None, "response.created comes first")
            assert response is not None
            self._check_output(response, kind, frame)

    def _check_output(self, response: Response, kind: str, frame: Frame) -> None:
        demand(not self.over_webrtc or kind != "response.output_audio.delta", "the sound goes another way")
        if kind.startswith("response.output_item."):
            _check_item_shape(frame["item"])
        if kind == "response.output_item.added":
            demand(frame["item"]["id"] not in self.order, "a new item is new")
            response.add(frame)
            return
        item_id = frame["item"]["id"] if kind == "response.output_item.done" else frame["item_id"]
        output = response.item(item_id)
        demand(output is not None, "it is of an item of the response")
        assert output is not None
        response.see(output, kind, frame)

    def _check_mcp_call(self, kind: str, frame: Frame) -> None:
        """A call that had to be approved is an item of the conversation and not of a response."""
        for response in self.responses.values():
            if (output := response.item(frame["item_id"])) is not None:
                response.see(output, kind, {**frame, "response_id": response.id})
                return
        demand(frame["item_id"] in self.order, "a call is an item first")

    def _check_created(self, shown: Frame) -> None:
        demand(shown["id"] not in self.responses, "a response is created once")
        demand(self.allows_aside or not self._open_responses(), "one response at a time")
        check_begin(shown)
        self.responses[shown["id"]] = Response(
            shown["id"], shown["metadata"], is_pcm=shown["audio"]["output"]["format"]["type"] == "audio/pcm"
        )

    def _check_done(self, shown: Frame) -> None:
        response = self.responses.get(shown["id"])
        demand(response is not None, "response.created comes first")
        assert response is not None
        response.end(shown)
        if shown["status"] == "cancelled" and shown["status_details"]["reason"] == "turn_detected":
            demand(self.speaking is not None, "speech_started comes before the answer's end, as clients cut on it")

    def _check_playout(self, kind: str, frame: Frame) -> None:
        demand(self.over_webrtc and kind in _PLAYOUT, f"unknown type output_audio_buffer.{kind}")
        demand(frame["response_id"] in self.responses, "what is played is a response")
        if kind == "started":
            demand(self._playing is None, "one response is played at a time")
            self._playing = frame["response_id"]
        else:
            demand(self._playing == frame["response_id"], "only what is played can end")
            self._playing = None


def _check_item_shape(item: Frame) -> None:
    demand(item["object"] == "realtime.item" and item["type"] in _ITEM_FIELDS, "an item says what it is")
    demand(_ITEM_FIELDS[item["type"]] <= item.keys(), f"an item of type {item['type']} is whole")
    demand(bool(item["id"]), "an item has an id")
    demand(item["status"] in ("in_progress", "completed", "incomplete"), f"no such status: {item['status']}")
    demand(item.get("role", "user") in ("system", "user", "assistant"), f"no such role: {item.get('role')}")
    for part in item.get("content", []):
        demand(part["type"] in _PARTS, f"no such part: {part}")
        words = "transcript" if part["type"].endswith("audio") else "text"
        demand(part["type"] == "input_image" or words in part, f"a part without words: {part}")


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

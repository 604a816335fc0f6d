"""What a linter for the wire knows of one response: the items that it is made of, and what may follow what in each."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

Frame = dict[str, Any]

LARGEST_DELTA_BYTES = 24_000  # 500 ms of s16le at 24 kHz

END = "response.done"
# Of one item of a response: what came last -> what may come next. "item ..." stands for its conversation.item.* frames,
# which an item outside the conversation does not have.
_SPOKEN_DELTAS = ("response.output_audio_transcript.delta", "response.output_audio.delta")
_MESSAGE = {
    "response.output_item.added": ("item added", "response.content_part.added"),
    "item added": ("response.content_part.added",),
    "response.content_part.added": (
        *_SPOKEN_DELTAS,
        "response.output_text.delta",
        "response.output_audio.done",
        "response.output_text.done",
    ),
    "response.output_audio_transcript.delta": (*_SPOKEN_DELTAS, "response.output_audio.done"),
    "response.output_audio.delta": (*_SPOKEN_DELTAS, "response.output_audio.done"),
    "response.output_text.delta": ("response.output_text.delta", "response.output_text.done"),
    "response.output_audio.done": ("response.output_audio_transcript.done",),
    "response.output_audio_transcript.done": ("response.content_part.done",),
    "response.output_text.done": ("response.content_part.done",),
    "response.content_part.done": ("item done", "response.output_item.done"),
    "item done": ("response.output_item.done",),
    "response.output_item.done": (),
}
# A call that is cut short has no ".done".
_CALL_ENDS = ("response.function_call_arguments.done", "item done", "response.output_item.done")
_FUNCTION_CALL = {
    "response.output_item.added": ("item added", "response.function_call_arguments.delta", *_CALL_ENDS),
    "item added": ("response.function_call_arguments.delta", *_CALL_ENDS),
    "response.function_call_arguments.delta": ("response.function_call_arguments.delta", *_CALL_ENDS),
    "response.function_call_arguments.done": ("item done", "response.output_item.done"),
    "item done": ("response.output_item.done",),
    "response.output_item.done": (),
}
_MCP_ENDS = ("response.mcp_call_arguments.done", "item done", "response.output_item.done")
_MCP_CALL = {
    "response.output_item.added": ("item added", "response.mcp_call_arguments.delta", *_MCP_ENDS),
    "item added": ("response.mcp_call_arguments.delta", *_MCP_ENDS),
    "response.mcp_call_arguments.delta": ("response.mcp_call_arguments.delta", *_MCP_ENDS),
    "response.mcp_call_arguments.done": ("response.mcp_call.in_progress",),
    "response.mcp_call.in_progress": ("response.mcp_call.completed", "response.mcp_call.failed"),
    "response.mcp_call.completed": ("item done", "response.output_item.done"),
    "response.mcp_call.failed": ("item done", "response.output_item.done"),
    "item done": ("response.output_item.done",),
    "response.output_item.done": (),
}
_MCP_APPROVAL_REQUEST = {
    "response.output_item.added": ("item added", "item done", "response.output_item.done"),
    "item added": ("item done", "response.output_item.done"),
    "item done": ("response.output_item.done",),
    "response.output_item.done": (),
}
NEXT: dict[str, dict[str, tuple[str, ...]]] = {
    "message": _MESSAGE,
    "function_call": _FUNCTION_CALL,
    "mcp_call": _MCP_CALL,
    "mcp_approval_request": _MCP_APPROVAL_REQUEST,
}
RESPONSE_TYPES = {"response.created", END} | {
    kind for grammar in NEXT.values() for kind in grammar if kind.startswith("response.")
}


class WireFault(AssertionError):
    """The server broke a rule of the protocol."""


def demand(claim: bool, complaint: str) -> None:
    if not claim:
        raise WireFault(complaint)


@dataclass
class Output:
    """One item of a response. ``said``: its words, or the arguments of a call."""

    id: str
    kind: str
    index: int
    at: str = "response.output_item.added"
    said: str = ""
    is_said: bool = False
    call_id: str | None = None
    is_in_conversation: bool = False
    shown: Frame = field(default_factory=dict)
    done: Frame | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is still being given. A call that the server carries out may go on beside what follows."""
        carried_out = self.kind == "mcp_call" and "mcp_call" in self.at
        return self.at != "response.output_item.done" and not carried_out

    def advance(self, kind: str) -> None:
        demand(kind in NEXT[self.kind][self.at], f"after {self.at} of a {self.kind} comes no {kind}")
        self.at = kind


@dataclass
class Response:
    """One response so far."""

    id: str
    metadata: Any
    is_pcm: bool = True
    outputs: list[Output] = field(default_factory=list)
    is_over: bool = False

    def item(self, item_id: str) -> Output | None:
        return next((output for output in self.outputs if output.id == item_id), None)

    def add(self, frame: Frame) -> Output:
        """``response.output_item.added``."""
        item = frame["item"]
        demand(not self.is_over, "nothing is added to a response that is over")
        demand(all(not output.is_open for output in self.outputs), "one item is given at a time")
        demand(frame["output_index"] == len(self.outputs), "the items of a response are counted from 0")
        demand(item["type"] in NEXT, f"no response holds a {item['type']}")
        demand(item["status"] == "in_progress", "a new item is in progress")
        if item["type"] == "message":
            demand(item["role"] == "assistant" and item["content"] == [], "a new message is the assistant's, empty")
        else:
            demand(item["arguments"] == "", "a new call has no arguments yet")
        output = Output(item["id"], item["type"], frame["output_index"], call_id=item.get("call_id"), shown=item)
        self.outputs.append(output)
        return output

    def see(self, output: Output, kind: str, frame: Frame) -> None:
        """Any other frame of an item."""
        demand(frame["output_index"] == output.index, "an item keeps its place")
        output.advance(kind)
        if kind == "response.output_item.done":
            self._see_item_done(output, frame["item"])
            return
        demand(not self.is_over or "mcp_call" in kind, "nothing of a response after its end")
        if output.kind == "message":
            demand(frame["content_index"] == 0, "a message has one part")
            if kind == "response.output_audio.delta":
                sound = base64.b64decode(frame["delta"], validate=True)
                demand(0 < len(sound) <= LARGEST_DELTA_BYTES, f"{len(sound)} bytes of sound in a delta")
                demand(not self.is_pcm or len(sound) % 2 == 0, "whole samples")
            _see_content(output, kind, frame)
        else:
            demand(frame.get("call_id") == output.call_id, "a call keeps its call_id")
            _see_call(output, kind, frame)

    def _see_item_done(self, output: Output, item: Frame) -> None:
        demand(not output.is_in_conversation or item == output.done, "both kinds of done show one item")
        if output.kind == "message":
            (part,) = item["content"]
            demand(part.get("transcript", part.get("text")) == output.said, "the item holds what was said")
        elif output.kind != "mcp_approval_request":
            demand(item["arguments"] == output.said, "the item holds the arguments")
            demand(output.is_said or item["status"] != "completed", "a call that is whole has had its arguments' end")
        output.done = item

    def end(self, shown: Frame) -> None:
        """``response.done``."""
        demand(not self.is_over, "a response ends once")
        demand(all(not output.is_open or output.kind == "mcp_call" for output in self.outputs), "an item has no end")
        self.is_over = True
        demand(shown["metadata"] == self.metadata, "metadata is echoed alike")
        demand([item["id"] for item in shown["output"]] == [o.id for o in self.outputs], "the output is its items")
        for item, output in zip(shown["output"], self.outputs, strict=True):
            demand(output.done is None or item == output.done, "the output is the items as they were done")
        check_end(shown)


def _see_call(output: Output, kind: str, frame: Frame) -> None:
    if kind.endswith("arguments.delta"):
        demand(bool(frame["delta"]), "a delta says something")
        output.said += frame["delta"]
    elif kind.endswith("arguments.done"):
        output.is_said = True
        demand(frame["arguments"] == output.said, "the deltas make up the arguments")
        demand(output.kind != "function_call" or frame["name"] == output.shown["name"], "a call keeps its name")


def _see_content(output: Output, kind: str, frame: Frame) -> None:
    match kind.removeprefix("response."):
        case "content_part.added":
            empty = ({"type": "audio", "transcript": ""}, {"type": "text", "text": ""})
            demand(frame["part"] in empty, "a new part is empty")
        case "output_audio_transcript.delta" | "output_text.delta":
            demand(bool(frame["delta"]), "a delta says something")
            output.said += frame["delta"]
        case "output_audio_transcript.done":
            demand(frame["transcript"] == output.said, "the deltas make up the transcript")
        case "output_text.done":
            demand(frame["text"] == output.said, "the deltas make up the text")
        case "content_part.done":
            part = frame["part"]
            demand(part.get("transcript", part.get("text")) == output.said, "the part holds what was said")


def check_begin(shown: Frame) -> None:
    """A response as ``response.created`` shows it."""
    demand(shown["status"] == "in_progress" and shown["output"] == [], "a new response is empty")
    demand(shown["usage"] is None and shown["status_details"] is None, "a new response has used nothing")
    _check_shape(shown)


def check_end(shown: Frame) -> None:
    """A response as ``response.done`` shows it."""
    _check_shape(shown)
    status, details = shown["status"], shown["status_details"]
    demand(status in ("completed", "cancelled", "failed", "incomplete"), f"status {status} at the end")
    demand((details is None) == (status == "completed"), "status_details tell why it is not completed")
    demand(details is None or details["type"] == status, "status_details are of the status")
    given = [item["status"] for item in shown["output"] if item["type"] != "mcp_call"]
    demand(status != "completed" or set(given) <= {"completed"}, "the items of a completed response are completed")
    # What was whole before the answer was cut off, such as a call, stays so.
    demand(status == "completed" or set(given[:-1]) <= {"completed"}, "only the last item is cut off")
    is_cut = status != "completed" and given and shown["output"][-1]["type"] == "message"
    demand(not is_cut or given[-1] == "incomplete", "the message of a cut response is incomplete")
    if status == "failed":
        demand(all(isinstance(details["error"][key], str) for key in ("type", "code", "message")), "it says why")
    counts = [shown["usage"][key] for key in ("total_tokens", "input_tokens", "output_tokens")]
    demand(all(isinstance(n, int) and n >= 0 for n in counts), "usage is counted")
    demand(counts[0] == counts[1] + counts[2], "usage adds up")


def _check_shape(shown: Frame) -> None:
    demand(shown["object"] == "realtime.response", "a response says what it is")
    demand(shown["output_modalities"] in (["audio"], ["text"]), "one modality")
    demand({"conversation_id", "max_output_tokens", "audio", "metadata"} <= shown.keys(), "a response is whole")

"""What the session says -> the frames that tell its client.

Order and shape follow the traces of OpenAI's own server: one session event often is several on the wire, and those
are given together so that nothing can come between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from duologue.audio.telephone import TelephoneEncoder
from duologue.events import (
    AudioCleared,
    Event,
    Failed,
    IdleTimeout,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemRetrieved,
    ItemTruncated,
    McpCallProgress,
    McpListingProgress,
    PlayoutCleared,
    PlayoutHeld,
    PlayoutLowered,
    PlayoutResumed,
    PlayoutStarted,
    PlayoutStopped,
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
    TranscriptDelta,
    TranscriptDone,
    TranscriptFailed,
    TurnCommitted,
)
from duologue.items import FunctionCall, McpCall, Message, SoundFormat, new_id
from duologue.protocols.openai_realtime import own_events
from duologue.protocols.openai_realtime.fields import PCM
from duologue.protocols.openai_realtime.items import from_item

Frame = dict[str, Any]
_FORMATS: Mapping[SoundFormat, Frame] = {
    "pcm16": PCM,
    "mulaw": {"type": "audio/pcmu"},
    "alaw": {"type": "audio/pcma"},
}
# Its logarithm can still be written in JSON.
LEAST_PROB = 1e-9
_TRANSCRIPTION = "conversation.item.input_audio_transcription"


class ServerEvents:
    """One connection's events, in order. ``over_webrtc``: the sound goes another way, and what is played is known.
    ``with_metrics``, ``with_playout``: the client takes events that are not OpenAI's, of what is measured and of what
    is to be done with the sound that it holds."""

    def __init__(self, *, over_webrtc: bool = False, with_metrics: bool = False, with_playout: bool = False) -> None:
        self._with_metrics = with_metrics
        self._with_playout = with_playout
        self.conversation_id = new_id("conv")
        self._over_webrtc = over_webrtc
        self._playing: str | None = None
        self._encoders: dict[str, TelephoneEncoder] = {}

    def frames(self, event: Event) -> list[Frame]:
        """The frames for ``event``, without their event ids."""
        return _TRANSLATIONS[type(event)](self, event)

    # --- the user's turn --------------------------------------------------------------------------------------

    def _speech_started(self, e: SpeechStarted) -> list[Frame]:
        return [{"type": "input_audio_buffer.speech_started", "audio_start_ms": e.at_ms, "item_id": e.item_id}]

    def _speech_stopped(self, e: SpeechStopped) -> list[Frame]:
        return [{"type": "input_audio_buffer.speech_stopped", "audio_end_ms": e.at_ms, "item_id": e.item_id}]

    def _committed(self, e: TurnCommitted) -> list[Frame]:
        frame = {"type": "input_audio_buffer.committed", "item_id": e.item_id}
        return [{**frame, "previous_item_id": e.previous_item_id}]

    def _cleared(self, _e: AudioCleared) -> list[Frame]:
        return [{"type": "input_audio_buffer.cleared"}]

    def _idle_timeout(self, e: IdleTimeout) -> list[Frame]:
        span = {"audio_start_ms": e.start_ms, "audio_end_ms": e.end_ms}
        return [{"type": "input_audio_buffer.timeout_triggered", **span, "item_id": e.item_id}]

    def _transcript_delta(self, e: TranscriptDelta) -> list[Frame]:
        return [{"type": f"{_TRANSCRIPTION}.delta", "item_id": e.item_id, "content_index": 0, "delta": e.text}]

    def _transcript_done(self, e: TranscriptDone) -> list[Frame]:
        frame = {"type": f"{_TRANSCRIPTION}.completed", "item_id": e.item_id, "content_index": 0}
        said = {"transcript": e.text, "usage": {"type": "duration", "seconds": round(e.audio_s, 3)}}
        return [{**frame, **said, **({"logprobs": [_logprob(*each) for each in e.probs]} if e.probs else {})}]

    def _transcript_failed(self, e: TranscriptFailed) -> list[Frame]:
        error = {"type": "server_error", "code": e.code, "message": e.message}
        return [{"type": f"{_TRANSCRIPTION}.failed", "item_id": e.item_id, "content_index": 0, "error": error}]

    # --- items ------------------------------------------------------------------------------------------------

    def _item_added(self, e: ItemAdded) -> list[Frame]:
        return [_item_frame("conversation.item.added", e)]

    def _item_done(self, e: ItemDone) -> list[Frame]:
        return [_item_frame("conversation.item.done", e)]

    def _item_deleted(self, e: ItemDeleted) -> list[Frame]:
        return [{"type": "conversation.item.deleted", "item_id": e.item_id}]

    def _item_retrieved(self, e: ItemRetrieved) -> list[Frame]:
        return [{"type": "conversation.item.retrieved", "item": from_item(e.item)}]

    def _item_truncated(self, e: ItemTruncated) -> list[Frame]:
        return [_truncated(e.item_id, e.audio_end_ms)]

    def _mcp_listing(self, e: McpListingProgress) -> list[Frame]:
        return [{"type": f"mcp_list_tools.{e.phase}", "item_id": e.item_id}]

    # --- the answer -------------------------------------------------------------------------------------------

    def _reply_started(self, e: ReplyStarted) -> list[Frame]:
        if e.manner.output_format != "pcm16":
            self._encoders[e.reply_id] = TelephoneEncoder(e.manner.output_format)
        return [{"type": "response.created", "response": self._response(e.reply_id, "in_progress", e.manner)}]

    def _reply_item_started(self, e: ReplyItemStarted) -> list[Frame]:
        shown = from_item(e.item)
        if isinstance(e.item, Message):
            shown["content"] = []
        frames: list[Frame] = [{"type": "response.output_item.added", **_output(e), "item": shown}]
        if e.in_conversation:
            added = {"type": "conversation.item.added", "previous_item_id": e.previous_item_id}
            frames.append({**added, "item": shown})
        if isinstance(e.item, Message):
            frames.append({"type": "response.content_part.added", **_content(e, e.item.id), "part": _part(e.item, "")})
        return frames

    def _reply_text(self, e: ReplyText) -> list[Frame]:
        kind = "response.output_audio_transcript.delta" if e.is_spoken else "response.output_text.delta"
        return [{"type": kind, **_content(e, e.item_id), "delta": e.text}]

    def _reply_audio(self, e: ReplyAudio) -> list[Frame]:
        encoder = self._encoders.get(e.reply_id)
        sound = e.pcm if encoder is None else encoder.encode(e.pcm)
        return [self._sound(e, e.item_id, sound)] if sound and not self._over_webrtc else []

    def _sound(self, e: ReplyAudio | ReplyItemDone, item_id: str, sound: bytes) -> Frame:
        return {"type": "response.output_audio.delta", **_content(e, item_id), "delta": sound}

    def _reply_arguments(self, e: ReplyArguments) -> list[Frame]:
        # One client's schema wants the padding, there and nowhere else.
        padding = {"obfuscation": ""} if isinstance(e.item, McpCall) else {}
        return [{"type": f"{_arguments(e.item)}.delta", **_call(e, e.item), "delta": e.text, **padding}]

    def _reply_item_done(self, e: ReplyItemDone) -> list[Frame]:
        item = from_item(e.item)
        frames = self._ends(e)
        if e.in_conversation:
            done = {"type": "conversation.item.done", "previous_item_id": e.previous_item_id, "item": item}
            frames.append(done)
        return [*frames, {"type": "response.output_item.done", **_output(e), "item": item}]

    def _ends(self, e: ReplyItemDone) -> list[Frame]:
        """What closes the item's contents."""
        if isinstance(e.item, FunctionCall):
            if e.item.status != "completed":
                return []
            return [
                {
                    "type": "response.function_call_arguments.done",
                    **_call(e, e.item),
                    "name": e.item.name,
                    "arguments": e.item.arguments,
                }
            ]
        if not isinstance(e.item, Message):
            return []
        place, text = _content(e, e.item.id), e.item.parts[0].text or ""
        part_done = {"type": "response.content_part.done", **place, "part": _part(e.item, text)}
        if e.item.parts[0].kind != "output_audio":
            return [{"type": "response.output_text.done", **place, "text": text}, part_done]
        encoder = self._encoders.get(e.reply_id)
        rest = encoder.flush() if encoder is not None and e.item.status == "completed" else b""
        return [
            *([self._sound(e, e.item.id, rest)] if rest and not self._over_webrtc else []),
            {"type": "response.output_audio.done", **place},
            {"type": "response.output_audio_transcript.done", **place, "transcript": text},
            part_done,
        ]

    def _mcp_call(self, e: McpCallProgress) -> list[Frame]:
        progress = {"type": f"response.mcp_call.{e.phase}", "item_id": e.item.id, "output_index": e.index}
        if e.phase != "in_progress":
            return [progress]
        return [{"type": f"{_arguments(e.item)}.done", **_call(e, e.item), "arguments": e.item.arguments}, progress]

    def _reply_done(self, e: ReplyDone) -> list[Frame]:
        self._encoders.pop(e.reply_id, None)
        response = self._response(e.reply_id, e.status, e.manner)
        response["status_details"] = _status_details(e)
        response["output"] = [from_item(item) for item in e.output]
        response["usage"] = _usage(e)
        return [{"type": "response.done", "response": response}, {"type": "rate_limits.updated", "rate_limits": []}]

    def _response(self, reply_id: str, status: str, manner: ReplyManner) -> Frame:
        tokens = manner.max_output_tokens
        return {
            "object": "realtime.response",
            "id": reply_id,
            "status": status,
            "status_details": None,
            "output": [],
            "conversation_id": self.conversation_id if manner.in_conversation else None,
            "output_modalities": [manner.modality],
            "max_output_tokens": "inf" if tokens is None else tokens,
            "audio": {"output": {"format": _FORMATS[manner.output_format], "voice": manner.voice}},
            "usage": None,
            "metadata": manner.metadata,
        }

    def _measured(self, e: Event) -> list[Frame]:
        return [own_events.MEASURED[type(e)](e)] if self._with_metrics else []

    # --- playout, and errors ----------------------------------------------------------------------------------

    def _playout_started(self, e: PlayoutStarted) -> list[Frame]:
        self._playing = e.reply_id
        return [{"type": "output_audio_buffer.started", "response_id": e.reply_id}] if self._over_webrtc else []

    def _playout_stopped(self, e: PlayoutStopped) -> list[Frame]:
        return [{"type": "output_audio_buffer.stopped", "response_id": e.reply_id}] if self._over_webrtc else []

    def _playout_cleared(self, e: PlayoutCleared) -> list[Frame]:
        """Over a WebSocket the client holds the sound, and says itself what it played."""
        if not self._over_webrtc:
            return []
        truncated = _truncated(e.item_id, e.heard_ms)
        # Of an answer whose sound still waited for its turn, nothing had started.
        if e.reply_id != self._playing:
            return [truncated]
        return [{"type": "output_audio_buffer.cleared", "response_id": e.reply_id}, truncated]

    def _playout_lowered(self, e: PlayoutLowered) -> list[Frame]:
        return self._of_playout("lowered", e.reply_id, gain=e.gain)

    def _playout_held(self, e: PlayoutHeld) -> list[Frame]:
        return self._of_playout("held", e.reply_id)

    def _playout_resumed(self, e: PlayoutResumed) -> list[Frame]:
        return self._of_playout("resumed", e.reply_id)

    def _of_playout(self, what: str, reply_id: str, **more: float) -> list[Frame]:
        """Only for clients that promised to obey."""
        frame = {"type": f"duologue.output_audio.{what}", "response_id": reply_id, **more}
        return [frame] if self._with_playout else []

    def _failed(self, e: Failed) -> list[Frame]:
        error = {"type": e.kind, "code": e.code, "message": e.message, "param": e.param, "event_id": e.ref}
        return [{"type": "error", "error": error}]


def _logprob(word: str, prob: float) -> Frame:
    return {"token": word, "logprob": math.log(max(prob, LEAST_PROB)), "bytes": list(word.encode())}


def _item_frame(kind: str, e: ItemAdded | ItemDone) -> Frame:
    return {"type": kind, "previous_item_id": e.previous_item_id, "item": from_item(e.item)}


def _truncated(item_id: str, audio_end_ms: int) -> Frame:
    place = {"item_id": item_id, "content_index": 0}
    return {"type": "conversation.item.truncated", **place, "audio_end_ms": audio_end_ms}


def _output(e: ReplyItemStarted | ReplyItemDone) -> Frame:
    return {"response_id": e.reply_id, "output_index": e.index}


def _content(e: Any, item_id: str) -> Frame:
    return {"response_id": e.reply_id, "item_id": item_id, "output_index": e.index, "content_index": 0}


def _call(e: ReplyArguments | ReplyItemDone | McpCallProgress, item: FunctionCall | McpCall) -> Frame:
    place = {"response_id": e.reply_id, "item_id": item.id, "output_index": e.index}
    return {**place, "call_id": item.call_id} if isinstance(item, FunctionCall) else place


def _arguments(item: FunctionCall | McpCall) -> str:
    return "response.function_call_arguments" if isinstance(item, FunctionCall) else "response.mcp_call_arguments"


def _part(item: Message, text: str) -> Frame:
    """A content part's type is "audio" or "text" here, unlike in an item."""
    if item.parts[0].kind == "output_audio":
        return {"type": "audio", "transcript": text}
    return {"type": "text", "text": text}


def _status_details(e: ReplyDone) -> Frame | None:
    if e.status == "completed":
        return None
    if e.status == "failed":
        error = {"type": "server_error", "code": e.error_code, "message": e.error_message}
        return {"type": "failed", "error": error}
    return {"type": e.status, "reason": e.reason}


def _usage(e: ReplyDone) -> Frame:
    usage = e.usage
    inputs = usage.input_text_tokens + usage.input_audio_tokens
    outputs = usage.output_text_tokens + usage.output_audio_tokens
    return {
        "total_tokens": inputs + outputs,
        "input_tokens": inputs,
        "output_tokens": outputs,
        "input_token_details": {
            "text_tokens": usage.input_text_tokens,
            "audio_tokens": usage.input_audio_tokens,
            "image_tokens": 0,
            "cached_tokens": usage.cached_tokens,
        },
        "output_token_details": {
            "text_tokens": usage.output_text_tokens,
            "audio_tokens": usage.output_audio_tokens,
        },
    }


_TRANSLATIONS: dict[type[Event], Callable[[ServerEvents, Any], list[Frame]]] = {
    SpeechStarted: ServerEvents._speech_started,
    SpeechStopped: ServerEvents._speech_stopped,
    TurnCommitted: ServerEvents._committed,
    AudioCleared: ServerEvents._cleared,
    IdleTimeout: ServerEvents._idle_timeout,
    TranscriptDelta: ServerEvents._transcript_delta,
    TranscriptDone: ServerEvents._transcript_done,
    TranscriptFailed: ServerEvents._transcript_failed,
    ItemAdded: ServerEvents._item_added,
    ItemDone: ServerEvents._item_done,
    ItemDeleted: ServerEvents._item_deleted,
    ItemRetrieved: ServerEvents._item_retrieved,
    ItemTruncated: ServerEvents._item_truncated,
    McpListingProgress: ServerEvents._mcp_listing,
    ReplyStarted: ServerEvents._reply_started,
    ReplyItemStarted: ServerEvents._reply_item_started,
    ReplyText: ServerEvents._reply_text,
    ReplyAudio: ServerEvents._reply_audio,
    ReplyArguments: ServerEvents._reply_arguments,
    ReplyItemDone: ServerEvents._reply_item_done,
    McpCallProgress: ServerEvents._mcp_call,
    ReplyDone: ServerEvents._reply_done,
    PlayoutStarted: ServerEvents._playout_started,
    PlayoutStopped: ServerEvents._playout_stopped,
    PlayoutCleared: ServerEvents._playout_cleared,
    PlayoutLowered: ServerEvents._playout_lowered,
    PlayoutHeld: ServerEvents._playout_held,
    PlayoutResumed: ServerEvents._playout_resumed,
    Failed: ServerEvents._failed,
    **dict.fromkeys(own_events.MEASURED, ServerEvents._measured),
}

"""The OpenAI Realtime protocol (GA) without I/O: text frames in, what the session is told and text frames out.

Order and shape of the server's events follow the traces of OpenAI's own server: one session event often is
several on the wire, and those are given together so that nothing can come between them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from duologue.errors import ClientError
from duologue.events import (
    AppendAudio,
    AudioCleared,
    CancelReply,
    ClearAudio,
    CommitAudio,
    Configure,
    CreateItem,
    CreateReply,
    DeleteItem,
    Event,
    Failed,
    Item,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemRetrieved,
    ItemTruncated,
    ReplyAudio,
    ReplyDone,
    ReplyItemDone,
    ReplyItemStarted,
    ReplyStarted,
    ReplyText,
    RetrieveItem,
    SessionConfig,
    SpeechStarted,
    SpeechStopped,
    Told,
    TranscriptDelta,
    TranscriptDone,
    TranscriptFailed,
    TruncateItem,
    TurnCommitted,
    new_id,
)
from duologue.protocols.openai_realtime import messages as wire
from duologue.protocols.openai_realtime.settings import WireSession, reply_options

Frame = dict[str, Any]
NULL = msgspec.Raw(b"null")


@dataclass
class Received:
    """What one client frame leads to: ``told`` for the session, ``frames`` back to the client at once."""

    told: list[Told] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)


class RealtimeProtocol:
    """One connection's dialect: its effective settings, and translation both ways."""

    def __init__(self, model: str, defaults: SessionConfig, *, now_s: int) -> None:
        """``now_s``: the present second of the calendar, for what the wire says of expiry."""
        self._session = WireSession(model, defaults, now_s)
        self._conversation_id = new_id("conv")
        self._encoder = msgspec.json.Encoder()

    @property
    def session_id(self) -> str:
        return str(self._session.shown["id"])

    def config(self) -> SessionConfig:
        """The settings that the session starts with."""
        return self._session.config()

    def greet(self) -> list[bytes]:
        """The first frames of a connection."""
        return self._encode([{"type": "session.created", "session": self._session.shown}])

    # --- client -> session ----------------------------------------------------------------------------------------

    def receive(self, data: str | bytes) -> Received:
        """One frame from the client. Never raises for what it says: a fault becomes an ``error`` frame."""
        ref: str | None = None
        try:
            event = wire.decode(data)
            ref = event.event_id
            return self._translate(event)
        except wire.BadEvent as error:
            return Received(frames=[self._error(error, error.ref)])
        except ClientError as error:
            return Received(frames=[self._error(error, ref)])

    def refuse_binary(self) -> list[bytes]:
        """The answer to a binary frame: this protocol is text."""
        return [self._error(ClientError("Events are sent as text frames, one JSON object each."), None)]

    def _translate(self, event: wire.AnyClientEvent) -> Received:
        ref = event.event_id
        match event:
            case wire.AudioAppend():
                return Received([AppendAudio(pcm=event.audio, ref=ref)])
            case wire.SessionUpdate():
                return self._update(event)
            case wire.AudioCommit():
                return Received([CommitAudio(ref=ref)])
            case wire.AudioClear():
                return Received([ClearAudio(ref=ref)])
            case wire.ItemCreate():
                return Received([CreateItem(item=wire.to_item(event.item), after=event.previous_item_id, ref=ref)])
            case wire.ItemDelete():
                return Received([DeleteItem(item_id=event.item_id, ref=ref)])
            case wire.ItemRetrieve():
                return Received([RetrieveItem(item_id=event.item_id, ref=ref)])
            case wire.ItemTruncate():
                return Received([TruncateItem(item_id=event.item_id, audio_end_ms=int(event.audio_end_ms), ref=ref)])
            case wire.ResponseCreate():
                asked = {} if event.response == NULL else wire.parse_object(event.response, "response")
                return Received([CreateReply(options=reply_options(asked), ref=ref)])
            case wire.ResponseCancel():
                return Received([CancelReply(reply_id=event.response_id, ref=ref)])
            case wire.OutputClear():
                raise ClientError(
                    "output_audio_buffer.clear is for WebRTC: over a WebSocket the client holds the buffer."
                )

    def _update(self, event: wire.SessionUpdate) -> Received:
        self._session.update(wire.parse_object(event.session, "session"))
        frames = self._encode([{"type": "session.updated", "session": self._session.shown}])
        return Received([Configure(config=self._session.config(), ref=event.event_id)], frames)

    def _error(self, error: ClientError, ref: str | None) -> bytes:
        failed = Failed(kind=error.kind, code=error.code, message=error.message, param=error.param, ref=ref)
        return self.send(failed)[0]

    # --- session -> client ----------------------------------------------------------------------------------------

    def send(self, event: Event) -> list[bytes]:
        """The frames that tell the client of ``event``, in order."""
        return self._encode(_TRANSLATIONS[type(event)](self, event))

    def _encode(self, frames: list[Frame]) -> list[bytes]:
        return [self._encoder.encode({"event_id": new_id("event"), **frame}) for frame in frames]

    def _speech_started(self, e: SpeechStarted) -> list[Frame]:
        return [{"type": "input_audio_buffer.speech_started", "audio_start_ms": e.at_ms, "item_id": e.item_id}]

    def _speech_stopped(self, e: SpeechStopped) -> list[Frame]:
        return [{"type": "input_audio_buffer.speech_stopped", "audio_end_ms": e.at_ms, "item_id": e.item_id}]

    def _committed(self, e: TurnCommitted) -> list[Frame]:
        return [
            {
                "type": "input_audio_buffer.committed",
                "item_id": e.item_id,
                "previous_item_id": e.previous_item_id,
            }
        ]

    def _cleared(self, _e: AudioCleared) -> list[Frame]:
        return [{"type": "input_audio_buffer.cleared"}]

    def _item_added(self, e: ItemAdded) -> list[Frame]:
        return [_item_frame("conversation.item.added", e.item, e.previous_item_id)]

    def _item_done(self, e: ItemDone) -> list[Frame]:
        return [_item_frame("conversation.item.done", e.item, e.previous_item_id)]

    def _item_deleted(self, e: ItemDeleted) -> list[Frame]:
        return [{"type": "conversation.item.deleted", "item_id": e.item_id}]

    def _item_retrieved(self, e: ItemRetrieved) -> list[Frame]:
        return [{"type": "conversation.item.retrieved", "item": wire.from_item(e.item)}]

    def _item_truncated(self, e: ItemTruncated) -> list[Frame]:
        return [
            {
                "type": "conversation.item.truncated",
                "item_id": e.item_id,
                "content_index": 0,
                "audio_end_ms": e.audio_end_ms,
            }
        ]

    def _transcript_delta(self, e: TranscriptDelta) -> list[Frame]:
        kind = "conversation.item.input_audio_transcription.delta"
        return [{"type": kind, "item_id": e.item_id, "content_index": 0, "delta": e.text}]

    def _transcript_done(self, e: TranscriptDone) -> list[Frame]:
        return [
            {
                "type": "conversation.item.input_audio_transcription.completed",
                "item_id": e.item_id,
                "content_index": 0,
                "transcript": e.text,
                "usage": {"type": "duration", "seconds": round(e.audio_s, 3)},
            }
        ]

    def _transcript_failed(self, e: TranscriptFailed) -> list[Frame]:
        return [
            {
                "type": "conversation.item.input_audio_transcription.failed",
                "item_id": e.item_id,
                "content_index": 0,
                "error": {"type": "server_error", "code": e.code, "message": e.message},
            }
        ]

    def _reply_started(self, e: ReplyStarted) -> list[Frame]:
        response = self._response(e.reply_id, "in_progress", e.modality, e.metadata)
        return [{"type": "response.created", "response": response}]

    def _reply_item_started(self, e: ReplyItemStarted) -> list[Frame]:
        empty = wire.from_item(e.item, with_content=False)
        added = {"type": "conversation.item.added", "previous_item_id": e.previous_item_id, "item": empty}
        return [
            {"type": "response.output_item.added", "response_id": e.reply_id, "output_index": 0, "item": empty},
            *([added] if e.in_conversation else []),
            {"type": "response.content_part.added", **_place(e.reply_id, e.item.id), "part": _part(e.item, "")},
        ]

    def _reply_text(self, e: ReplyText) -> list[Frame]:
        kind = "response.output_audio_transcript.delta" if e.is_spoken else "response.output_text.delta"
        return [{"type": kind, **_place(e.reply_id, e.item_id), "delta": e.text}]

    def _reply_audio(self, e: ReplyAudio) -> list[Frame]:
        return [{"type": "response.output_audio.delta", **_place(e.reply_id, e.item_id), "delta": e.pcm}]

    def _reply_item_done(self, e: ReplyItemDone) -> list[Frame]:
        place, text = _place(e.reply_id, e.item.id), e.item.parts[0].text or ""
        if e.item.parts[0].kind == "output_audio":
            ends: list[Frame] = [
                {"type": "response.output_audio.done", **place},
                {"type": "response.output_audio_transcript.done", **place, "transcript": text},
            ]
        else:
            ends = [{"type": "response.output_text.done", **place, "text": text}]
        item = wire.from_item(e.item)
        done = {"type": "conversation.item.done", "previous_item_id": e.previous_item_id, "item": item}
        return [
            *ends,
            {"type": "response.content_part.done", **place, "part": _part(e.item, text)},
            *([done] if e.in_conversation else []),
            {"type": "response.output_item.done", "response_id": e.reply_id, "output_index": 0, "item": item},
        ]

    def _reply_done(self, e: ReplyDone) -> list[Frame]:
        response = self._response(e.reply_id, e.status, e.modality, e.metadata)
        response["status_details"] = _status_details(e)
        response["output"] = [wire.from_item(item) for item in e.output]
        response["usage"] = _usage(e)
        return [{"type": "response.done", "response": response}]

    def _response(self, reply_id: str, status: str, modality: str, metadata: Any) -> Frame:
        shown = self._session.shown
        return {
            "object": "realtime.response",
            "id": reply_id,
            "status": status,
            "status_details": None,
            "output": [],
            "conversation_id": self._conversation_id,
            "output_modalities": [modality],
            "max_output_tokens": shown["max_output_tokens"],
            "audio": {"output": {k: shown["audio"]["output"][k] for k in ("format", "voice")}},
            "usage": None,
            "metadata": metadata,
        }

    def _failed(self, e: Failed) -> list[Frame]:
        error = {"type": e.kind, "code": e.code, "message": e.message, "param": e.param, "event_id": e.ref}
        return [{"type": "error", "error": error}]


def _item_frame(kind: str, item: Item, previous_item_id: str | None) -> Frame:
    return {"type": kind, "previous_item_id": previous_item_id, "item": wire.from_item(item)}


def _place(reply_id: str, item_id: str) -> Frame:
    return {"response_id": reply_id, "item_id": item_id, "output_index": 0, "content_index": 0}


def _part(item: Item, text: str) -> Frame:
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
            "cached_tokens": 0,
        },
        "output_token_details": {
            "text_tokens": usage.output_text_tokens,
            "audio_tokens": usage.output_audio_tokens,
        },
    }


_TRANSLATIONS: dict[type[Event], Callable[[RealtimeProtocol, Any], list[Frame]]] = {
    SpeechStarted: RealtimeProtocol._speech_started,
    SpeechStopped: RealtimeProtocol._speech_stopped,
    TurnCommitted: RealtimeProtocol._committed,
    AudioCleared: RealtimeProtocol._cleared,
    ItemAdded: RealtimeProtocol._item_added,
    ItemDone: RealtimeProtocol._item_done,
    ItemDeleted: RealtimeProtocol._item_deleted,
    ItemRetrieved: RealtimeProtocol._item_retrieved,
    ItemTruncated: RealtimeProtocol._item_truncated,
    TranscriptDelta: RealtimeProtocol._transcript_delta,
    TranscriptDone: RealtimeProtocol._transcript_done,
    TranscriptFailed: RealtimeProtocol._transcript_failed,
    ReplyStarted: RealtimeProtocol._reply_started,
    ReplyItemStarted: RealtimeProtocol._reply_item_started,
    ReplyText: RealtimeProtocol._reply_text,
    ReplyAudio: RealtimeProtocol._reply_audio,
    ReplyItemDone: RealtimeProtocol._reply_item_done,
    ReplyDone: RealtimeProtocol._reply_done,
    Failed: RealtimeProtocol._failed,
}

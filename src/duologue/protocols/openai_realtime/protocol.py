"""The OpenAI Realtime protocol (GA) without I/O: text frames in, what the session is told and text frames out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import structs

from duologue.errors import ClientError
from duologue.events import (
    AppendAudio,
    CancelReply,
    ClearAudio,
    ClearPlayout,
    CommitAudio,
    Configure,
    CreateItem,
    CreateReply,
    DeleteItem,
    Event,
    Failed,
    PlayoutReached,
    RetrieveItem,
    Told,
    TruncateItem,
)
from duologue.items import ReplyOptions, SessionConfig, new_id
from duologue.protocols.openai_realtime import messages as wire
from duologue.protocols.openai_realtime import own_events
from duologue.protocols.openai_realtime.choices import Choices
from duologue.protocols.openai_realtime.items import to_item, to_pcm
from duologue.protocols.openai_realtime.responses import reply_options
from duologue.protocols.openai_realtime.server_events import ServerEvents
from duologue.protocols.openai_realtime.settings import LONGEST_SESSION_S, Kind, WireSession

Frame = dict[str, Any]
_NOT_OF_TRANSCRIPTION = (
    wire.ResponseCreate | wire.ResponseCancel | wire.ItemTruncate | wire.OutputClear | wire.AudioPlayed
)


class Received(msgspec.Struct):
    """What one client frame leads to: ``told`` for the session, ``frames`` back to the client at once."""

    told: list[Told] = []
    frames: list[bytes] = []


class Greeting(msgspec.Struct, frozen=True):
    """What a client is told of the conversation that it asked for. ``items``: so many are in it already."""

    is_kept: bool
    items: int
    title: str


class RealtimeProtocol:
    """One connection's dialect: its effective settings, and translation both ways.

    ``over_webrtc``: the sound goes another way than the events, and the server holds what is still to be played.
    ``with_metrics``: the client asked for the events that are Duologue's own. ``with_playout``: it is told to lower,
    hold and resume what it plays, has promised to obey, and says how far it has played.
    """

    def __init__(
        self,
        model: str,
        defaults: SessionConfig,
        *,
        now_s: int,
        kind: Kind = "realtime",
        over_webrtc: bool = False,
        with_metrics: bool = False,
        with_playout: bool = False,
        longest_s: float = LONGEST_SESSION_S,
        choices: Choices | None = None,
    ) -> None:
        """``now_s``: the present second of the calendar, for what the wire says of expiry. ``choices``: what there is
        of models, voices and languages; None where that is not known."""
        self._session = WireSession(model, defaults, now_s, kind, longest_s, choices)
        self._over_webrtc = over_webrtc
        self._with_playout = with_playout
        self._events = ServerEvents(over_webrtc=over_webrtc, with_metrics=with_metrics, with_playout=with_playout)
        self._encoder = msgspec.json.Encoder()
        self._is_new = True
        self._greeting: Greeting | None = None

    @property
    def kind(self) -> Kind:
        return self._session.kind

    @property
    def session_id(self) -> str:
        return str(self._session.shown["id"])

    @property
    def holds_sound(self) -> bool:
        """Whether what was sent can still be lowered and held: it waits on this side, or with a client that obeys."""
        return self._over_webrtc or self._with_playout

    def config(self) -> SessionConfig:
        """The settings that the session starts with."""
        return self._session.config()

    def apply(self, session: Mapping[str, Any]) -> None:
        """Settings that come from elsewhere than the connection: bound to its key, or posted with an offer. Raises
        ClientError."""
        self._session.update(session, may_change_kind=True)

    def open(self, conversation_id: str, greeting: Greeting | None) -> None:
        """Which conversation it is; ``greeting`` None: the client did not ask, and is not told."""
        self._events.conversation_id, self._greeting = conversation_id, greeting

    def greet(self) -> list[bytes]:
        """The first frames of a connection."""
        frames = self._encode([{"type": "session.created", "session": self._session.shown}])
        return frames if self._greeting is None else frames + self.opened(self._greeting)

    def opened(self, greeting: Greeting) -> list[bytes]:
        """The frames that tell the client of its conversation; again, where that is kept no longer."""
        return self._encode([own_events.opened(self._events.conversation_id, **structs.asdict(greeting))])

    # --- client -> session ----------------------------------------------------------------------------------------

    def receive(self, data: str | bytes | None) -> Received:
        """One frame from the client; None: a binary one. Never raises for what it says: a fault becomes an ``error``
        frame."""
        ref: str | None = None
        try:
            if data is None:
                raise ClientError("Events are sent as text frames, one JSON object each.", code="invalid_json")
            event = wire.decode(data, with_own=self._with_playout)
            ref = event.event_id
            return self._translate(event)
        except wire.BadEvent as error:
            return Received(frames=self.tell(error, error.ref))
        except ClientError as error:
            return Received(frames=self.tell(error, ref))

    def _translate(self, event: wire.OwnClientEvent) -> Received:
        if isinstance(event, wire.SessionUpdate):
            return self._update(event)
        self._is_new = False
        if self._session.kind == "transcription" and isinstance(event, _NOT_OF_TRANSCRIPTION):
            raise ClientError("This is a transcription session: there are no responses in it.", param="type")
        return Received([self._told(event, event.event_id)])

    def _told(self, event: wire.OwnClientEvent, ref: str | None) -> Told:
        match event:
            case wire.AudioAppend():
                pcm, rate_hz = to_pcm(event.audio, self._session.input_format)
                return AppendAudio(pcm=pcm, rate_hz=rate_hz, ref=ref)
            case wire.AudioCommit():
                return CommitAudio(ref=ref)
            case wire.AudioClear():
                return ClearAudio(ref=ref)
            case wire.ItemCreate():
                item = to_item(event.item, sound=self._session.input_format)
                return CreateItem(item=item, after=event.previous_item_id, ref=ref)
            case wire.ItemDelete():
                return DeleteItem(item_id=event.item_id, ref=ref)
            case wire.ItemRetrieve():
                return RetrieveItem(item_id=event.item_id, ref=ref)
            case wire.ItemTruncate():
                if event.content_index != 0:
                    raise ClientError("A spoken answer has one part, of index 0.", param="content_index")
                return TruncateItem(item_id=event.item_id, audio_end_ms=int(event.audio_end_ms), ref=ref)
            case wire.ResponseCreate():
                return CreateReply(options=self._options(event.response), ref=ref)
            case wire.AudioPlayed():
                return PlayoutReached(item_id=event.item_id, heard_ms=event.audio_end_ms, ref=ref)
            case wire.ResponseCancel():
                return CancelReply(reply_id=event.response_id, ref=ref)
            case _:
                return self._clear_playout(ref)

    def _options(self, response: msgspec.Raw) -> ReplyOptions:
        if response == wire.NULL:
            return ReplyOptions()
        asked, items = wire.parse_response(response)
        session = self._session
        return reply_options(asked, items, session.input_format, session.config().tools, session.choices)

    def _clear_playout(self, ref: str | None) -> Told:
        if not self._over_webrtc:
            raise ClientError("output_audio_buffer.clear is for WebRTC: over a WebSocket the client holds the buffer.")
        return ClearPlayout(ref=ref)

    def _update(self, event: wire.SessionUpdate) -> Received:
        change = wire.parse_object(event.session, "session")
        self._session.update(change, may_change_kind=self._is_new)
        self._is_new = False
        frames = self._encode([{"type": "session.updated", "session": self._session.shown}])
        return Received([Configure(config=self._session.config(), ref=event.event_id)], frames)

    # --- session -> client ----------------------------------------------------------------------------------------

    def tell(self, error: ClientError, ref: str | None = None) -> list[bytes]:
        """The frames that tell the client of its fault."""
        return self.send(Failed(kind=error.kind, code=error.code, message=error.message, param=error.param, ref=ref))

    def send(self, event: Event) -> list[bytes]:
        """The frames that tell the client of ``event``, in order."""
        return self._encode(self._events.frames(event))

    def _encode(self, frames: list[Frame]) -> list[bytes]:
        return [self._encoder.encode({"event_id": new_id("event"), **frame}) for frame in frames]

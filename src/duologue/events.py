"""All that a session can be told (first half) and can say (second half).

Frozen data, free of any wire dialect: a protocol turns bytes into the first half and the second half into bytes.
A moment in sound is in milliseconds since the session's first sample. ``ref`` is the id that the client gave its
own event; an error that the event causes carries it back.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Literal

import msgspec

ItemStatus = Literal["in_progress", "completed", "incomplete"]
Role = Literal["system", "user", "assistant"]
PartKind = Literal["input_text", "input_audio", "output_text", "output_audio"]
ReplyStatus = Literal["completed", "cancelled", "failed", "incomplete"]
Modality = Literal["audio", "text"]


def new_id(prefix: str) -> str:
    """A fresh id such as ``item_9f2c...``: 96 random bits, so that no session can guess another's."""
    return f"{prefix}_{secrets.token_hex(12)}"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Base of everything on this page."""


# --- what a conversation consists of --------------------------------------------------------------------------


class Part(Event, frozen=True, kw_only=True):
    """One piece of an item. ``text``: None while the words of spoken input are not known."""

    kind: PartKind
    text: str | None = None


class Item(Event, frozen=True, kw_only=True):
    """A snapshot of one message."""

    id: str
    role: Role
    parts: tuple[Part, ...]
    status: ItemStatus = "completed"


class TurnDetection(Event, frozen=True, kw_only=True):
    """When the floor changes hands.

    ``silence_ms`` set: a plain rule, the turn ends after that much silence. None: endpointing decides, with
    ``patience`` scaling how long it waits (1.0 is normal).
    """

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_ms: int | None = None
    patience: float = 1.0
    max_wait_ms: int = 4000
    create_reply: bool = True
    interrupt_reply: bool = True


class SessionConfig(Event, frozen=True, kw_only=True):
    """All that a client can set. ``turn_detection`` None: the client commits by hand."""

    instructions: str = ""
    modality: Modality = "audio"
    voice: str = ""
    speed: float = 1.0
    max_output_tokens: int | None = None
    show_transcript: bool = False
    language: str | None = None
    turn_detection: TurnDetection | None = TurnDetection()


class ReplyOptions(Event, frozen=True, kw_only=True):
    """What one reply does differently. None: as the session has it. ``items``: a prompt in place of the history.

    ``in_conversation`` False: the reply neither sees the floor nor enters the history.
    """

    instructions: str | None = None
    modality: Modality | None = None
    voice: str | None = None
    max_output_tokens: int | None = None
    metadata: Mapping[str, str] | None = None
    items: tuple[Item, ...] | None = None
    in_conversation: bool = True


class Usage(Event, frozen=True, kw_only=True):
    """Tokens, where the engine counts them, words otherwise."""

    input_text_tokens: int = 0
    output_text_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0


# --- told to the session --------------------------------------------------------------------------------------


class Told(Event, frozen=True, kw_only=True):
    """Base of what a client asks of its session."""

    ref: str | None = None


class Configure(Told, frozen=True, kw_only=True):
    config: SessionConfig


class AppendAudio(Told, frozen=True, kw_only=True):
    """``pcm``: s16le mono at 24 kHz, any length; an odd byte waits for its other half."""

    pcm: bytes


class CommitAudio(Told, frozen=True, kw_only=True):
    """The client says that the turn is over."""


class ClearAudio(Told, frozen=True, kw_only=True):
    """Forget what was said since the last commit."""


class CreateItem(Told, frozen=True, kw_only=True):
    """``after``: None to append, "root" for the front, else the id of the item before it."""

    item: Item
    after: str | None = None


class DeleteItem(Told, frozen=True, kw_only=True):
    item_id: str


class RetrieveItem(Told, frozen=True, kw_only=True):
    item_id: str


class TruncateItem(Told, frozen=True, kw_only=True):
    """The client played the answer only up to ``audio_end_ms``."""

    item_id: str
    audio_end_ms: int


class CreateReply(Told, frozen=True, kw_only=True):
    options: ReplyOptions = ReplyOptions()


class CancelReply(Told, frozen=True, kw_only=True):
    reply_id: str | None = None


# --- said by the session --------------------------------------------------------------------------------------


class SpeechStarted(Event, frozen=True, kw_only=True):
    """``item_id``: the item that this speech will become."""

    item_id: str
    at_ms: int


class SpeechStopped(Event, frozen=True, kw_only=True):
    item_id: str
    at_ms: int


class TurnCommitted(Event, frozen=True, kw_only=True):
    item_id: str
    previous_item_id: str | None


class AudioCleared(Event, frozen=True, kw_only=True):
    pass


class ItemAdded(Event, frozen=True, kw_only=True):
    item: Item
    previous_item_id: str | None


class ItemDone(Event, frozen=True, kw_only=True):
    item: Item
    previous_item_id: str | None


class ItemDeleted(Event, frozen=True, kw_only=True):
    item_id: str


class ItemRetrieved(Event, frozen=True, kw_only=True):
    item: Item


class ItemTruncated(Event, frozen=True, kw_only=True):
    item_id: str
    audio_end_ms: int


class TranscriptDelta(Event, frozen=True, kw_only=True):
    """More words of the user, to be put behind those before. ``TranscriptDone`` may still set earlier ones right."""

    item_id: str
    text: str


class TranscriptDone(Event, frozen=True, kw_only=True):
    """The user's words, all of them. ``audio_s``: how much sound they were taken from."""

    item_id: str
    text: str
    audio_s: float


class TranscriptFailed(Event, frozen=True, kw_only=True):
    item_id: str
    code: str
    message: str


class ReplyStarted(Event, frozen=True, kw_only=True):
    reply_id: str
    modality: Modality
    metadata: Mapping[str, str] | None = None


class ReplyItemStarted(Event, frozen=True, kw_only=True):
    """The message that the reply is made of. ``in_conversation`` False: it enters no history."""

    reply_id: str
    item: Item
    previous_item_id: str | None
    in_conversation: bool = True


class ReplyText(Event, frozen=True, kw_only=True):
    """More words. ``is_spoken``: their sound comes along, else they are written."""

    reply_id: str
    item_id: str
    text: str
    is_spoken: bool = True


class ReplyAudio(Event, frozen=True, kw_only=True):
    """``pcm``: s16le mono at 24 kHz, at most 200 ms."""

    reply_id: str
    item_id: str
    pcm: bytes


class ReplyItemDone(Event, frozen=True, kw_only=True):
    reply_id: str
    item: Item
    previous_item_id: str | None
    in_conversation: bool = True


class ReplyDone(Event, frozen=True, kw_only=True):
    """The end of a reply, exactly once. ``reason``: of a cancelled or incomplete one; ``error_*``: of a failed."""

    reply_id: str
    modality: Modality
    status: ReplyStatus
    reason: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    output: tuple[Item, ...] = ()
    usage: Usage = Usage()
    metadata: Mapping[str, str] | None = None


class Failed(Event, frozen=True, kw_only=True):
    """Something asked for could not be done; the session goes on."""

    kind: str
    code: str
    message: str
    param: str | None = None
    ref: str | None = None

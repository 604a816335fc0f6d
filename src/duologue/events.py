"""All that a session can be told (first half) and can say (second half).

Frozen data, free of any wire dialect: a protocol turns bytes into the first half and the second half into bytes.
A moment in sound is in milliseconds since the session's first sample. ``ref`` is the id that the client gave its
own event; an error that the event causes carries it back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from duologue.items import (
    FunctionCall,
    Item,
    McpCall,
    Modality,
    ProgressPhase,
    ReplyOptions,
    ReplyStatus,
    SessionConfig,
    SoundFormat,
    Usage,
)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Base of everything on this page."""


# --- told to the session --------------------------------------------------------------------------------------


class Told(Event, frozen=True, kw_only=True):
    """Base of what a client asks of its session."""

    ref: str | None = None


class Configure(Told, frozen=True, kw_only=True):
    config: SessionConfig


class AppendAudio(Told, frozen=True, kw_only=True):
    """``pcm``: s16le mono at ``rate_hz``, any length; an odd byte waits for its other half."""

    pcm: bytes
    rate_hz: int = 24_000


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


class Reached(Told, frozen=True, kw_only=True):
    """All that was told before this has been taken: ``tell`` is called."""

    tell: Callable[[], None]


class ClearPlayout(Told, frozen=True, kw_only=True):
    """Play nothing more of what was sent: for a transport that holds the sound on this side."""


class PlayoutReached(Told, frozen=True, kw_only=True):
    """The client has played the item's sound up to ``heard_ms``, and goes on."""

    item_id: str
    heard_ms: int


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


class IdleTimeout(Event, frozen=True, kw_only=True):
    """Nobody has spoken for so long that the assistant takes the floor; ``item_id``: the user's empty turn."""

    item_id: str
    start_ms: int
    end_ms: int


class TranscriptDelta(Event, frozen=True, kw_only=True):
    """More words of the user, to be put behind those before. ``TranscriptDone`` may still set earlier ones right."""

    item_id: str
    text: str


class TranscriptDone(Event, frozen=True, kw_only=True):
    """The user's words, all of them. ``audio_s``: how much sound they were taken from. ``probs``: of each word, in
    [0, 1]; together the words are the text. Empty where they are not known or not wanted."""

    item_id: str
    text: str
    audio_s: float
    probs: tuple[tuple[str, float], ...] = ()


class TranscriptFailed(Event, frozen=True, kw_only=True):
    item_id: str
    code: str
    message: str


class ReplyManner(Event, frozen=True, kw_only=True):
    """How a reply is given; ``in_conversation`` False: it enters no history."""

    modality: Modality
    voice: str = ""
    output_format: SoundFormat = "pcm16"
    max_output_tokens: int | None = None
    metadata: Mapping[str, str] | None = None
    in_conversation: bool = True


class ReplyStarted(Event, frozen=True, kw_only=True):
    """``is_rest``: it goes on with one that was stopped for what turned out to be no words."""

    reply_id: str
    manner: ReplyManner
    is_rest: bool = False


class ReplyItemStarted(Event, frozen=True, kw_only=True):
    """One of the items that the reply is made of, the ``index``-th."""

    reply_id: str
    item: Item
    previous_item_id: str | None
    in_conversation: bool = True
    index: int = 0


class ReplyText(Event, frozen=True, kw_only=True):
    """More words. ``is_spoken``: their sound comes along, else they are written."""

    reply_id: str
    item_id: str
    text: str
    is_spoken: bool = True
    index: int = 0


class ReplyAudio(Event, frozen=True, kw_only=True):
    """``pcm``: s16le mono at 24 kHz, at most 200 ms."""

    reply_id: str
    item_id: str
    pcm: bytes
    index: int = 0


class ReplyArguments(Event, frozen=True, kw_only=True):
    """More of a call's arguments; ``item`` as far as it is known with them."""

    reply_id: str
    item: FunctionCall | McpCall
    text: str
    index: int = 0


class ReplyItemDone(Event, frozen=True, kw_only=True):
    reply_id: str
    item: Item
    previous_item_id: str | None
    in_conversation: bool = True
    index: int = 0


class McpCallProgress(Event, frozen=True, kw_only=True):
    """A tool of an MCP server is being called, has answered, or has failed."""

    reply_id: str
    item: McpCall
    phase: ProgressPhase
    index: int = 0


class McpListingProgress(Event, frozen=True, kw_only=True):
    """An MCP server is being asked for its tools, has answered, or has failed."""

    item_id: str
    phase: ProgressPhase


class PlayoutStarted(Event, frozen=True, kw_only=True):
    """The first sound of a reply is on its way to the listener."""

    reply_id: str


class PlayoutStopped(Event, frozen=True, kw_only=True):
    """The reply has been heard to its end. ``underruns``: how often the listener fell silent in the middle of it."""

    reply_id: str
    underruns: int = 0


class PlayoutCleared(Event, frozen=True, kw_only=True):
    """What was sent of the reply and not heard is not to be played; it was heard up to ``heard_ms`` of its item.
    ``underruns``: as above. ``stop_ms``: from the first sound of the speech that interrupted it until now, None where
    something else stopped it."""

    reply_id: str
    item_id: str
    heard_ms: int
    underruns: int = 0
    stop_ms: float | None = None


class PlayoutLowered(Event, frozen=True, kw_only=True):
    """Somebody may be cutting in: the reply goes on, its samples multiplied by ``gain``."""

    reply_id: str
    gain: float


class PlayoutHeld(Event, frozen=True, kw_only=True):
    """The reply falls silent where it is. What was sent of it stays to be played."""

    reply_id: str


class PlayoutResumed(Event, frozen=True, kw_only=True):
    """It was no interruption: the reply goes on from the sample that it was held at, as loud as ever."""

    reply_id: str


class OverlapJudged(Event, frozen=True, kw_only=True):
    """What sound over a reply was taken for. ``verdict``: "interruption", "backchannel", "noise" or "echo";
    ``at_ms``: where the sound began; ``took_ms``: from there to the verdict, on the session's input clock."""

    verdict: str
    at_ms: int
    took_ms: float


class AttemptEnded(Event, frozen=True, kw_only=True):
    """An answer that was begun in a pause was let out (``is_kept``), or was dropped since the speaker went on.
    ``level``: how far it got, "words", "text" or "sound"; ``compute_s``: engine time spent on it."""

    is_kept: bool
    level: str
    compute_s: float


class ReplyDone(Event, frozen=True, kw_only=True):
    """The end of a reply, exactly once. ``reason``: of a cancelled or incomplete one; ``error_*``: of a failed."""

    reply_id: str
    manner: ReplyManner
    status: ReplyStatus
    reason: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    output: tuple[Item, ...] = ()
    usage: Usage = Usage()


class ReplyTimed(Event, frozen=True, kw_only=True):
    """How quick the answer to a spoken turn was. All in ms from the last sound of the user's speech, which came at
    ``audio_end_ms``: until the turn was over, until its words were known, until the answer's first text, until the
    first phrase was given to the synthesizer and its first sound was there, and until the first sound (or text, where
    it is written) was on its way. None: not known, or not needed. What was begun in a pause may come before the turn is
    over.
    """

    reply_id: str
    item_id: str
    audio_end_ms: int
    committed_ms: float
    words_ms: float | None
    text_ms: float | None
    phrase_ms: float | None = None
    spoken_ms: float | None = None
    given_ms: float


class ContextTrimmed(Event, frozen=True, kw_only=True):
    """The conversation has outgrown the prompt: from this answer on the model is told nothing of what comes before the
    item."""

    first_item_id: str


class Failed(Event, frozen=True, kw_only=True):
    """Something asked for could not be done; the session goes on."""

    kind: str
    code: str
    message: str
    param: str | None = None
    ref: str | None = None

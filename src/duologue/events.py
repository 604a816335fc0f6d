"""All that a session can be told (first half) and can say (second half).

Frozen data, free of any wire dialect: a protocol turns bytes into the first half and the second half into bytes.
A moment in sound is in milliseconds since the session's first sample. ``ref`` is the id that the client gave its
own event; an error that the event causes carries it back.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

ItemStatus = Literal["in_progress", "completed", "incomplete"]
Role = Literal["system", "user", "assistant"]
PartKind = Literal["input_text", "input_audio", "input_image", "output_text", "output_audio"]
ReplyStatus = Literal["completed", "cancelled", "failed", "incomplete"]
Modality = Literal["audio", "text"]
ProgressPhase = Literal["in_progress", "completed", "failed"]
# Sound on the wire: s16le at 24 kHz, or G.711 at 8 kHz.
SoundFormat = Literal["pcm16", "mulaw", "alaw"]


def new_id(prefix: str) -> str:
    """A fresh id such as ``item_9f2c...``: 96 random bits, so that no session can guess another's."""
    return f"{prefix}_{secrets.token_hex(12)}"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Base of everything on this page."""


# --- what a conversation consists of --------------------------------------------------------------------------


class Part(Event, frozen=True, kw_only=True):
    """One piece of a message.

    ``text``: None while the words of spoken input are not known. ``pcm``: spoken input that came as a file rather than
    through the microphone, s16le mono at ``rate_hz``. ``image_url``: a data URI; ``detail``: how closely to look at it.
    """

    kind: PartKind
    text: str | None = None
    pcm: bytes | None = None
    rate_hz: int = 24_000
    image_url: str | None = None
    detail: str = "auto"


class Item(Event, frozen=True, kw_only=True):
    """Base of what a conversation consists of: a snapshot of one entry."""

    id: str
    status: ItemStatus = "completed"


class Message(Item, frozen=True, kw_only=True):
    role: Role
    parts: tuple[Part, ...]


class FunctionCall(Item, frozen=True, kw_only=True):
    """The model wants the client to call a function. ``arguments``: JSON, as the model wrote it."""

    call_id: str
    name: str
    arguments: str


class FunctionOutput(Item, frozen=True, kw_only=True):
    """What a function gave back."""

    call_id: str
    output: str


class McpTool(Event, frozen=True, kw_only=True):
    """A tool that an MCP server offers. ``parameters``: a JSON schema as JSON text; ``annotations``: JSON or None."""

    name: str
    description: str = ""
    parameters: str = '{"type": "object", "properties": {}}'
    annotations: str | None = None
    is_read_only: bool = False


class McpTools(Item, frozen=True, kw_only=True):
    """What the server ``label`` offers."""

    label: str
    tools: tuple[McpTool, ...] = ()


class McpFailure(Event, frozen=True, kw_only=True):
    """Why a tool gave nothing. ``code``: JSON-RPC's or HTTP's, None for a failure of the tool itself."""

    kind: Literal["protocol_error", "tool_execution_error", "http_error"]
    message: str
    code: int | None = None


class McpCall(Item, frozen=True, kw_only=True):
    """A tool of an MCP server, called by this server. ``output``: None until it has answered, or where it failed."""

    label: str
    name: str
    arguments: str
    output: str | None = None
    failure: McpFailure | None = None
    approval_request_id: str | None = None


class McpApprovalRequest(Item, frozen=True, kw_only=True):
    """May this tool be called?"""

    label: str
    name: str
    arguments: str


class McpApprovalResponse(Item, frozen=True, kw_only=True):
    approval_request_id: str
    approve: bool
    reason: str | None = None


class ItemReference(Event, frozen=True, kw_only=True):
    """An item of the conversation, by its id."""

    id: str


class FunctionTool(Event, frozen=True, kw_only=True):
    """A function that the client runs. ``parameters``: a JSON schema as JSON text."""

    name: str
    description: str = ""
    parameters: str = '{"type": "object", "properties": {}}'


class McpServer(Event, frozen=True, kw_only=True):
    """An MCP server whose tools this server runs.

    ``allowed``: names, None for all; ``only_read_only`` besides. ``asks_first``: tools that need the client's approval,
    None for all of them; ``never_asks``: those that do not, and with ``asks_unless_read_only`` those that only read.
    """

    label: str
    url: str
    headers: Mapping[str, str] = {}
    description: str = ""
    allowed: frozenset[str] | None = None
    only_read_only: bool = False
    asks_first: frozenset[str] | None = None
    never_asks: frozenset[str] = frozenset()
    asks_unless_read_only: bool = False

    def __repr__(self) -> str:
        """Without what lets one in there."""
        return f"McpServer(label={self.label!r}, url={self.url!r})"


ToolSpec = FunctionTool | McpServer


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
    idle_timeout_ms: int | None = None


class SessionConfig(Event, frozen=True, kw_only=True):
    """All that a client can set. ``turn_detection`` None: the client commits by hand.

    ``show_probs``: with how sure the transcriber was of each word. ``tool_choice``: "auto", "none", "required", or the
    name of the one function to call. ``truncation``: of a conversation that outgrows the prompt, the share that is
    kept; None never leaves anything out. ``prompt_tokens``: how long a prompt may be, None for as long as the server
    allows.
    """

    instructions: str = ""
    modality: Modality = "audio"
    voice: str = ""
    speed: float = 1.0
    max_output_tokens: int | None = None
    show_transcript: bool = False
    show_probs: bool = False
    language: str | None = None
    output_format: SoundFormat = "pcm16"
    turn_detection: TurnDetection | None = TurnDetection()
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str = "auto"
    parallel_tool_calls: bool = True
    truncation: float | None = 1.0
    prompt_tokens: int | None = None


class ReplyOptions(Event, frozen=True, kw_only=True):
    """What one reply does differently. None: as the session has it. ``items``: a prompt in place of the history.

    ``in_conversation`` False: the reply neither sees the floor nor enters the history.
    """

    instructions: str | None = None
    modality: Modality | None = None
    voice: str | None = None
    output_format: SoundFormat | None = None
    max_output_tokens: int | Literal["inf"] | None = None
    metadata: Mapping[str, str] | None = None
    items: tuple[Item | ItemReference, ...] | None = None
    in_conversation: bool = True
    tools: tuple[ToolSpec, ...] | None = None
    tool_choice: str | None = None
    parallel_tool_calls: bool | None = None


class Usage(Event, frozen=True, kw_only=True):
    """Tokens, where the engine counts them, words otherwise. ``cached_tokens`` are among the input's."""

    input_text_tokens: int = 0
    output_text_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    cached_tokens: int = 0


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
    reply_id: str
    manner: ReplyManner


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
    """The reply has been heard to its end."""

    reply_id: str


class PlayoutCleared(Event, frozen=True, kw_only=True):
    """What was sent of the reply and not heard is not to be played; it was heard up to ``heard_ms`` of its item."""

    reply_id: str
    item_id: str
    heard_ms: int


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
    """How quick the answer to a spoken turn was. All in ms from the last sound of the user's speech: until the turn was
    over, until its words were known, until the answer's first text, and until its first sound (or text, where it is
    written) was on its way. None: not known, or not needed. What was begun in a pause may come before the turn is over.
    """

    reply_id: str
    item_id: str
    committed_ms: float
    words_ms: float | None
    text_ms: float | None
    given_ms: float


class Failed(Event, frozen=True, kw_only=True):
    """Something asked for could not be done; the session goes on."""

    kind: str
    code: str
    message: str
    param: str | None = None
    ref: str | None = None

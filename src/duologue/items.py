"""What a conversation consists of, and what can be set of it: items and their parts, tools, settings.

Frozen data, free of any wire dialect; ``events`` says what happens to it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
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


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """Base of everything on this page."""


class Part(Data, frozen=True, kw_only=True):
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


class Item(Data, frozen=True, kw_only=True):
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


class McpTool(Data, frozen=True, kw_only=True):
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


class McpFailure(Data, frozen=True, kw_only=True):
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


class ItemReference(Data, frozen=True, kw_only=True):
    """An item of the conversation, by its id."""

    id: str


class FunctionTool(Data, frozen=True, kw_only=True):
    """A function that the client runs. ``parameters``: a JSON schema as JSON text."""

    name: str
    description: str = ""
    parameters: str = '{"type": "object", "properties": {}}'


class McpServer(Data, frozen=True, kw_only=True):
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


class TurnDetection(Data, frozen=True, kw_only=True):
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


class SessionConfig(Data, frozen=True, kw_only=True):
    """All that a client can set. ``turn_detection`` None: the client commits by hand.

    ``show_probs``: with how sure the transcriber was of each word. ``tool_choice``: "auto", "none", "required", or the
    name of the one function to call. ``truncation``: of a conversation that outgrows the prompt, the share that is
    kept; None never leaves anything out. ``prompt_tokens``: how long a prompt may be, None for as long as the server
    allows. ``model``: which of the chat models answers, None for the default.
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
    model: str | None = None


class ReplyOptions(Data, frozen=True, kw_only=True):
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


class Usage(Data, frozen=True, kw_only=True):
    """Tokens, where the engine counts them, words otherwise. ``cached_tokens`` are among the input's."""

    input_text_tokens: int = 0
    output_text_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    cached_tokens: int = 0

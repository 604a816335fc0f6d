"""What a session may ask of a model, and what a model family has to offer.

Two shapes of engine exist. A **batch engine** computes: the runner gathers requests of many sessions and steps
the model once, in a worker thread. A **stream engine** talks: to a server, a helper process or a loop of its own,
and is asynchronous by nature. Either shape can serve any stage. Requests and results are plain data (scalars,
strings, tuples, numpy arrays), so that the same engine can live in this process, in a child or elsewhere.

Sound given to an engine is float32 mono at 16 kHz; sound that comes back is int16 mono at 24 kHz.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import msgspec

from duologue.audio.frame import Float32, Int16


class Plain(msgspec.Struct, frozen=True, eq=False):
    """Base of all that crosses the seam. ``eq`` is off because numpy arrays do not compare to a bool."""


# --- voice activity -------------------------------------------------------------------------------------------

VAD_WINDOW_SAMPLES = 512


class VadState(Plain, frozen=True, eq=False):
    """A recurrent VAD's memory of one stream; opaque to the session that keeps it."""

    hidden: Float32
    context: Float32


class VadRequest(Plain, frozen=True, eq=False):
    """``windows``: float32 [n, 512] at 16 kHz, in order. ``state``: None at the start of a stream."""

    windows: Float32
    state: VadState | None = None


class VadResult(Plain, frozen=True, eq=False):
    """``speech_probs``: float32 [n], one a window; ``state`` goes into the stream's next request."""

    speech_probs: Float32
    state: VadState | None


# --- end of turn ----------------------------------------------------------------------------------------------


class TurnRequest(Plain, frozen=True, eq=False):
    """``audio``: the turn so far, float32 [n] at 16 kHz; ``text``: its words so far, "" when not known."""

    audio: Float32
    text: str = ""


class TurnResult(Plain, frozen=True, eq=False):
    """``end_of_turn_prob`` in [0, 1]: has the speaker finished?"""

    end_of_turn_prob: float


# --- speech to text -------------------------------------------------------------------------------------------


class TranscribeRequest(Plain, frozen=True, eq=False):
    """``audio``: float32 [n] at 16 kHz, one whole turn so far.

    ``stream``: requests of the same name carry the same turn as it grows, so that an engine may keep what it has
    heard of it and take only the rest; "" for a turn by itself. ``is_last``: nothing more is expected of it (it may
    come all the same). ``language``: as ISO 639-1, None to find out. ``wants_words``: with their times.
    """

    audio: Float32
    language: str | None = None
    stream: str = ""
    is_last: bool = True
    wants_words: bool = False


class TimedWord(Plain, frozen=True, eq=False):
    """One word as heard at ``start_s``..``end_s`` of the request's sound; ``prob`` in [0, 1], None where not known."""

    text: str
    start_s: float
    end_s: float
    prob: float | None = None


class TranscribeResult(Plain, frozen=True, eq=False):
    """``text`` as written language; "" where nothing was said. ``language``: as heard, None where not known."""

    text: str
    language: str | None = None
    words: tuple[TimedWord, ...] = ()


# --- the answer -----------------------------------------------------------------------------------------------


class ToolCall(Plain, frozen=True, eq=False):
    """The model wants a function called. ``arguments``: JSON, as the model wrote it."""

    id: str
    name: str
    arguments: str


class Tool(Plain, frozen=True, eq=False):
    """A function that the model may call. ``parameters``: its arguments, a JSON schema as JSON text."""

    name: str
    description: str = ""
    parameters: str = '{"type": "object", "properties": {}}'


class Image(Plain, frozen=True, eq=False):
    """A picture for a model that sees. ``url``: a data URI; ``detail``: "auto", "low" or "high"."""

    url: str
    detail: str = "auto"


class ChatMessage(Plain, frozen=True, eq=False):
    """One message of the prompt.

    ``audio``: a user's turn as sound, float32 [n] at 16 kHz, for a model that hears; ``content`` is then "". A
    message of the role "tool" answers the call ``tool_call_id`` of an earlier assistant's ``tool_calls``.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    audio: Float32 | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    images: tuple[Image, ...] = ()


class ChatRequest(Plain, frozen=True, eq=False):
    """``messages``: the prompt, oldest first; ``max_tokens``: None for no limit.

    ``tool_choice``: "auto", "none", "required", or the name of the one function to call. ``model``: which of the
    engine's models answers; None, or one that it has not, for its default.
    """

    messages: tuple[ChatMessage, ...]
    max_tokens: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    parallel_tool_calls: bool = True
    model: str | None = None


class ChatUsage(Plain, frozen=True, eq=False):
    """Tokens as the model counted them; ``cached_tokens`` of the prompt cost it nothing."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


class ToolCallDelta(Plain, frozen=True, eq=False):
    """More of the ``index``-th function call of this answer; ``id`` and ``name`` on its first delta only."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class ChatDelta(Plain, frozen=True, eq=False):
    """More of the answer. ``finish`` is set on the last delta only: how the model ended it."""

    text: str
    finish: Literal["stop", "length", "tool_calls"] | None = None
    tool_call: ToolCallDelta | None = None
    usage: ChatUsage | None = None


# --- a model that hears and answers ---------------------------------------------------------------------------


class SpeechRequest(Plain, frozen=True, eq=False):
    """``messages``: the whole prompt, oldest first, the user's turn at its end as sound.

    ``conversation``: requests of one name share their beginning, so that an engine may keep what it has worked out
    of it; losing that costs time, never correctness. ``wants``: "nothing" only gets the beginning ready.
    """

    messages: tuple[ChatMessage, ...]
    conversation: str = ""
    max_tokens: int | None = None
    language: str | None = None
    wants: Literal["answer", "transcript", "both", "nothing"] = "both"


class SpeechDelta(Plain, frozen=True, eq=False):
    """More of the answer (``text``) or of the user's words (``heard``).

    ``is_heard``: the words are complete. ``finish``: the answer is; set once. The two end in either order.
    """

    text: str = ""
    heard: str = ""
    is_heard: bool = False
    finish: Literal["stop", "length"] | None = None
    usage: ChatUsage | None = None


# --- text to speech -------------------------------------------------------------------------------------------


class WordTime(Plain, frozen=True, eq=False):
    """When one word of the phrase sounds: ``phrase.text[text_start:text_end]`` at ``start_ms``..``end_ms``
    from the first sample that the synthesizer gave for this phrase."""

    text_start: int
    text_end: int
    start_ms: float
    end_ms: float


class SpeakRequest(Plain, frozen=True, eq=False):
    """``text``: one phrase; ``voice``: a name of this engine's ("" for its default); ``speed``: 1.0 is normal."""

    text: str
    voice: str = ""
    speed: float = 1.0


class SpeechChunk(Plain, frozen=True, eq=False):
    """``pcm``: int16 [n] at 24 kHz; ``words``: the words that end in this chunk, times within the phrase."""

    pcm: Int16
    words: tuple[WordTime, ...] = ()


# --- engines --------------------------------------------------------------------------------------------------

Req = TypeVar("Req", bound=Plain, contravariant=True)
Res = TypeVar("Res", bound=Plain, covariant=True)


class BatchEngine(Protocol[Req, Res]):
    """A model that the runner steps. All methods block and are called from worker threads.

    ``max_batch``: how many requests one step may take. ``device``: whose threads it is stepped on ("cpu", "cuda:0"),
    known after ``load``. ``is_realtime``: true for what runs on every window of sound (voice activity); such an
    engine has a thread of its own and never waits behind a longer step.
    """

    name: str
    max_batch: int
    device: str
    is_realtime: bool

    def load(self) -> None:
        """Bring the weights in and run once, so that the first turn is not the slow one.

        Raises EngineUnavailable with what to install or set.
        """

    def step(self, requests: Sequence[Req]) -> Sequence[Res]:
        """One result a request, in the same order. Batched and single calls agree.

        Several threads may be in here at once.
        """

    def close(self) -> None:
        """Give everything back. Called once, after the last step."""


class StreamEngine(Protocol[Req, Res]):
    """A model that is spoken with: a chat server, a synthesizer in a helper process."""

    name: str

    async def start(self) -> None:
        """Connect or spawn, and run once. Raises EngineUnavailable with what to install or set."""

    def stream(self, request: Req) -> AbstractAsyncContextManager[AsyncIterator[Res]]:
        """Results as they come. Leaving the context, by any way, ends the work on the far side too.

        Raises EngineLost when the far side is away, EngineError when it refuses.
        """

    async def aclose(self) -> None:
        """Give everything back. Called once."""


@runtime_checkable
class HasCost(Protocol):
    """A BatchEngine whose requests are not all alike."""

    def cost(self, request: Any) -> float:
        """How much work ``request`` is, in any unit (seconds of sound, characters): what the runner learns of one it
        expects of the next in proportion, and a batch holds requests of like cost only. Called on the event loop's
        thread: looks at sizes, nothing more."""


@runtime_checkable
class HasSample(Protocol):
    """A BatchEngine that can be measured at the start."""

    def sample(self) -> Any:
        """A request like most of those that will come. Called after ``load``."""


@runtime_checkable
class TakesDeadlines(Protocol):
    """A StreamEngine before which requests wait, in a queue of its own."""

    takes_deadlines: Literal[True]

    def stream(self, request: Any, deadline_s: float) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """As StreamEngine's; ``deadline_s`` as in ``EngineClient.call``."""


@runtime_checkable
class HasPlaces(Protocol):
    """A stream engine with a queue of its own: how many requests it works on at once, on how many it does, and how many
    wait."""

    @property
    def threads(self) -> int: ...

    @property
    def running(self) -> int: ...

    @property
    def waiting(self) -> int: ...


@runtime_checkable
class WarmsUp(Protocol):
    """An engine whose far side may still be slow on its first request after ``start``."""

    async def warm_up(self) -> None:
        """Make that request. A failure is no matter: the first turn will tell."""


AnyEngine = BatchEngine[Any, Any] | StreamEngine[Any, Any]
Vad = BatchEngine[VadRequest, VadResult]
TurnDetector = BatchEngine[TurnRequest, TurnResult]
# On a stream engine the last of the results counts; earlier ones are what is known so far.
Transcriber = BatchEngine[TranscribeRequest, TranscribeResult] | StreamEngine[TranscribeRequest, TranscribeResult]
ChatModel = StreamEngine[ChatRequest, ChatDelta]
SpeechModel = StreamEngine[SpeechRequest, SpeechDelta]


@runtime_checkable
class SlowToRepeat(Protocol):
    """A Transcriber that is not to be asked again and again while somebody speaks, where ``gives_partials`` is false:
    each request costs as much as the last, in time or in money. Known after ``load`` or ``start``."""

    gives_partials: bool


@runtime_checkable
class HasModels(Protocol):
    """A ChatModel behind which there is a choice."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names that a ChatRequest may have, the default first. Known after ``start``."""

    async def relist(self) -> None:
        """Ask anew which there are. Where nobody answers, they stay as they were."""


class HasVoices(Protocol):
    """``voices``: the names that a synthesizer knows, its default first. An unknown one is spoken by the default."""

    voices: tuple[str, ...]


class Speaker(BatchEngine[SpeakRequest, SpeechChunk], HasVoices, Protocol):
    """A Synthesizer that gives a phrase whole."""


class StreamingSpeaker(StreamEngine[SpeakRequest, SpeechChunk], HasVoices, Protocol):
    """A Synthesizer that gives a phrase in pieces."""


# A phrase in, sound with word times out.
Synthesizer = Speaker | StreamingSpeaker

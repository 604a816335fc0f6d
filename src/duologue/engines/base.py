"""What a session may ask of a model, and what a model family has to offer.

Two shapes of engine exist. A **batch engine** computes: the runner gathers requests of many sessions and steps
the model once, in a worker thread. A **stream engine** talks: to a server or a helper process, one request at a
time each, and is asynchronous by nature. Requests and results are plain data (scalars, strings, tuples, numpy
arrays), so that the same engine can live in this process, in a child or elsewhere.

Sound given to an engine is float32 mono at 16 kHz; sound that comes back is int16 mono at 24 kHz.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol, TypeVar, runtime_checkable

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
    """``audio``: float32 [n] at 16 kHz, one whole turn."""

    audio: Float32
    language: str | None = None


class TranscribeResult(Plain, frozen=True, eq=False):
    """``text`` as written language; "" where nothing was said."""

    text: str


# --- the answer -----------------------------------------------------------------------------------------------


class ChatMessage(Plain, frozen=True, eq=False):
    """One message of the prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


class ChatRequest(Plain, frozen=True, eq=False):
    """``messages``: the prompt, oldest first; ``max_tokens``: None for no limit."""

    messages: tuple[ChatMessage, ...]
    max_tokens: int | None = None


class ChatDelta(Plain, frozen=True, eq=False):
    """More text of the answer. ``finish`` is set on the last delta only: how the model ended it."""

    text: str
    finish: Literal["stop", "length"] | None = None


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

    ``max_batch``: how many requests one step may take. ``is_realtime``: true for what runs on every window of
    sound (voice activity); such an engine has a thread of its own and never waits behind a longer step.
    """

    name: str
    max_batch: int
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
class WarmsUp(Protocol):
    """An engine whose far side may still be slow on its first request after ``start``."""

    async def warm_up(self) -> None:
        """Make that request. A failure is no matter: the first turn will tell."""


class Vad(BatchEngine[VadRequest, VadResult], Protocol):
    """Is there speech?"""


class TurnDetector(BatchEngine[TurnRequest, TurnResult], Protocol):
    """Is the turn over?"""


class Transcriber(BatchEngine[TranscribeRequest, TranscribeResult], Protocol):
    """Speech to text."""


class ChatModel(StreamEngine[ChatRequest, ChatDelta], Protocol):
    """Messages in, the answer's text out."""


class Synthesizer(StreamEngine[SpeakRequest, SpeechChunk], Protocol):
    """A phrase in, sound with word times out. ``voices``: the names it knows, its default first."""

    voices: tuple[str, ...]

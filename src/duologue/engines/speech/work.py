"""What is asked of the loop (``Job``), and what of it is worked out in one row (``Run``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from duologue.audio.frame import SESSION_RATE_HZ, Float32
from duologue.engines.base import ChatUsage, SpeechDelta, SpeechRequest
from duologue.engines.speech.detokenise import Words
from duologue.engines.speech.kept_rows import Row
from duologue.engines.speech.kept_sounds import digest
from duologue.engines.speech.layout import Layout
from duologue.engines.speech.rows import Sound, sound_position
from duologue.errors import DuologueError, EngineError

# A transcript may have this many tokens, since a model that repeats itself must come to an end.
_TOKENS_A_SECOND = 8
_TOKENS_MORE = 16

# None: nothing more will come.
Deliver = Callable[[SpeechDelta | DuologueError | None], None]
Kind = Literal["answer", "heard", "nothing"]


class LoopStats(msgspec.Struct):
    """What the loop has done. ``batches``: how many steps had how many rows; ``reused_tokens``: of prompts, those
    that a row still held; ``evicted``: conversations that lost their row to others."""

    steps: int = 0
    fills: int = 0
    filled_tokens: int = 0
    reused_tokens: int = 0
    sounds: int = 0
    failures: int = 0
    evicted: int = 0
    batches: dict[int, int] = {}


class Job:
    """One request on its way. ``is_over``: nothing more is wanted of it; may be set from any thread.

    ``open_runs``: how many of its runs have not ended; ``later``: the transcript that waits for the answer.
    """

    def __init__(self, request: SpeechRequest, deliver: Deliver) -> None:
        self.request = request
        self.is_over = False
        self.open_runs = 0
        self.later: Run | None = None
        self._deliver = deliver
        self._audio: dict[bytes, Float32] = {}
        self._sounds: dict[bytes, Sound] = {}
        self._names: list[bytes] = []

    @property
    def unheard(self) -> dict[bytes, Float32]:
        """Its sounds that are not encoded yet, by name."""
        return {name: audio for name, audio in self._audio.items() if name not in self._sounds}

    @property
    def sounds(self) -> list[Sound | None]:
        """The sound of each message, None for text."""
        return [self._sounds.get(name) for name in self._names]

    def sounds_of(self, atoms: list[int]) -> dict[int, Sound]:
        """Those of its sounds that ``atoms`` speak of, by key."""
        keys = {sound_position(atom)[0] for atom in atoms if atom < 0}
        return {sound.key: sound for sound in self._sounds.values() if sound.key in keys}

    def name_sounds(self, layout: Layout) -> None:
        """Find out which sounds it brings, in the loop's thread: the event loop has no 2 ms to spare.

        An older sound that no row holds is left out, or no later turn of its conversation would ever be answered.
        Raises EngineError where the last one is too long.
        """
        audio = [message.audio for message in self.request.messages]
        last = max((place for place, heard in enumerate(audio) if heard is not None), default=0)
        self._names = [self._name(heard, layout, is_last=place == last) for place, heard in enumerate(audio)]

    def hear(self, sounds: Mapping[bytes, Sound]) -> None:
        """Take from ``sounds`` what it has."""
        self._sounds |= {name: sounds[name] for name in self._audio if name in sounds}

    def say(self, delta: SpeechDelta) -> None:
        if not self.is_over:
            self._deliver(delta)

    def end(self, failure: DuologueError | None = None) -> None:
        """Nothing more is said. Does nothing where it is over already."""
        if not self.is_over:
            self.is_over = True
            self._deliver(failure)

    def _name(self, audio: Float32 | None, layout: Layout, *, is_last: bool) -> bytes:
        if audio is None or not len(audio) or not (is_last or layout.has_room(len(audio))):
            return b""
        layout.require_room(len(audio))
        name = digest(audio)
        self._audio[name] = audio
        return name


class Run:
    """One prompt in one row and the tokens that follow it.

    ``goal``: what the row must hold before the next token can be known; ``is_urgent``: somebody waits for its words.
    """

    def __init__(self, job: Job, kind: Kind, prompt: list[int], most_tokens: int, words: Words) -> None:
        self.job = job
        self.kind = kind
        self.is_urgent = kind == "answer" or job.request.wants == "transcript"
        self.goal = prompt
        self.prompt_tokens = len(prompt)
        self.cached_tokens = 0
        self.most_tokens = most_tokens
        self.tokens: list[int] = []
        self.row: Row | None = None
        self._words = words
        self._has_spoken = False

    @property
    def conversation(self) -> str:
        """Whose row it is written into; a transcript's is nobody's."""
        return "" if self.kind == "heard" else self.job.request.conversation

    @property
    def order(self) -> int:
        """What goes first: words somebody waits for, then transcripts, then what gets ready for a next turn."""
        return 0 if self.is_urgent else 2 if self.kind == "nothing" else 1

    def say(self, token: int) -> None:
        """Give on what ``token`` adds."""
        text = self._words.feed(token)
        if self.kind == "heard" and not self._has_spoken:
            text = text.lstrip()
        if text:
            self._has_spoken = True
            self.job.say(SpeechDelta(heard=text) if self.kind == "heard" else SpeechDelta(text=text))

    def finish(self, how: Literal["stop", "length"]) -> None:
        """Say that it is complete."""
        usage = ChatUsage(self.prompt_tokens, len(self.tokens), self.cached_tokens)
        if self.kind == "answer":
            self.job.say(SpeechDelta(finish=how, usage=usage))
        else:
            self.job.say(SpeechDelta(is_heard=self.kind == "heard", usage=usage))


def plan(job: Job, layout: Layout) -> Run:
    """What to work out first for ``job``, whose sounds are all there; a transcript beside it is ``job.later``.

    Raises EngineError for a prompt that does not fit into a row, or a transcript of nothing.
    """
    request = job.request
    words = Words(layout.token_bytes)
    if request.wants == "nothing":
        first = Run(job, "nothing", layout.beginning(request.messages, job.sounds), 0, words)
    elif request.wants == "transcript":
        first = _transcript(job, layout)
    else:
        prompt = layout.prompt(request.messages, job.sounds, request.max_tokens)
        room = layout.row_tokens - len(prompt) + 1
        first = Run(job, "answer", prompt, min(max(1, request.max_tokens or room), room), words)
        if request.wants == "both" and job.sounds[-1] is not None:
            job.later = _transcript(job, layout)
    job.open_runs = 1 + (job.later is not None)
    return first


def _transcript(job: Job, layout: Layout) -> Run:
    """The words of the last message that is sound."""
    heard = [(message.audio, sound) for message, sound in zip(job.request.messages, job.sounds, strict=True) if sound]
    if not heard:
        raise EngineError("there is no sound to transcribe: the last message must be the user's turn as audio")
    audio, sound = heard[-1]
    assert audio is not None
    prompt = layout.transcription(sound, job.request.language)
    room = layout.row_tokens - len(prompt) + 1
    most_tokens = int(len(audio) / SESSION_RATE_HZ * _TOKENS_A_SECOND) + _TOKENS_MORE
    return Run(job, "heard", prompt, min(most_tokens, room), Words(layout.token_bytes))

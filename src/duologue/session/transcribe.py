"""The turn's sound -> its words: once for good when the turn pauses, now and then before."""

from __future__ import annotations

import re
from collections.abc import Callable

import anyio
import numpy as np

from duologue.audio.frame import SESSION_RATE_HZ, Float32
from duologue.engines.base import TimedWord, TranscribeRequest
from duologue.engines.client import ASR, EngineClient
from duologue.engines.pressure import NO_PRESSURE, Pressure
from duologue.errors import EngineError, EngineLost, Overloaded

# A listener notices a final transcript that is later than this: the answer waits for it.
FINAL_DUE_S = 0.2
# An engine that has not answered by then is taken for lost; of a long recording, not before it would have been heard.
PATIENCE_S = 15.0
# Partials: no sooner than this after the last, and less often the longer the turn, since each one transcribes the
# whole of it anew (2.9 CPU-seconds for 8 s of speech at one each half second). The first words are shown after two of
# them; at 0.7 s that was 1.5 s instead of 0.9, for the same work in all.
PARTIAL_EVERY_S = 0.4
PARTIAL_SHARE = 0.3
PARTIAL_DUE_S = 0.4
# Of a longer turn only what was said since a pause is looked at.
LONGEST_PARTIAL_S = 12.0

_WORD_EDGES = re.compile(r"^\W+|\W+$")


class Transcription:
    """The words of one stretch of sound, computed once; ``known`` is set when ``text`` or ``failure`` is.

    ``stream``: the turn that the sound is of. ``is_fed``: the words come by ``hear`` from one of those who told
    ``feed_begins``; a transcriber is asked only where all of them told ``feed_ended`` first. ``words``: one by one,
    where that was wanted and the transcriber can.
    """

    def __init__(
        self,
        engines: EngineClient,
        sound: Float32,
        language: str | None,
        stream: str = "",
        *,
        is_fed: bool = False,
        wants_words: bool = False,
    ) -> None:
        self._engines = engines
        self.stream = stream
        self._wants_words = wants_words
        self._feeds = 0
        self._feed_over = anyio.Event()
        self.sound = sound
        self.language = language
        self.is_fed = is_fed
        self.audio_s = len(sound) / SESSION_RATE_HZ
        self.known = anyio.Event()
        self.known_at_s: float | None = None
        self.text: str | None = None
        self.words: tuple[TimedWord, ...] = ()
        self.failure: EngineError | Overloaded | None = None
        self.scope = anyio.CancelScope()

    async def run(self) -> None:
        with self.scope:
            if self.is_fed:
                await self._feed_over.wait()
            if not self.known.is_set():
                await self._transcribe()

    def feed_begins(self) -> None:
        """Somebody may ``hear`` the words."""
        self._feeds += 1

    def hear(self, words: str) -> None:
        """All the words, from a model that hears the turn."""
        self._tell(words, None)
        self._feed_over.set()

    def feed_ended(self) -> None:
        """One who told ``feed_begins`` will not ``hear`` any more."""
        self._feeds -= 1
        if self._feeds == 0:
            self._feed_over.set()

    async def _transcribe(self) -> None:
        request = TranscribeRequest(self.sound, self.language, self.stream, wants_words=self._wants_words)
        try:
            patience_s = max(PATIENCE_S, self.audio_s)
            with anyio.fail_after(patience_s):
                due_s = anyio.current_time() + FINAL_DUE_S
                result = await self._engines.call(ASR, request, deadline_s=due_s)
        except TimeoutError:
            self._tell(None, EngineLost(f"The transcriber did not answer within {patience_s:.0f} s."))
        except (EngineError, Overloaded) as error:
            self._tell(None, error)
        else:
            self.words = result.words
            self._tell(result.text, None)

    def _tell(self, words: str | None, failure: EngineError | Overloaded | None) -> None:
        """What is known first stays."""
        if not self.known.is_set():
            self.text, self.failure = words if words is None else words.strip(), failure
            self.known_at_s = anyio.current_time()
            self.known.set()


class Partials:
    """The words so far while someone speaks. Best effort: with no idle engine, and under ``pressure``, there are none.

    ``sound``: the turn from a sample of it on, float32 at 16 kHz. ``say`` gets words that two transcripts in a row
    agree on; such words are never taken back ("local agreement", Liu et al. 2020, "Low-Latency Sequence-to-Sequence
    Speech Recognition and Translation by Partial Hypothesis Selection").
    """

    def __init__(
        self,
        engines: EngineClient,
        sound: Callable[[int], Float32],
        language: str | None,
        stream: str,
        say: Callable[[str], None],
        pressure: Pressure = NO_PRESSURE,
    ) -> None:
        self._engines = engines
        self._pressure = pressure
        self._stream = stream
        self._sound = sound
        self._language = language
        self._say = say
        self._last: list[str] = []
        self._settled = 0
        # Where what is transcribed begins, in samples and in words, and where it could, after the last pause.
        self._start = self._start_words = 0
        self._pause = self._pause_words = 0
        self.scope = anyio.CancelScope()

    @property
    def has_said(self) -> bool:
        return self._settled > 0

    async def run(self) -> None:
        with self.scope:
            wait_s, heard = PARTIAL_EVERY_S, 0
            while True:
                await anyio.sleep(wait_s)
                if not self._pressure.allows_partials:
                    continue
                sound = self._sound(self._start)
                if self._start + len(sound) == heard:
                    continue
                heard = self._start + len(sound)
                length_s = len(sound) / SESSION_RATE_HZ
                if length_s <= LONGEST_PARTIAL_S:
                    await self._transcribe(sound)
                    wait_s = max(PARTIAL_EVERY_S, PARTIAL_SHARE * length_s)
                elif self._pause > self._start:
                    self._begin_at(self._pause, self._pause_words)
                    wait_s, heard = 0.0, 0
                else:
                    await self._leave_behind(sound[: _quiet_place(sound)])
                    wait_s = PARTIAL_EVERY_S

    def _begin_at(self, start: int, words: int) -> None:
        self._start, self._start_words, self._last = start, words, []

    async def _leave_behind(self, sound: Float32) -> None:
        """Somebody speaks on and on: what this first part of it holds is taken as it is."""
        words = await self._hear(sound)
        if words is not None:
            self._tell(words, self._start_words)
            self._begin_at(self._start + len(sound), self._start_words + len(words))

    def settle(self, text: str, until: int) -> None:
        """All words up to a pause at the turn's sample ``until``, from a transcript that is final unless the speaker
        goes on."""
        self._tell(text.split(), 0)
        self._pause, self._pause_words = until, self._settled

    def _tell(self, words: list[str], start: int) -> None:
        """``words``: the turn's from its ``start``-th on."""
        new = words[max(0, self._settled - start) :]
        if new:
            self._say((" " if self._settled else "") + " ".join(new))
            self._settled = start + len(words)

    async def _transcribe(self, sound: Float32) -> None:
        # An engine that follows a turn expects it from its beginning on.
        words = await self._hear(sound, "" if self._start else self._stream)
        if words is not None:
            self._tell(words[: _agreement(self._last, words)], self._start_words)
            self._last = words

    async def _hear(self, sound: Float32, stream: str = "") -> list[str] | None:
        due_s = anyio.current_time() + PARTIAL_DUE_S
        try:
            request = TranscribeRequest(sound, self._language, stream, is_last=False)
            result = await self._engines.call(ASR, request, deadline_s=due_s, best_effort=True)
        except (EngineError, Overloaded):
            return None
        return result.text.split()


def _quiet_place(sound: Float32) -> int:
    """The middle of the quietest tenth of a second of its third quarter: likely not within a word."""
    start, end = len(sound) // 2, len(sound) * 3 // 4
    step = SESSION_RATE_HZ // 10
    tenths = sound[start : start + (end - start) // step * step].reshape(-1, step)
    return start + step * int(np.square(tenths).mean(axis=1).argmin()) + step // 2


def _agreement(a: list[str], b: list[str]) -> int:
    """How many leading words are the same, whatever their case and punctuation."""
    for index, (x, y) in enumerate(zip(a, b, strict=False)):
        if _bare(x) != _bare(y):
            return index
    return min(len(a), len(b))


def _bare(word: str) -> str:
    return _WORD_EDGES.sub("", word).lower()

"""The user's sound as it arrives: on the session's clock, with speech found in it.

Most of what a session hears is nobody speaking, fifty times a second. So a frame is only counted and put by, until
there is a window to look at; and what is too quiet to be speech is not looked at.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from msgspec import structs

from duologue.audio.codec import Pcm16Decoder
from duologue.audio.frame import SESSION_RATE_HZ, Float32, ms_to_samples, to_float
from duologue.audio.intake import Intake, peak
from duologue.audio.resample import Resampler
from duologue.engines.base import VAD_WINDOW_SAMPLES, VadRequest, VadResult, VadState
from duologue.engines.client import VAD, EngineClient
from duologue.errors import CapacityError, EngineError
from duologue.events import AppendAudio, ClearAudio, CommitAudio, Told
from duologue.items import Item, Message, Part
from duologue.session.timer import Timer
from duologue.session.vad import Calmed, Onset, Pause, SpeechGate, Suspected, Suspicion

# A long append is looked at in pieces of 256 ms, so that one client's recording does not hold up the others' VAD, and
# decoded in pieces of 340 ms (0.06 ms), so that it does not hold up the others' everything.
WINDOWS_PER_CALL = 8
PIECE_BYTES = 16 * 1024
# Four seconds of sound at 24 kHz.
BEHIND_BYTES = 192 * 1024
BEHIND_EVENTS = 256
# What is kept while nobody speaks: the padding before speech, and what the VAD needs to be sure of it. Given up in
# steps of 250 ms.
IDLE_KEEP_SAMPLES = ms_to_samples(1_500)
FORGET_EVERY_SAMPLES = ms_to_samples(250)
# Sound is missing for so long, in mid-turn, before silence takes its place and the clock goes on.
STALL_S = 0.5
# A client that sends a second of sound at a time is not stalled between two of them.
LONGEST_APPEND_S = 1.0
# Quieter than -56 dBFS at its loudest is no speech: where it is not looked at, 124 of 131 recordings have the same
# onsets and pauses to within a window (120 the very same), and no more are missed; of voices 20 dB quieter 126. A
# little of it is looked at, behind what was louder, so that a word that fades is followed.
QUIET_PEAK = 51
QUIET_SAMPLES = 2 * VAD_WINDOW_SAMPLES
# Silero's memory drifts while nobody speaks: behind 19 s of silence it misses 38 of 131 recordings, behind 19 s of
# noise at -50 dBFS 23, behind a second of either 3 or 4. So it begins anew every two seconds, with what it needs to
# hear before: then it misses 3 behind any of them.
RENEW_WINDOWS = 62
LEAD_WINDOWS = 3


Found = Onset | Pause | Suspected | Calmed


@dataclass(frozen=True, slots=True)
class Heard:
    """Sound up to ``now`` has been looked at. ``found``: where speech begins and ends in it, and where it may begin;
    ``loud_until``: where the last window of speech so far ended."""

    found: list[Found]
    now: int
    loud_until: int


@dataclass(frozen=True, slots=True)
class Marked:
    """A commit or clear, and the moment in the sound that it came at."""

    event: CommitAudio | ClearAudio
    now: int


class Listener(Protocol):
    """Whose ears they are. ``is_in_turn``: the user is in the middle of something, so that the clock must go on without
    sound; ``is_wary``: it matters at once whether somebody may be beginning to speak; ``clock_due``: the moment at
    which to be told the time, None for none."""

    @property
    def is_in_turn(self) -> bool: ...

    @property
    def is_wary(self) -> bool: ...

    @property
    def clock_due(self) -> int | None: ...

    def needed_since(self, now: int) -> int:
        """The first sample that may still be asked for."""


class Hearing:
    """One session's ears. ``take`` what the client sends; ``tell`` is given all that it means, in order.

    ``now`` is the session's clock: samples that came since it began. What needs the VAD waits for ``run``, and with
    it whatever the client sends after.
    """

    def __init__(
        self, engines: EngineClient, threshold: float, listener: Listener, tell: Callable[[object], None]
    ) -> None:
        self._engines = engines
        self._listener = listener
        self._tell = tell
        self._intake = Intake()
        self._window_start = 0
        self._noise_end = -QUIET_SAMPLES
        self._forget_at = 0
        self._state: VadState | None = None
        self._is_fresh = True
        self._idle_windows = 0
        self.gate = SpeechGate(threshold)
        self._suspicion = Suspicion()
        self.detects_speech = True
        # Until ``run`` says otherwise everything waits for it.
        self._is_looking = True
        self._wanted: asyncio.Future[None] | None = None
        self._waiting: deque[Told] = deque()
        self._waiting_bytes = 0
        self._cut = 0
        self._stall_s = STALL_S
        self._stall = Timer(self._on_stall)

    @property
    def now(self) -> int:
        return self._intake.now

    @property
    def oldest(self) -> int:
        """The first sample that can still be had."""
        return self._intake.start

    @property
    def is_behind(self) -> bool:
        """So much waits to be looked at that no more should come."""
        if not self._is_looking:
            return False
        return len(self._waiting) >= BEHIND_EVENTS or self._waiting_bytes + self._intake.raw_bytes >= BEHIND_BYTES

    def take(self, event: Told) -> None:
        """The client has sent this."""
        if isinstance(event, AppendAudio):
            if not self._waiting and len(event.pcm) <= PIECE_BYTES and event.rate_hz == self._intake.rate_hz:
                self._append(event.pcm)
                self._await_more(len(event.pcm))
                if not self._is_looking:
                    self._listen()
                return
            self._waiting_bytes += len(event.pcm)
        elif not self._waiting and not self._is_looking:
            self._pass(event)
            return
        self._waiting.append(event)
        self._begin_to_look()

    async def run(self) -> None:
        """Look at what needs the VAD, and then at what waits behind it, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            if self._has_window():
                await self._look(loop.time())
            elif self._waiting:
                await self._take_next()
            else:
                self._keep_time()
                self._is_looking = False
                self._wanted = loop.create_future()
                await self._wanted

    def _begin_to_look(self) -> None:
        if not self._is_looking and self._wanted is not None and not self._wanted.done():
            self._is_looking = True
            self._wanted.set_result(None)

    async def _take_next(self) -> None:
        event = self._waiting[0]
        if not isinstance(event, AppendAudio):
            self._waiting.popleft()
            self._pass(event)
            return
        self._intake.change_rate(event.rate_hz)
        piece = event.pcm[self._cut : self._cut + PIECE_BYTES]
        self._append(piece)
        self._await_more(len(event.pcm))
        self._cut += len(piece)
        self._waiting_bytes -= len(piece)
        if self._cut >= len(event.pcm):
            self._waiting.popleft()
            self._cut = 0
        self._forget_old()
        await asyncio.sleep(0)

    def _append(self, pcm: bytes) -> None:
        intake = self._intake
        is_loud = not self.gate.is_idle or peak(pcm) > QUIET_PEAK
        intake.append(pcm)
        if is_loud:
            self._noise_end = intake.now

    def _await_more(self, length: int) -> None:
        """An append of ``length`` bytes has come, and more should."""
        self._stall_s = STALL_S + min(length / (2 * self._intake.rate_hz), LONGEST_APPEND_S)
        if self._listener.is_in_turn:
            self._stall.start(self._stall_s)

    def _pass(self, event: Told) -> None:
        if isinstance(event, CommitAudio | ClearAudio):
            # All that was sent belongs to what it ends, what the resampler held back included.
            self._intake.flush()
            self._tell(Marked(event, self.now))
        else:
            self._tell(event)

    def _listen(self) -> None:
        if self._has_window():
            self._begin_to_look()
        else:
            self._keep_time()

    def _has_window(self) -> bool:
        """Whether there is something to show to the VAD."""
        intake = self._intake
        ready = (intake.now - self._window_start) // VAD_WINDOW_SAMPLES
        if ready <= 0:
            return False
        if not self.detects_speech:
            intake.digest()
            self._window_start = intake.end
            return False
        is_calm = self.gate.is_idle and not self._suspicion.is_on
        if is_calm and self._window_start >= self._noise_end + QUIET_SAMPLES:
            self._window_start += ready * VAD_WINDOW_SAMPLES
            self._is_fresh = True
            return False
        intake.digest()
        return intake.end - self._window_start >= VAD_WINDOW_SAMPLES

    def _keep_time(self) -> None:
        due = self._listener.clock_due
        if due is not None and self.now >= due:
            self._tell(Heard([], self.now, self.gate.loud_until))
        self._forget_old()

    async def _look(self, now_s: float) -> None:
        """Show the VAD what it has not seen yet, or some of it, and tell what it found."""
        first, count = self._window_start, (self._intake.end - self._window_start) // VAD_WINDOW_SAMPLES
        end = first + min(count, WINDOWS_PER_CALL) * VAD_WINDOW_SAMPLES
        probs = await self._probs(first, end, now_s)
        found: list[Found] = []
        for prob in probs.tolist():
            self._window_start += VAD_WINDOW_SAMPLES
            event = self._weigh(prob)
            if event is not None:
                found.append(event)
        self._renew((end - first) // VAD_WINDOW_SAMPLES)
        now = self._window_start if self._has_window() else self.now
        due = self._listener.clock_due
        if found or (due is not None and now >= due):
            self._tell(Heard(found, now, self.gate.loud_until))
            self._stall.start(self._stall_s)
        self._forget_old()

    def _weigh(self, prob: float) -> Found | None:
        event = self.gate.push(prob, self._window_start)
        if event is not None or self.gate.is_speaking or not self._listener.is_wary:
            self._suspicion.settle()
            return event
        return self._suspicion.push(prob, self._window_start)

    async def _probs(self, first: int, end: int, due_s: float) -> Float32:
        """float32 [n]: how likely each window is speech."""
        lead = min(LEAD_WINDOWS, (first - self.oldest) // VAD_WINDOW_SAMPLES) if self._is_fresh else 0
        sound = self.sound(first - lead * VAD_WINDOW_SAMPLES, end).reshape(-1, VAD_WINDOW_SAMPLES)
        request = VadRequest(sound, None if self._is_fresh else self._state)
        self._is_fresh = False
        try:
            result = await self._engines.call(VAD, request, deadline_s=due_s)
        except (EngineError, CapacityError):
            # Not known is not speech, or a turn would never end; the stream begins anew behind it.
            result = VadResult(np.zeros(len(sound), np.float32), None)
        self._state = result.state
        return result.speech_probs[lead:]

    def _renew(self, windows: int) -> None:
        self._idle_windows = self._idle_windows + windows if self.gate.is_idle and not self._is_fresh else 0
        if self._idle_windows >= RENEW_WINDOWS:
            self._is_fresh, self._idle_windows = True, 0

    def _on_stall(self) -> None:
        """No sound came. In mid-turn silence takes its place, or the turn would never end."""
        if not self._listener.is_in_turn:
            return
        if self._is_looking:
            self._stall.start(self._stall_s)
            return
        self._append(bytes(2 * round(self._stall_s * self._intake.rate_hz)))
        self._stall.start(self._stall_s)
        self._listen()

    def sound(self, start: int, end: int) -> Float32:
        """float32 [n] at 16 kHz between two moments, as far as it is kept. Not to be written to."""
        return self._intake.slice(start, end)

    def moment_s(self, sample: int) -> float:
        """When a sample came, on the event loop's clock."""
        return asyncio.get_running_loop().time() - (self.now - sample) / SESSION_RATE_HZ

    def latest(self, samples: int, until: int | None = None) -> tuple[Float32, int]:
        """The last ``samples`` that can be had, up to ``until`` if that is given, and the moment after them: a
        resampler holds back a little of what has come."""
        self._intake.digest()
        end = self._intake.end if until is None else min(until, self._intake.end)
        return self._intake.slice(end - samples, end), end

    def _forget_old(self) -> None:
        now = self.now
        if now >= self._forget_at:
            self._forget_at = now + FORGET_EVERY_SAMPLES
            self._intake.drop_before(min(self._listener.needed_since(now), self._window_start))

    def close(self) -> None:
        """Nothing that was heard will be asked for any more."""
        self._stall.stop()
        self._waiting.clear()
        self._intake = Intake()

    def reset(self) -> None:
        """Forget that anyone was speaking; the clock goes on."""
        self.gate = SpeechGate(self.gate.threshold)
        self._suspicion.settle()
        self._is_fresh = True


def without_sound(item: Item) -> tuple[Item, Float32 | None]:
    """``item`` as it is kept, and all that is to be heard in it: its recordings that came without words, float32 [n] at
    16 kHz. The first of them will have the words of all. Nobody asks for the bytes again."""
    if not isinstance(item, Message):
        return item, None
    heard: list[Float32] = []
    parts: list[Part] = []
    for part in item.parts:
        if part.pcm is None:
            parts.append(part)
            continue
        parts.append(structs.replace(part, pcm=None, text="" if heard else None))
        heard.append(_as_heard(part.pcm, part.rate_hz))
    return structs.replace(item, parts=tuple(parts)), np.concatenate(heard) if heard else None


def _as_heard(pcm: bytes, rate_hz: int) -> Float32:
    resampler = Resampler(rate_hz, SESSION_RATE_HZ)
    sound = to_float(Pcm16Decoder().decode(pcm))
    return np.concatenate([resampler.push(sound), resampler.flush()])

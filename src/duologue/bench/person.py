"""One simulated caller, as a script that is advanced one frame of 20 ms at a time. Pure: no clock, no socket.

The person speaks its clips, listens to the answers through a simulated `Speaker`, and talks over some of them.
Whatever the server does, the frames go on: an answer that does not come is waited for until its deadline, is
counted as unanswered, and the schedule continues (no coordinated omission).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from duologue.audio.frame import Int16
from duologue.bench.clips import Clip
from duologue.bench.ears import Ears
from duologue.bench.talker import Talker
from duologue.bench.timeline import CANCELLED_GRACE_S, Interruption, TurnLog, is_answered, settle
from duologue.bench.wire import FRAME_S, FRAME_SAMPLES

LONG_ANSWER_WISH = "Tell me a story, a long one, with at least ten sentences."
# The last transcript may come after the last word of the answer.
TRANSCRIPT_GRACE_S = 2.0


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """How a person talks. Shares are in [0, 1]; ``noise_dbfs`` None is digital silence between the words.

    ``turns_every_s``: begin a turn at this pace whatever happens; None: ``gap_s`` after the answer has been
    played. An answer is waited for ``answer_timeout_s`` after the true end of speech and listened to for
    ``longest_answer_s``. An interrupting turn begins ``interrupt_after_s`` after the answer became audible. With
    ``hangs_up_early`` the last answer is received but not listened to.
    """

    turns: int = 5
    start_after_s: float = 0.5
    gap_s: float = 1.0
    turns_every_s: float | None = None
    answer_timeout_s: float = 10.0
    longest_answer_s: float = 20.0
    interrupt_share: float = 0.0
    interrupt_after_s: float = 1.0
    noise_dbfs: float | None = None
    keeps_order: bool = False
    hangs_up_early: bool = False


class Person(Talker):
    """``turns`` and ``interruptions`` fill up as the call goes on; ``is_done`` once it is over. ``room``: what is heard
    besides the voice, in place of ``habits.noise_dbfs``; ``reports``: of one who obeys (see `ears`)."""

    def __init__(
        self,
        clips: Sequence[Clip],
        habits: Habits,
        *,
        seed: int = 0,
        keeps_audio: bool = False,
        on_turn: Callable[[], None] = lambda: None,
        room: Int16 | None = None,
        reports: bool = False,
    ) -> None:
        if room is None and habits.noise_dbfs is not None:
            room = room_tone(habits.noise_dbfs, seed)
        super().__init__(Ears(keeps_audio=keeps_audio), room=room, reports=reports)
        self._habits = habits
        self._rng = random.Random(seed)
        self._order = _order(clips, habits, self._rng)
        self._offset = self._rng.random()
        self._on_turn = on_turn
        self.interruptions: list[Interruption] = []

    # --- the script: each yield lets 20 ms pass -------------------------------------------------------------------

    def _converse(self) -> Iterator[None]:
        yield from self._pause_until(self._began_at + self._habits.start_after_s)
        for number, clip in enumerate(self._order):
            if self._habits.turns_every_s is not None:
                first = self._began_at + self._habits.start_after_s
                yield from self._pause_until(first + number * self._habits.turns_every_s)
            interruption = None
            if self._interrupts(number):
                interruption = Interruption()
                yield from self._wait_to_interrupt(interruption)
            while self._saying is not None:
                yield
            log = self._speak(clip)
            yield from self._pause_until(log.speech_end_at)
            if interruption is not None:
                yield from self._close_interruption(interruption)
            yield from self._listen(log)
            self._on_turn()
        yield from self._await_last_transcript()

    def _interrupts(self, number: int) -> bool:
        """Evenly spread over the turns, from a place of the person's own, so that the share is kept."""
        share = self._habits.interrupt_share
        return int((number + 1) * share + self._offset) > int(number * share + self._offset)

    def _speak(self, clip: Clip) -> TurnLog:
        """Begin a clip with the frame that is being captured now."""
        start_at, end_at = self._utter(clip)
        log = TurnLog(
            clip=clip.name,
            text=clip.text,
            baseline_text=clip.baseline_text,
            speech_start_at=start_at,
            speech_end_at=end_at,
            pauses=[(self._now + a, self._now + b) for a, b in clip.pauses],
        )
        self.turns.append(log)
        return log

    def _listen(self, log: TurnLog) -> Iterator[None]:
        """Until the answer has been played, or failed, or its deadline; on a fixed schedule, not at all."""
        is_last = len(self.turns) == len(self._order)
        if self._habits.turns_every_s is not None and not is_last:
            return
        deadline = log.speech_end_at + self._habits.answer_timeout_s
        while self._now < deadline and not is_answered(log) and not _has_failed(log):
            yield
        deadline = self._now + self._habits.longest_answer_s
        hears_out = not (is_last and self._habits.hangs_up_early)
        while is_answered(log) and self._now < deadline and not self._has_ended(log, hears_out):
            yield
        if hears_out:
            yield from self._pause_until(self._now + self._habits.gap_s)

    def _has_ended(self, log: TurnLog, hears_out: bool) -> bool:
        is_busy = any(answer.done_at is None for answer in log.answers)
        return not is_busy and not (hears_out and self.ears.speaker.is_playing(self._now))

    def _wait_to_interrupt(self, interruption: Interruption) -> Iterator[None]:
        """Ask for a long answer in writing, and wait until it has been audible for a while."""
        self._wish(LONG_ANSWER_WISH)
        self.ears.expect_long_answer()
        deadline = self._now + self._habits.answer_timeout_s
        while self._now < deadline and (self.ears.long_answer is None or self.ears.long_answer.audible_at is None):
            yield
        answer = self.ears.long_answer
        if answer is None or answer.audible_at is None:
            interruption.ended = "no answer"
        else:
            yield from self._pause_until(answer.audible_at + self._habits.interrupt_after_s)
        self.interruptions.append(interruption)

    def _close_interruption(self, interruption: Interruption) -> Iterator[None]:
        """Settle when the speaker fell silent, and because of what."""
        answer = self.ears.long_answer
        if interruption.ended or answer is None:
            return
        onset_at = self.turns[-1].speech_start_at
        yield from self._pause_until(self._now + CANCELLED_GRACE_S)
        settle(interruption, answer, onset_at=onset_at, flushed_at=self.ears.flushed_at, now=self._now)

    def _await_last_transcript(self) -> Iterator[None]:
        deadline = self._now + TRANSCRIPT_GRACE_S
        while self._now < deadline and self.ears.owes_transcript():
            yield


def _has_failed(log: TurnLog) -> bool:
    """The server said that no answer comes."""
    return bool(log.answers) and log.answers[-1].status == "failed"


def _order(clips: Sequence[Clip], habits: Habits, rng: random.Random) -> list[Clip]:
    """Every clip once, shuffled, before any comes again; in the given order with ``keeps_order``."""
    order: list[Clip] = []
    while len(order) < habits.turns:
        order += clips if habits.keeps_order else rng.sample(list(clips), len(clips))
    return order[: habits.turns]


def room_tone(noise_dbfs: float, seed: int) -> Int16:
    """One second of white noise at an RMS of ``noise_dbfs``: int16 [24000]."""
    length = round(1 / FRAME_S) * FRAME_SAMPLES
    noise = np.random.default_rng(seed).standard_normal(length) * 32_768 * 10 ** (noise_dbfs / 20)
    return np.clip(noise, -32_768, 32_767).astype(np.int16)

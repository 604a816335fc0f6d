"""What one turn's moments mean: the waterfall of its delay, and whether the assistant cut in. Pure.

All moments are seconds on the caller's clock. The true end of speech is the capture time of the clip's last
spoken sample, not the time when the frame that carries it was sent.

::

    true end   speech_stopped   response.created   first delta   first sample sounds   first audible sample
       |--endpointing--|----thinking----|---first_audio---|------delivery-----|---leading_silence---|
       |------------------------------ voice-to-voice ---------------------------------------------|
"""

from __future__ import annotations

import msgspec

from duologue.bench.words import normalise

# The true end is itself an estimate, good to a few hundredths of a second.
END_TOLERANCE_S = 0.1
# How long after the caller's own words a server may take to fall silent and still count as interrupted.
CANCELLED_GRACE_S = 1.5


class Take(msgspec.Struct, kw_only=True):
    """One user item of a turn, as the server cut it out of what it heard."""

    item_id: str
    speech_started_at: float | None = None
    speech_stopped_at: float | None = None
    committed_at: float | None = None
    deltas: list[tuple[float, str]] = []
    transcript_at: float | None = None
    transcript: str = ""

    @property
    def words_at(self) -> float | None:
        """When the client first had every word of the final transcript: by a delta, or with it."""
        final, so_far = normalise(self.transcript), ""
        for at, text in self.deltas:
            so_far += text
            if final and normalise(so_far) == final:
                return at
        return self.transcript_at

    @property
    def floor_taken_at(self) -> float | None:
        """When the server said that the speaker was done."""
        moments = [at for at in (self.speech_stopped_at, self.committed_at) if at is not None]
        return min(moments, default=None)


class Answer(msgspec.Struct, kw_only=True):
    """One response. ``plays_at``: its first sample sounds; ``audible_at``: its first audible sample does."""

    response_id: str
    created_at: float
    first_delta_at: float | None = None
    plays_at: float | None = None
    audible_at: float | None = None
    play_ends_at: float | None = None
    done_at: float | None = None
    status: str = ""


class TurnLog(msgspec.Struct, kw_only=True):
    """All that is known about one turn. ``pauses``: the clip's inner pauses, [(start, end)]."""

    clip: str
    text: str | None = None
    baseline_text: str | None = None
    speech_start_at: float
    speech_end_at: float
    pauses: list[tuple[float, float]] = []
    takes: list[Take] = []
    answers: list[Answer] = []

    @property
    def heard_text(self) -> str:
        """What the server understood: the transcripts of all its takes, in order."""
        return " ".join(take.transcript for take in self.takes if take.transcript)


class Waterfall(msgspec.Struct, frozen=True, kw_only=True):
    """Where the time went, in ms. A stage is None where the server does not send the event that ends it."""

    voice_to_voice_ms: float
    endpointing_ms: float | None
    words_ms: float | None
    transcript_ms: float | None
    thinking_ms: float | None
    first_audio_ms: float
    delivery_ms: float
    leading_silence_ms: float


class CutOff(msgspec.Struct, frozen=True, kw_only=True):
    """Did the assistant take the floor while the speaker had only paused?

    ``early_ms``: how long before the true end it first did. ``pauses_cut``: inner pauses during or right after
    which it did, out of ``pauses``.
    """

    is_cut_off: bool
    early_ms: float
    pauses: int
    pauses_cut: int


class Interruption(msgspec.Struct, kw_only=True):
    """One barge-in: the caller's first audible sample, and the moment its speaker fell silent.

    ``ended``: "flushed" by ``speech_started``, "cancelled" by the server alone, or why there is no figure:
    "answer ended", "not heard", "no answer".
    """

    onset_at: float | None = None
    silent_at: float | None = None
    ended: str = ""

    @property
    def stop_ms(self) -> float | None:
        """Interruption stop time, or None when the answer did not stop because of the caller."""
        if self.onset_at is None or self.silent_at is None:
            return None
        return _ms(self.onset_at, self.silent_at)


def answer_of(log: TurnLog) -> Answer | None:
    """The answer to the turn: the first that was begun when the speaker had finished and was heard."""
    earliest = log.speech_end_at - END_TOLERANCE_S
    return next((a for a in log.answers if a.created_at >= earliest and a.audible_at is not None), None)


def is_answered(log: TurnLog) -> bool:
    """True when any answer was heard after the speaker had finished, also one that had begun too early."""
    return any(
        a.audible_at is not None and a.play_ends_at is not None and a.play_ends_at > log.speech_end_at
        for a in log.answers
    )


def waterfall(log: TurnLog) -> Waterfall | None:
    """The waterfall of `answer_of`; None when there is none: unanswered, or answered too early only."""
    answer = answer_of(log)
    if answer is None or answer.audible_at is None or answer.first_delta_at is None or answer.plays_at is None:
        return None
    take = _take_before(log, answer.created_at)
    stopped_at = take.floor_taken_at if take else None
    words_at = take.words_at if take else None
    transcript_at = take.transcript_at if take else None
    return Waterfall(
        voice_to_voice_ms=_ms(log.speech_end_at, answer.audible_at),
        endpointing_ms=None if stopped_at is None else _ms(log.speech_end_at, stopped_at),
        words_ms=None if words_at is None else _ms(log.speech_end_at, words_at),
        transcript_ms=None if transcript_at is None else _ms(log.speech_end_at, transcript_at),
        thinking_ms=None if stopped_at is None else _ms(stopped_at, answer.created_at),
        first_audio_ms=_ms(answer.created_at, answer.first_delta_at),
        delivery_ms=_ms(answer.first_delta_at, answer.plays_at),
        leading_silence_ms=_ms(answer.plays_at, answer.audible_at),
    )


def cut_off(log: TurnLog) -> CutOff:
    """False cut-offs of one turn: the floor taken more than 100 ms before the true end of speech."""
    latest = log.speech_end_at - END_TOLERANCE_S
    moments = [take.floor_taken_at for take in log.takes] + [answer.created_at for answer in log.answers]
    early = sorted(at for at in moments if at is not None and log.speech_start_at < at < latest)
    cut = sum(any(_belongs(at, index, log) for at in early) for index in range(len(log.pauses)))
    return CutOff(
        is_cut_off=bool(early),
        early_ms=_ms(early[0], log.speech_end_at) if early else 0.0,
        pauses=len(log.pauses),
        pauses_cut=cut,
    )


def settle(
    interruption: Interruption, answer: Answer, *, onset_at: float, flushed_at: float | None, now: float
) -> None:
    """Fill in the outcome of a barge-in on ``answer``: speech began at ``onset_at``, the speaker was cut off at
    ``flushed_at``, and it is ``now``."""
    ends_at = answer.play_ends_at if answer.play_ends_at is not None else onset_at
    interruption.onset_at = onset_at
    if ends_at <= onset_at:
        interruption.ended = "answer ended"
    elif flushed_at is not None:
        interruption.silent_at, interruption.ended = flushed_at, "flushed"
    elif answer.status == "cancelled":
        interruption.silent_at, interruption.ended = ends_at, "cancelled"
    else:
        interruption.ended = "answer ended" if answer.done_at is not None and ends_at <= now else "not heard"


def _belongs(at: float, index: int, log: TurnLog) -> bool:
    """A decision at ``at`` is blamed on the last pause that had begun by then."""
    begins = log.pauses[index][0]
    next_begins = log.pauses[index + 1][0] if index + 1 < len(log.pauses) else log.speech_end_at
    return begins <= at < next_begins


def _take_before(log: TurnLog, at: float) -> Take | None:
    """The last take whose end the server had noticed by ``at``."""
    done = [take for take in log.takes if (end := take.floor_taken_at) is not None and end <= at]
    return done[-1] if done else None


def _ms(start: float, end: float) -> float:
    return (end - start) * 1000

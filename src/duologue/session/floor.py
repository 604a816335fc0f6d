"""What happens to the floor, and what is to be done about it: what goes into the turn machine and comes out of it.

Moments are samples on the session's input clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from duologue.audio.frame import samples_to_ms
from duologue.events import OverlapJudged
from duologue.session.interruption import Verdict

# --- what happens ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    at: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    at: int


@dataclass(frozen=True, slots=True)
class SoundSuspected:
    """From sample ``at`` on there may be a voice, or not: one window says so, and rather weakly."""

    at: int


@dataclass(frozen=True, slots=True)
class SuspicionOver:
    """It was none."""


@dataclass(frozen=True, slots=True)
class Clock:
    """It is ``now``; ``loud_until``: the user made sound up to here. Over an answer besides ``echo``, how much of the
    last sound the answer itself explains, in [0, 1], and ``left_ms``, how much of it is still to be heard."""

    now: int
    loud_until: int
    echo: float = 0.0
    left_ms: float = float("inf")


@dataclass(frozen=True, slots=True)
class EndOfTurnKnown:
    attempt: int
    prob: float


@dataclass(frozen=True, slots=True)
class WordsKnown:
    attempt: int
    text: str


@dataclass(frozen=True, slots=True)
class OverlapHeard:
    """The words of the sound over the answer that began at sample ``began``, up to ``until``; None where they could
    not be had. ``said_share``: how much of them the assistant has just been saying; ``echo``: as of ``Clock``, now."""

    began: int
    until: int
    text: str | None
    said_share: float = 0.0
    echo: float = 0.0


@dataclass(frozen=True, slots=True)
class ReplyWanted:
    """The client asks for an answer."""


@dataclass(frozen=True, slots=True)
class ReplyAudible:
    pass


@dataclass(frozen=True, slots=True)
class ReplyOver:
    """Played to its end, cancelled, failed, or there was nothing to answer."""


@dataclass(frozen=True, slots=True)
class FloorReset:
    """The client committed or cleared the audio by hand, or changed who detects turns."""


TurnEvent = (
    SpeechBegan
    | SpeechEnded
    | SoundSuspected
    | SuspicionOver
    | Clock
    | EndOfTurnKnown
    | WordsKnown
    | OverlapHeard
    | ReplyWanted
    | ReplyAudible
    | ReplyOver
    | FloorReset
)


# --- what to do about it --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenTurn:
    """The user's speech, from sample ``at``, is a turn."""

    at: int


@dataclass(frozen=True, slots=True)
class StartAttempt:
    """Prepare an answer to the turn's sound up to ``until``, unheard."""

    attempt: int
    until: int


@dataclass(frozen=True, slots=True)
class WeighAttempt:
    """The turn is over with probability ``prob``, None while nothing is known; ``is_due``: it will be taken for over
    soon, if the user stays silent."""

    attempt: int
    prob: float | None
    is_due: bool


@dataclass(frozen=True, slots=True)
class DropAttempt:
    """The user goes on, or the turn is given up: the attempt is not let out."""

    attempt: int


@dataclass(frozen=True, slots=True)
class CommitTurn:
    """The turn ended at ``until``; ``attempt``: the one to let out, None if there is none."""

    attempt: int | None
    until: int


@dataclass(frozen=True, slots=True)
class LowerReply:
    """Somebody may be cutting in: let the answer be heard quietly, and send nothing more of it for now."""


@dataclass(frozen=True, slots=True)
class HoldReply:
    """Let nothing of the answer be heard for now."""


@dataclass(frozen=True, slots=True)
class ResumeReply:
    """It was a false alarm: go on from the exact sample, as loud as ever."""


@dataclass(frozen=True, slots=True)
class AskOverlap:
    """Find out the words of the sound over the answer between two samples; ``is_urgent``: nothing is decided yet."""

    began: int
    until: int
    is_urgent: bool = True


@dataclass(frozen=True, slots=True)
class TellVerdict:
    """What the sound over the answer that began at sample ``began`` was taken for, at ``now``."""

    verdict: Verdict
    began: int
    now: int

    def as_event(self) -> OverlapJudged:
        took_ms = samples_to_ms(self.now - self.began)
        return OverlapJudged(verdict=self.verdict.value, at_ms=samples_to_ms(self.began), took_ms=took_ms)


@dataclass(frozen=True, slots=True)
class NoteBackchannel:
    """The user, listening, said ``words``."""

    words: str


@dataclass(frozen=True, slots=True)
class ForgetSound:
    """What is heard now is the end of the answer's echo, and nobody's turn."""


@dataclass(frozen=True, slots=True)
class StopReply:
    """The user interrupts: stop, and cut the history to what was heard."""


TurnCommand = (
    OpenTurn
    | StartAttempt
    | WeighAttempt
    | DropAttempt
    | CommitTurn
    | LowerReply
    | HoldReply
    | ResumeReply
    | AskOverlap
    | TellVerdict
    | NoteBackchannel
    | ForgetSound
    | StopReply
)

"""What happens to the floor, and what is to be done about it: what goes into the turn machine and comes out of it.

Moments are samples on the session's input clock.
"""

from __future__ import annotations

from dataclasses import dataclass

# --- what happens ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    at: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    at: int


@dataclass(frozen=True, slots=True)
class Clock:
    """It is ``now``; ``loud_until``: the user made sound up to here."""

    now: int
    loud_until: int


@dataclass(frozen=True, slots=True)
class EndOfTurnKnown:
    attempt: int
    prob: float


@dataclass(frozen=True, slots=True)
class WordsKnown:
    attempt: int
    text: str


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
    | Clock
    | EndOfTurnKnown
    | WordsKnown
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
class DropAttempt:
    attempt: int


@dataclass(frozen=True, slots=True)
class CommitTurn:
    """The turn ended at ``until``; ``attempt``: the one to let out, None if there is none."""

    attempt: int | None
    until: int


@dataclass(frozen=True, slots=True)
class HoldReply:
    """Send nothing more of the answer for now."""


@dataclass(frozen=True, slots=True)
class ResumeReply:
    """It was a false alarm: go on from the exact sample."""


@dataclass(frozen=True, slots=True)
class StopReply:
    """The user interrupts: stop, and cut the history to what was heard."""


TurnCommand = OpenTurn | StartAttempt | DropAttempt | CommitTurn | HoldReply | ResumeReply | StopReply

"""What one session may spend on attempts: answers that are begun in a pause, before the turn is known to be over.

Pure: from what is known of a pause, of the turn before it and of the server's load, to how far its attempt may go.

Each level saves its own part of the wait. The words are wanted in any case: they tell whether the turn is over. The
text is what takes longest. The sound of the first phrase is of use only if the turn ends here, so it wants more reason
to believe that it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from duologue.engines.pressure import ATTEMPTS, PARTIALS
from duologue.session.endpointing import CERTAIN_PROB

# More likely than not, and so taken for over after the shortest wait. Of 78 endings of recorded turns 62 % are so
# likely at once, and so are 21 of their 92 pauses of over 250 ms: 70 % of what is spoken ahead is heard. At 0.3 it
# would be 92 % and 51, at 0.7 only 37 % and 3; but what will be over after the shortest wait is due at once anyway.
LIKELY_PROB = 0.5
# A turn that is taken for over so soon is as good as over, however unlikely that was: of 71 pauses that are less likely
# ends 44 last until then, and 30 until they are taken for the end. It is enough for the first phrase of a voice that
# takes a third of a second.
DUE_MS = 300.0
# Who has gone on after so many answers of one turn had been begun will do so again.
MOST_DROPPED = 3
# An answer that was put aside goes on for so long while its user speaks: "um" and "you know" are over by then, and
# their pause is found. What takes longer has words in it.
ASIDE_S = 1.0


class Level(IntEnum):
    """How far an attempt goes; each is of use only after the one before."""

    NOTHING = 0
    """Nothing more is begun."""
    WORDS = 1
    """The transcript, and whether the turn is over."""
    TEXT = 2
    """What the model answers."""
    SOUND = 3
    """The first phrase of it, spoken into a buffer."""


@dataclass(frozen=True, slots=True)
class Pause:
    """What is known of the pause. ``prob``: that the turn is over; None while nothing is known. ``is_due``: it will be
    taken for over within ``DUE_MS``. ``dropped``: how many attempts of this turn were dropped that had gone beyond
    its words."""

    prob: float | None = None
    is_due: bool = False
    dropped: int = 0


def most_level(pressure: int, pause: Pause) -> Level:
    """How far an attempt may go under a ``pressure`` of so many levels."""
    prob = pause.prob or 0.0
    if pressure >= ATTEMPTS:
        return Level.NOTHING
    if pressure >= PARTIALS:
        if pause.dropped:
            return Level.WORDS
        return Level.SOUND if prob >= CERTAIN_PROB else Level.TEXT
    if prob >= LIKELY_PROB or pause.is_due:
        return Level.SOUND
    return Level.TEXT if pause.dropped < MOST_DROPPED else Level.WORDS


def may_keep(pressure: int, dropped: int, *, is_written: bool) -> bool:
    """Whether an answer may be put aside while its user goes on, for ``ASIDE_S``. ``is_written``: its text is whole, so
    that it costs nothing more; ``dropped``: as of ``Pause``."""
    return is_written or (pressure < PARTIALS and dropped < MOST_DROPPED)

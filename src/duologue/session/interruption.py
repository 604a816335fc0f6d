"""Sound while the assistant has the floor: an interruption, or not?

A pure verdict on what is known so far. The answer is held back from the first moment of doubt, so that waiting
for certainty costs the listener nothing.
"""

from __future__ import annotations

from enum import Enum

# Coughs, clicks and a "mm" measured 60-150 ms as the VAD sees them; a word that means to interrupt is longer.
BARGE_IN_MS = 160.0


class Verdict(Enum):
    WAIT = "wait"
    INTERRUPT = "interrupt"
    FALSE_ALARM = "false alarm"


def judge(sound_ms: float, *, has_ended: bool) -> Verdict:
    """``sound_ms``: how long the user's sound has lasted; ``has_ended``: it has stopped again."""
    if sound_ms >= BARGE_IN_MS:
        return Verdict.INTERRUPT
    return Verdict.FALSE_ALARM if has_ended else Verdict.WAIT

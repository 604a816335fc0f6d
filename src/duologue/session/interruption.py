"""Sound while the assistant has the floor: an interruption, or not?

A pure verdict on what is known so far. The answer is held back from the first moment of doubt, so that waiting
for certainty costs the listener nothing.
"""

from __future__ import annotations

from enum import Enum

# Three VAD windows. The VAD itself sees speech 26 ms after its onset in the median and 138 ms at the 90th
# percentile of recorded commands; with more than this on top, silence would come later than 300 ms.
BARGE_IN_MS = 96.0


class Verdict(Enum):
    WAIT = "wait"
    INTERRUPT = "interrupt"
    FALSE_ALARM = "false alarm"


def judge(sound_ms: float, *, has_ended: bool) -> Verdict:
    """``sound_ms``: how long the user's sound has lasted; ``has_ended``: it has stopped again."""
    if sound_ms >= BARGE_IN_MS:
        return Verdict.INTERRUPT
    return Verdict.FALSE_ALARM if has_ended else Verdict.WAIT

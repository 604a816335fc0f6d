"""How this speaker pauses, learned while the conversation goes on."""

from __future__ import annotations

import math
from dataclasses import dataclass

# A stranger is taken for somebody of whom two ends of turns and two pauses have been heard.
HEARD_BEFORE = 2.0
# What was heard five silences ago counts a third; how long the longest pause was fades more slowly.
KEPT, LONGEST_KEPT = 0.8, 0.93
# Less is a gap between two words.
SHORTEST_PAUSE_MS = 150.0


@dataclass(frozen=True, slots=True)
class OwnPauses:
    """One speaker's silences so far: how many were ``ends`` of turns, and after how many ``pauses`` the speaker went
    on, older ones counting less. ``longest_ms``: the longest of those pauses, fading."""

    ends: float = 0.0
    pauses: float = 0.0
    longest_ms: float = 0.0

    @property
    def end_log_odds(self) -> float:
        """How likely this speaker's next silence is an end, before anything is known of it; 0 for a stranger."""
        return math.log((self.ends + HEARD_BEFORE) / (self.pauses + HEARD_BEFORE))

    def went_on(self, pause_ms: float) -> OwnPauses:
        """The speaker was silent for so long and went on."""
        if pause_ms < SHORTEST_PAUSE_MS:
            return self
        longest_ms = max(self.longest_ms * LONGEST_KEPT, pause_ms)
        return OwnPauses(self.ends * KEPT, self.pauses * KEPT + 1, longest_ms)

    def ended(self) -> OwnPauses:
        """The speaker had indeed finished."""
        return OwnPauses(self.ends * KEPT + 1, self.pauses * KEPT, self.longest_ms * LONGEST_KEPT)


STRANGER = OwnPauses()
"""Nothing of the speaker has been heard yet."""

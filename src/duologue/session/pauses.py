"""How this speaker pauses, learned while the conversation goes on."""

from __future__ import annotations

import math
from dataclasses import dataclass

# What is believed of somebody not heard yet, as if seen: so many ends and pauses.
ENDS_BEFORE, PAUSES_BEFORE = 2.0, 2.0
# What was heard ten silences ago counts a third.
KEPT = 0.9
# Less is a gap between two words.
SHORTEST_PAUSE_MS = 150.0


@dataclass(frozen=True, slots=True)
class OwnPauses:
    """One speaker's silences so far: ``ends`` of turns and ``pauses`` after which the speaker went on, older ones
    counting less."""

    ends: float = 0.0
    pauses: float = 0.0

    @property
    def end_log_odds(self) -> float:
        """How likely this speaker's next silence is an end, before anything is known of it; 0 for a stranger."""
        return math.log((self.ends + ENDS_BEFORE) / (self.pauses + PAUSES_BEFORE))

    def went_on(self, pause_ms: float) -> OwnPauses:
        """The speaker was silent for so long and went on."""
        if pause_ms < SHORTEST_PAUSE_MS:
            return self
        return OwnPauses(self.ends * KEPT, self.pauses * KEPT + 1)

    def ended(self) -> OwnPauses:
        """The speaker had indeed finished."""
        return OwnPauses(self.ends * KEPT + 1, self.pauses * KEPT)

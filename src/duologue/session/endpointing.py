"""How long to wait before the floor is the assistant's.

One pure function from what is known of a pause to the silence that must pass before the turn is over. The more
it sounds finished, the shorter the wait; nothing is ever waited for longer than ``max_wait_ms``.
"""

from __future__ import annotations

from dataclasses import dataclass

from duologue.engines.turn.words import finished_prob
from duologue.events import TurnDetection

# (probability that the turn is over, silence to wait in ms), straight lines between. Tuned on the pauses and
# endings of recorded turns; docs/concepts/turn-taking.md shows what other values cost.
WAITS_MS = ((0.0, 2000.0), (0.3, 1400.0), (0.6, 800.0), (0.85, 450.0), (1.0, 320.0))
UNKNOWN_WAIT_MS = 1200.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the present pause. None: not yet."""

    end_of_turn_prob: float | None = None
    text: str | None = None


def combined_prob(evidence: Evidence) -> float | None:
    """The sound's probability and the words' in one, as a mean in log-odds; None while nothing is known."""
    probs = []
    if evidence.end_of_turn_prob is not None:
        probs.append(evidence.end_of_turn_prob)
    if evidence.text:
        probs.append(finished_prob(evidence.text))
    return sum(probs) / len(probs) if probs else None


def wait_ms(evidence: Evidence, detection: TurnDetection) -> float:
    """Silence, in ms since the last word, after which the turn is over."""
    if detection.silence_ms is not None:
        return float(detection.silence_ms)
    prob = combined_prob(evidence)
    wait = UNKNOWN_WAIT_MS if prob is None else _interpolate(prob)
    return min(wait * detection.patience, float(detection.max_wait_ms))


def _interpolate(prob: float) -> float:
    for (low, at_low), (high, at_high) in zip(WAITS_MS, WAITS_MS[1:], strict=False):
        if prob <= high:
            return at_low + (at_high - at_low) * (prob - low) / (high - low)
    return WAITS_MS[-1][1]

"""How long to wait before the floor is the assistant's.

One pure function from what is known of a pause to the silence that must pass before the turn is over. The more
it sounds finished, the shorter the wait; nothing is ever waited for longer than ``max_wait_ms``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from duologue.engines.turn.words import finished_prob
from duologue.items import TurnDetection

# (probability that the turn is over, silence to wait in ms), straight lines between. Tuned on the pauses and
# endings of recorded turns; docs/reference/performance.md has the delays and the false cut-offs that they give.
WAITS_MS = ((0.0, 2200.0), (0.3, 1500.0), (0.45, 1000.0), (0.6, 750.0), (0.8, 420.0), (0.9, 340.0), (1.0, 320.0))
UNKNOWN_WAIT_MS = 1200.0
# A speaker who has paused in this turn will pause again: no shorter wait than that pause, up to this, unless the
# turn is all but certainly over.
LONGEST_LEARNT_MS = 1200.0
CERTAIN_PROB = 0.97
# How much the words count beside the sound. Short questions sound unfinished to the model and hardly ever are.
WORDS_WEIGHT, QUESTION_WEIGHT = 0.5, 0.65
# No single piece of evidence is taken for more certain than this.
MOST_CERTAIN = 0.98


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the present pause. None: not yet. ``longest_pause_ms``: the longest one before, in this
    turn."""

    end_of_turn_prob: float | None = None
    text: str | None = None
    longest_pause_ms: float = 0.0


def combined_prob(evidence: Evidence) -> float | None:
    """The sound's probability and the words' in one, their weighted mean in log-odds; None while nothing is known."""
    sound, text = evidence.end_of_turn_prob, evidence.text
    if not text:
        return sound
    words = finished_prob(text)
    if sound is None:
        return words
    weight = QUESTION_WEIGHT if text.rstrip().endswith("?") else WORDS_WEIGHT
    odds = (1 - weight) * _log_odds(sound) + weight * _log_odds(words)
    return 1 / (1 + math.exp(-odds))


def _log_odds(prob: float) -> float:
    prob = min(max(prob, 1 - MOST_CERTAIN), MOST_CERTAIN)
    return math.log(prob / (1 - prob))


def wait_ms(evidence: Evidence, detection: TurnDetection) -> float:
    """Silence, in ms since the last word, after which the turn is over."""
    if detection.silence_ms is not None:
        return float(detection.silence_ms)
    prob = combined_prob(evidence)
    wait = UNKNOWN_WAIT_MS if prob is None else _interpolate(prob)
    if prob is None or prob < CERTAIN_PROB:
        wait = max(wait, min(evidence.longest_pause_ms, LONGEST_LEARNT_MS))
    return min(wait * detection.patience, float(detection.max_wait_ms))


def _interpolate(prob: float) -> float:
    for (low, at_low), (high, at_high) in pairwise(WAITS_MS):
        if prob <= high:
            return at_low + (at_high - at_low) * (prob - low) / (high - low)
    return WAITS_MS[-1][1]

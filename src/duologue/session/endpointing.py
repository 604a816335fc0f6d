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

# (probability that the turn is over, silence to wait in ms), straight lines between. Steep where the turn is hardly
# over and nearly flat above: who may well have finished is not kept waiting for 600 ms, and who goes on mostly does so
# within 500. Chosen on the endings and pauses of half of some recorded turns, checked on the other half;
# docs/reference/performance.md has the delays and the false cut-offs.
WAITS_MS = ((0.0, 2200.0), (0.13, 1600.0), (0.28, 540.0), (0.9, 500.0), (0.98, 460.0), (1.0, 340.0))
UNKNOWN_WAIT_MS = 1200.0
# The model of the sound doubts too easily: what it gives 0.15 is an ending about as often as a pause. In log-odds.
DOUBT = 2.0
# A speaker who has paused in this turn will pause again, and perhaps longer: no shorter wait than that pause and a
# little more, up to this, unless the turn is all but certainly over. Less than that is a gap between two words.
LEAST_LEARNT_MS, LEARNT_MORE_MS, LONGEST_LEARNT_MS = 150.0, 300.0, 1500.0
CERTAIN_PROB = 0.99
# No single piece of evidence is taken for more certain than this.
MOST_CERTAIN = 0.99


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the present pause. None: not yet. ``longest_pause_ms``: the longest one before, in this
    turn."""

    end_of_turn_prob: float | None = None
    text: str | None = None
    longest_pause_ms: float = 0.0


def combined_prob(evidence: Evidence) -> float | None:
    """The sound's evidence and the words' in one, the sum of their log-odds; None while nothing is known.

    Words that hang ("and", "um") outweigh any sound but a certain one; a full stop only tips the scales, since
    transcribers close every pause with one.
    """
    sound, text = evidence.end_of_turn_prob, evidence.text
    if sound is None and not text:
        return None
    odds = 0.0 if sound is None else _log_odds(sound) + DOUBT
    odds += _log_odds(finished_prob(text)) if text else 0.0
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
        wait = max(wait, _learnt_wait(evidence.longest_pause_ms))
    return min(wait * detection.patience, float(detection.max_wait_ms))


def _learnt_wait(pause_ms: float) -> float:
    return 0.0 if pause_ms < LEAST_LEARNT_MS else min(pause_ms + LEARNT_MORE_MS, LONGEST_LEARNT_MS)


def _interpolate(prob: float) -> float:
    for (low, at_low), (high, at_high) in pairwise(WAITS_MS):
        if prob <= high:
            return at_low + (at_high - at_low) * (prob - low) / (high - low)
    return WAITS_MS[-1][1]

"""How long to wait before the floor is the assistant's.

One pure function from what is known of a pause to the probability that the turn is over, as it grows while the
silence lasts, and from that to the silence that must pass. In log-odds, and so a sum::

    turn is over, after so much silence  =  what it sounds like + how its words end + how often this speaker's
                                            silences are ends + what so much silence tells

The turn is over once that probability reaches one half. ``benchmarks/turn_taking/tune.py`` made the numbers; where
they come from and what they cost stands in ``docs/concepts/turn-taking.md``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from duologue.engines.turn.words import finished_prob
from duologue.items import TurnDetection
from duologue.session.pauses import STRANGER, OwnPauses

# What each log-odds counts for. The model of the sound is sure too easily: of what it gives 0.01 a fifth are ends.
ALWAYS, SOUND, WORDS, OWN = -0.07, 0.17, 0.48, 1.23
# No model of the sound is taken for more certain than this.
MOST_CERTAIN = 0.99
# (silence in ms, log-odds that it adds), straight lines between. Nothing is taken for over before the first: in less
# time no answer is ready. Pauses between two phrases are over by then or last for most of a second, so that waiting a
# little longer spares few of them: it is worth while only to the next, at which nearly everything is an end. What even
# then is more likely to go on ("and", "um") has time to the last.
SILENCES = ((280.0, -0.3), (840.0, 0.2), (860.0, 2.1), (1800.0, 2.7))
# Of a speaker who pauses for longer the second and third lie so much behind the longest pause lately, and no later
# than this.
LONGER_MS, LATEST_MS = 300.0, 1500.0
# Nothing is known of the pause yet.
UNKNOWN_WAIT_MS = 840.0
# As certain as it gets: nine in ten of those that are this likely are ends.
CERTAIN_PROB = 0.85


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the present pause. None: not yet. ``own``: of the speaker's earlier ones."""

    end_of_turn_prob: float | None = None
    text: str | None = None
    own: OwnPauses = STRANGER


def end_log_odds(evidence: Evidence) -> float | None:
    """That the turn is over, without regard to how long the silence has lasted; None while nothing is known."""
    sound, text = evidence.end_of_turn_prob, evidence.text
    if sound is None and not text:
        return None
    odds = ALWAYS + OWN * evidence.own.end_log_odds
    odds += 0.0 if sound is None else SOUND * _log_odds(sound)
    return odds + (WORDS * _log_odds(finished_prob(text)) if text else 0.0)


def combined_prob(evidence: Evidence) -> float | None:
    """``end_log_odds`` as a probability."""
    odds = end_log_odds(evidence)
    return None if odds is None else 1 / (1 + math.exp(-odds))


def wait_ms(evidence: Evidence, detection: TurnDetection) -> float:
    """Silence, in ms since the last word, after which the turn is over."""
    if detection.silence_ms is not None:
        return float(detection.silence_ms)
    odds = end_log_odds(evidence)
    wait = max(UNKNOWN_WAIT_MS, _latest_pause_ms(evidence.own)) if odds is None else _silence_for(odds, evidence.own)
    return min(wait * detection.patience, float(detection.max_wait_ms))


def _silence_for(odds: float, own: OwnPauses) -> float:
    """How much silence it takes until ``odds`` and what it tells are no longer below zero."""
    table = _silences(own)
    if odds + table[0][1] >= 0:
        return table[0][0]
    for (from_ms, low), (to_ms, high) in pairwise(table):
        if odds + high >= 0:
            return from_ms + (to_ms - from_ms) * (-odds - low) / (high - low)
    return table[-1][0]


def _silences(own: OwnPauses) -> list[tuple[float, float]]:
    """``SILENCES``, for this speaker."""
    first, second, third, last = SILENCES
    later_ms = _latest_pause_ms(own) - second[0]
    moved = [(second[0] + later_ms, second[1]), (third[0] + later_ms, third[1])]
    return [first, *moved, (max(last[0], moved[-1][0]), last[1])]


def _latest_pause_ms(own: OwnPauses) -> float:
    """By when a pause of this speaker is over, if it is one."""
    return max(SILENCES[1][0], min(own.longest_ms + LONGER_MS, LATEST_MS))


def _log_odds(prob: float) -> float:
    prob = min(max(prob, 1 - MOST_CERTAIN), MOST_CERTAIN)
    return math.log(prob / (1 - prob))

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

# (silence in ms, log-odds that it adds), ascending.
Silences = tuple[tuple[float, float], ...]
# Straight lines between. Nothing is taken for over before the first: in less time no answer is ready, and a third of
# the pauses of recorded turns are over by then. What is not yet likely to be an end waits for the second. What even
# then is more likely to go on ("and", "um") has time to the last. A gentler slope cuts 3 % more of the pauses off.
SILENCES: Silences = ((290.0, 0.0), (800.0, 0.4), (820.0, 2.4), (1800.0, 3.0))


@dataclass(frozen=True, slots=True)
class Weights:
    """What each piece of evidence counts for, times its log-odds; ``always`` is added to all. ``silences``: four of
    them, see ``SILENCES``."""

    always: float
    sound: float
    words: float
    own: float
    silences: Silences = SILENCES


# The model of the sound is sure too easily: it gives three of ten pauses more than 0.9.
WEIGHTS = Weights(always=-0.39, sound=0.21, words=0.55, own=0.66)
# No model of the sound is taken for more certain than this.
MOST_CERTAIN = 0.99
# Of a speaker who pauses for longer the second and third lie so much behind the longest pause lately, and no later
# than this.
LONGER_MS, LATEST_MS = 300.0, 1500.0
# ``patience`` moves the odds by so much times its logarithm: below 1, and above.
IMPATIENT_ODDS, PATIENT_ODDS = 0.5, 1.5
# As certain as it gets: of 32 silences of recorded speech that are this likely to be ends, 30 are.
CERTAIN_PROB = 0.75


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the present pause. None: not yet. ``own``: of the speaker's earlier ones."""

    end_of_turn_prob: float | None = None
    text: str | None = None
    own: OwnPauses = STRANGER


def end_log_odds(evidence: Evidence, weights: Weights = WEIGHTS) -> float | None:
    """That the turn is over, without regard to how long the silence has lasted; None while nothing is known."""
    sound, text = evidence.end_of_turn_prob, evidence.text
    if sound is None and not text:
        return None
    odds = weights.always + weights.own * evidence.own.end_log_odds
    odds += 0.0 if sound is None else weights.sound * sound_log_odds(sound)
    return odds + (weights.words * _log_odds(finished_prob(text)) if text else 0.0)


def combined_prob(evidence: Evidence) -> float | None:
    """``end_log_odds`` as a probability."""
    odds = end_log_odds(evidence)
    return None if odds is None else 1 / (1 + math.exp(-odds))


def wait_ms(evidence: Evidence, detection: TurnDetection, weights: Weights = WEIGHTS) -> float:
    """Silence, in ms since the last word, after which the turn is over.

    Impatience (``patience`` below 1) waits less for what is taken for an end, and takes a little more for one;
    patience takes less for an end, and gives everything more time.
    """
    if detection.silence_ms is not None:
        return float(detection.silence_ms)
    odds = end_log_odds(evidence, weights)
    patience = detection.patience
    table = _silences(weights.silences, evidence.own, patience)
    needed = math.log(patience) * (IMPATIENT_ODDS if patience < 1 else PATIENT_ODDS)
    wait = table[1][0] if odds is None else _silence_for(odds - needed, table)
    return min(wait, float(detection.max_wait_ms))


def _silence_for(odds: float, table: Silences) -> float:
    """How much silence it takes until ``odds`` and what it tells are no longer below zero."""
    if odds + table[0][1] >= 0:
        return table[0][0]
    for (from_ms, low), (to_ms, high) in pairwise(table):
        if odds + high >= 0:
            return from_ms + (to_ms - from_ms) * (-odds - low) / (high - low)
    return table[-1][0]


def _silences(silences: Silences, own: OwnPauses, patience: float) -> Silences:
    """``silences``, for this speaker and so much patience."""
    first, second, third, last = silences
    later_ms = max(0.0, min(own.longest_ms + LONGER_MS, LATEST_MS) - second[0])
    moved = [(second[0] + later_ms, second[1]), (third[0] + later_ms, third[1])]
    rest = [*moved, (max(last[0], moved[-1][0]), last[1])]
    # Half as much patience wants its answer as soon as it can be had.
    sooner = min(patience, patience**2)
    return ((first[0] * sooner, first[1]), *((ms * max(1.0, patience), odds) for ms, odds in rest))


def sound_log_odds(prob: float) -> float:
    """Of what the model of the sound says, no more certain than ``MOST_CERTAIN``."""
    return _log_odds(min(max(prob, 1 - MOST_CERTAIN), MOST_CERTAIN))


def _log_odds(prob: float) -> float:
    return math.log(prob / (1 - prob))

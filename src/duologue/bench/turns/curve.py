"""False cut-offs against the wait: what each way of telling the end of a turn costs and spares. Pure.

The measure is that of LiveKit's eot-bench: over all settings of a detector, the share of inner pauses in which it
takes the floor, beside the mean silence behind the true end of speech before it does. Here evidence also takes its
time: no detector acts on a probability or a word before the product would have it, none before the pause is seen,
and what the voice activity is late by counts as waiting.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np

from duologue.bench.stats import percentile
from duologue.bench.turns.pauses import Point
from duologue.errors import ConfigError
from duologue.items import TurnDetection
from duologue.session.endpointing import Evidence, wait_ms
from duologue.session.pauses import STRANGER, OwnPauses

MEAN_WAITS_MS = (200.0, 300.0, 400.0, 600.0, 1000.0)
CUT_SHARES = (0.05, 0.10)

SILENCES_MS = tuple(float(ms) for ms in range(100, 2_000, 20))
THRESHOLDS = tuple(share / 100 for share in (1, 2, 3, 5, 8, *range(10, 100, 5), 97, 98, 99))
DELAYS_MS = (100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 800.0)
TIMEOUTS_MS = (400.0, 600.0, 800.0, 1000.0, 1200.0, 1500.0, 2000.0, 2500.0, 3000.0)
PATIENCES = tuple(float(patience) for patience in np.geomspace(0.05, 4.0, 80))

# Silence in ms, since the gate's end of speech, after which the turn is over for one who knows this.
Rule = Callable[[Evidence], float]
# What is known from a moment on, ms since the gate's end of speech.
Known = tuple[float, Evidence]


class Setting(msgspec.Struct, frozen=True):
    """One setting of a detector: the share of inner pauses in which it takes the floor, and how long after the true
    end of speech it does at true ends: mean, median and 95th percentile, ms."""

    name: str
    cut_share: float
    mean_wait_ms: float
    p50_wait_ms: float
    p95_wait_ms: float


class Curve(msgspec.Struct, frozen=True):
    """What one detector can do: its settings that no other one of its own beats, by rising mean wait."""

    detector: str
    settings: list[Setting]

    def cut_share_at(self, mean_wait_ms: float) -> float | None:
        """The least share of pauses cut with a mean wait of at most this; None where it cannot be so quick."""
        return min((s.cut_share for s in self.settings if s.mean_wait_ms <= mean_wait_ms), default=None)

    def wait_at(self, cut_share: float) -> float | None:
        """The least mean wait with at most this share of pauses cut; None where it never spares so many."""
        return min((s.mean_wait_ms for s in self.settings if s.cut_share <= cut_share), default=None)


def silence_curve(points: Sequence[Point]) -> Curve:
    """Silence alone: the floor is taken after a fixed time."""
    rules = {f"{ms:g} ms": partial(_silence_rule, ms) for ms in SILENCES_MS}
    return _swept("silence", points, rules)


def model_curve(points: Sequence[Point]) -> Curve:
    """The end-of-turn model alone: a short wait where its probability is at or over a threshold, else a timeout; all
    three are swept."""
    rules = {
        f"{delay_ms:g} ms from {threshold:g} on, else {timeout_ms:g} ms": partial(
            _model_rule, threshold, delay_ms, timeout_ms
        )
        for threshold in THRESHOLDS
        for delay_ms in DELAYS_MS
        for timeout_ms in TIMEOUTS_MS
        if timeout_ms > delay_ms
    }
    return _swept("model", [_by_itself(point) for point in points], rules)


def our_curve(points: Sequence[Point]) -> Curve:
    """The product's own ``wait_ms``, ``patience`` swept, evidence arriving when it would."""
    detections = {f"patience {p:.2f}": TurnDetection(patience=p, max_wait_ms=8_000) for p in PATIENCES}
    return _swept("ours", points, {name: partial(wait_ms, detection=each) for name, each in detections.items()})


def curves(points: Sequence[Point]) -> list[Curve]:
    """The three on the same points."""
    return [silence_curve(points), model_curve(points), our_curve(points)]


def setting(name: str, points: Sequence[Point], rule: Rule) -> Setting:
    """What one rule does on ``points``, which are in the order in which they were spoken."""
    return _setting(name, points, what_is_known(points), rule)


def what_is_known(points: Sequence[Point]) -> list[list[Known]]:
    """For each point what the product knows from when on, by rising moment; of the speaker, what the points of the
    same speaker before it have taught."""
    known, own, speaker = [], STRANGER, None
    for point in points:
        if point.speaker != speaker:
            own, speaker = STRANGER, point.speaker
        known.append(_stages(point, own))
        own = _learn(own, point)
    return known


def taken_ms(known: Sequence[Known], rule: Rule) -> float:
    """When the floor is taken, ms since the gate's end of speech: the wait is weighed anew as evidence comes, and
    nothing happens before the first. Infinite where the pause is never seen."""
    for (at_ms, evidence), (until_ms, _) in pairwise([*known, (math.inf, Evidence())]):
        due_ms = max(at_ms, rule(evidence))
        if due_ms < until_ms:
            return due_ms
    return math.inf


def _silence_rule(silence_ms: float, _evidence: Evidence) -> float:
    return silence_ms


def _model_rule(threshold: float, delay_ms: float, timeout_ms: float, evidence: Evidence) -> float:
    prob = evidence.end_of_turn_prob
    return timeout_ms if prob is None or prob < threshold else delay_ms


def _swept(detector: str, points: Sequence[Point], rules: Mapping[str, Rule]) -> Curve:
    known = what_is_known(points)
    settings = [_setting(name, points, known, rule) for name, rule in rules.items()]
    return Curve(detector, _unbeaten(settings))


def _setting(name: str, points: Sequence[Point], known: Sequence[Sequence[Known]], rule: Rule) -> Setting:
    taken = [taken_ms(each, rule) for each in known]
    cuts = [
        point.resumed_ms is not None and at_ms < point.resumed_ms
        for point, at_ms in zip(points, taken, strict=True)
        if point.goes_on
    ]
    waits = sorted(point.lag_ms + at_ms for point, at_ms in zip(points, taken, strict=True) if not point.goes_on)
    if not cuts or not waits:
        raise ConfigError("a curve wants pauses and ends of turns: the recordings have none of one of them")
    mean_ms = math.fsum(waits) / len(waits)
    return Setting(name, sum(cuts) / len(cuts), mean_ms, percentile(waits, 0.5), percentile(waits, 0.95))


def _unbeaten(settings: Sequence[Setting]) -> list[Setting]:
    """Those that no other one is quicker than without cutting more, by rising mean wait."""
    best: list[Setting] = []
    for each in sorted(settings, key=lambda each: (each.mean_wait_ms, each.cut_share)):
        if not best or each.cut_share < best[-1].cut_share:
            best.append(each)
    return best


def _stages(point: Point, own: OwnPauses) -> list[Known]:
    """What is known of one silence, from when on."""
    if point.seen_ms is None:
        return []
    evidence = Evidence(own=own)
    changes: list[tuple[float, dict[str, Any]]] = []
    if point.judged is not None:
        changes.append((point.judged[0], {"end_of_turn_prob": point.judged[1]}))
    if point.words is not None:
        changes.append((point.words[0], {"text": point.words[1]}))
    stages = [(point.seen_ms, evidence)]
    for at_ms, change in sorted(changes, key=itemgetter(0)):
        evidence = replace(evidence, **change)
        stages.append((at_ms, evidence))
    return stages


def _by_itself(point: Point) -> Point:
    """As the model is used by itself: on the sound as it came."""
    if point.judged is None or point.alone is None:
        return point
    return msgspec.structs.replace(point, judged=(point.judged[0], point.alone))


def _learn(own: OwnPauses, point: Point) -> OwnPauses:
    if not point.goes_on:
        return own.ended()
    return own if point.resumed_ms is None else own.went_on(point.resumed_ms)

"""False cut-offs against the wait: what each way of telling the end of a turn costs and spares. Pure.

(Signatures stand; bodies are being written.)
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from duologue.bench.turns.pauses import Point

MEAN_WAITS_MS = (200.0, 300.0, 400.0, 600.0, 1000.0)
CUT_SHARES = (0.05, 0.10)


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
        raise NotImplementedError

    def wait_at(self, cut_share: float) -> float | None:
        """The least mean wait with at most this share of pauses cut; None where it never spares so many."""
        raise NotImplementedError


def silence_curve(points: Sequence[Point]) -> Curve:
    """Silence alone: the floor is taken after a fixed time."""
    raise NotImplementedError


def model_curve(points: Sequence[Point]) -> Curve:
    """The end-of-turn model alone: a short wait where its probability is at or over a threshold, else a timeout; all
    three are swept."""
    raise NotImplementedError


def our_curve(points: Sequence[Point]) -> Curve:
    """The product's own ``wait_ms``, ``patience`` swept, evidence arriving when it would."""
    raise NotImplementedError


def curves(points: Sequence[Point]) -> list[Curve]:
    """The three on the same points."""
    return [silence_curve(points), model_curve(points), our_curve(points)]

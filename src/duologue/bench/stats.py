"""Percentiles, by the nearest-rank rule: the smallest measured value that at least q of all values do not exceed.

No value is invented between two measured ones, and ``n`` always stands beside: the p95 of 5 turns is the worst.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a set of figures. All but ``n`` are None when there is none."""

    n: int
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    mean: float | None = None
    max: float | None = None


def percentile(ordered: Sequence[float], share: float) -> float:
    """Nearest rank: ``ordered[ceil(share * n) - 1]``; ``ordered`` ascending and not empty, ``share`` in (0, 1]."""
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


def summarise(values: Iterable[float | None]) -> Summary:
    """Summary of the values that are there, rounded to 0.01."""
    ordered = sorted(value for value in values if value is not None)
    if not ordered:
        return Summary(n=0)
    p50, p90, p95, p99 = (round(percentile(ordered, share), 2) for share in (0.5, 0.9, 0.95, 0.99))
    mean = round(math.fsum(ordered) / len(ordered), 2)
    return Summary(n=len(ordered), p50=p50, p90=p90, p95=p95, p99=p99, mean=mean, max=round(ordered[-1], 2))

"""How long work waits for servers that others use too: a few formulas, no state.

Sources: the Erlang C formula, by its recursion over the number of servers; the Allen-Cunneen approximation of the mean
wait in M/G/c (A. O. Allen, Probability, Statistics, and Queueing Theory, 2nd edition 1990, section 5.3; for c = 1 it is
the Pollaczek-Khinchine formula, exact); and an exponential tail for those who wait at all, exact for M/M/c.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

# Beyond this utilisation the formulas' steady state takes longer to come than people talk.
FULL = 0.95
# The standard normal's 90th percentile.
_Z90 = 1.2816


@dataclass(frozen=True, slots=True)
class Wait:
    """A time in a queue: its mean, and its variance, in s and s^2; both infinite where the servers are full."""

    mean_s: float = 0.0
    variance_s2: float = 0.0


NO_WAIT = Wait()
FOR_EVER = Wait(math.inf, math.inf)


def erlang_c(servers: int, load: float) -> float:
    """The share of arrivals that find all ``servers`` busy; ``load`` in servers' worth of work, below ``servers``."""
    blocked = 1.0
    for busy in range(1, servers + 1):
        blocked = load * blocked / (busy + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def wait(servers: int, load: float, mean_s: float, square_s2: float, together: int = 1) -> Wait:
    """Before one of ``servers``, for work of ``mean_s`` and mean square ``square_s2`` that comes at random.

    Where so many pieces come ``together`` they are taken for one, on so many servers at once.
    """
    if load <= 0 or mean_s <= 0:
        return NO_WAIT
    if load >= FULL * servers:
        return FOR_EVER
    groups = max(1, servers // together)
    of_one = together * groups / servers
    waits = erlang_c(groups, load * groups / servers)
    # Of those that wait: (1 + cv^2) / 2 of what it is for exponential service.
    given_s = of_one * square_s2 / (2 * mean_s) / (groups * (1 - load / servers))
    return Wait(waits * given_s, 2 * waits * given_s**2 - (waits * given_s) ** 2)


def in_a_row(waits: Iterable[tuple[float, Wait]]) -> Wait:
    """So many of each, one after the other, as if they knew nothing of each other."""
    mean_s = variance_s2 = 0.0
    for times, each in waits:
        if times > 0:
            mean_s += times * each.mean_s
            variance_s2 += times * each.variance_s2
    return Wait(mean_s, variance_s2)


def percentile_90(total: Wait) -> float:
    """In seconds. A tail as of one exponential wait that some have and others have not, with that mean and variance;
    where the sum varies less than such a one can, as of a gamma distribution."""
    if total.mean_s <= 0 or math.isinf(total.mean_s):
        return total.mean_s
    square_s2 = total.variance_s2 + total.mean_s**2
    given_s = square_s2 / (2 * total.mean_s)
    share = total.mean_s / given_s
    if share <= 1:
        return max(0.0, given_s * math.log(10 * share))
    # For gamma shapes from 1 to 10 within 3 % of the mean; at shape 1 it is the exponential's, so there is no step.
    return total.mean_s + (math.log(10) - 1) * math.sqrt(total.variance_s2)


def beside(wait_s: float, mean_s: float, deviation_s: float) -> float:
    """The 90th percentile of a wait whose own is ``wait_s`` and mean ``mean_s``, and something else that varies by
    ``deviation_s``: what each goes beyond its mean adds as squares do."""
    return mean_s + math.hypot(max(0.0, wait_s - mean_s), _Z90 * deviation_s)

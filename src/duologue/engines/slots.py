"""Places for conversations: the only truth about who is in.

A place is given back by leaving a ``with`` block. That is not enough: a block that waits for work which swallows its
cancellation is never left. So a lease is good for ``LEASE_S`` and lives on because its conversation renews it; one
that is not renewed is taken back, and what still runs under it runs without a place.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from duologue.errors import NoSlot
from duologue.items import new_id

# A conversation answers within a millisecond when its loop turns; in a lease's time it is asked six times.
LEASE_S, ASK_S = 30.0, 5.0


def _nothing(*_: object) -> None:
    pass


@dataclass(slots=True, eq=False)
class Lease:
    """The right to one place, until it is released or was not renewed for ``LEASE_S``.

    ``key``, ``address``: on whose account; names, never a key. ``holder``: the conversation's id. ``ask``: asks the
    conversation to call what it is given, as soon as its loop turns; ``cancel``: ends the conversation. Whoever holds
    the lease sets them.
    """

    key: str
    address: str
    since_s: float
    renewed_s: float
    id: str = field(default_factory=lambda: new_id("lease"))
    is_over: bool = False
    holder: str = ""
    asked_s: float = -math.inf
    # Since when it has been asked without an answer.
    unanswered_s: float | None = None
    ask: Callable[[Callable[[], None]], None] = _nothing
    cancel: Callable[[], None] = _nothing

    def owes_s(self, now_s: float) -> float:
        """For how long it has owed an answer."""
        return 0.0 if self.unanswered_s is None else now_s - self.unanswered_s


class Slots:
    """``capacity`` places. ``clock``: seconds, monotonic."""

    def __init__(self, capacity: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.capacity = capacity
        self._clock = clock
        self._leases: dict[str, Lease] = {}
        self._by_key: Counter[str] = Counter()
        self._by_address: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        return len(self._leases)

    @property
    def can_lease(self) -> bool:
        return self.taken < self.capacity

    def of_key(self, key: str) -> int:
        """How many places ``key`` has."""
        return self._by_key[key]

    def of_address(self, address: str) -> int:
        """How many places ``address`` has."""
        return self._by_address[address]

    def older_than(self, seconds: float) -> int:
        """How many were taken longer ago than that."""
        before_s = self._clock() - seconds
        return sum(lease.since_s < before_s for lease in self._leases.values())

    @contextmanager
    def lease(self, key: str = "", address: str = "", earlier: Lease | None = None) -> Iterator[Lease]:
        """``earlier``: gives up its place for this one; what is held under it ends soon. Raises NoSlot at once when
        every place is taken."""
        if earlier is not None:
            self._free(earlier)
        if not self.can_lease:
            raise self.full()
        now_s = self._clock()
        lease = Lease(key, address, now_s, now_s)
        self._leases[lease.id] = lease
        self._by_key[key] += 1
        self._by_address[address] += 1
        try:
            yield lease
        finally:
            self._free(lease)

    def full(self) -> NoSlot:
        """What a client is told when every place is taken."""
        return NoSlot(f"All {self.capacity} places for a conversation are taken. Try again when one has ended.")

    def renew(self, lease: Lease) -> None:
        """The conversation lives. One whose place was taken back does not get it again."""
        lease.renewed_s = self._clock()
        lease.unanswered_s = None

    def ask_those_due(self) -> None:
        """Ask those conversations to renew their lease that were not heard from for ``ASK_S``: not all in one go."""
        now_s = self._clock()
        for lease in self._leases.values():
            if now_s - max(lease.renewed_s, lease.asked_s) >= ASK_S:
                lease.asked_s = now_s
                if lease.unanswered_s is None:
                    lease.unanswered_s = now_s
                lease.ask(partial(self.renew, lease))

    def take_back(self) -> list[Lease]:
        """Free the places of those that were not renewed, and cancel their conversations; which they were.

        What counts is how long they have owed an answer: after a standstill of the whole process nobody was asked.
        """
        now_s = self._clock()
        lapsed = [lease for lease in self._leases.values() if lease.owes_s(now_s) >= LEASE_S - ASK_S]
        for lease in lapsed:
            self._free(lease)
            lease.cancel()
        return lapsed

    def _free(self, lease: Lease) -> None:
        if lease.is_over:
            return
        lease.is_over = True
        del self._leases[lease.id]
        for counter, name in ((self._by_key, lease.key), (self._by_address, lease.address)):
            counter[name] -= 1
            if not counter[name]:
                del counter[name]

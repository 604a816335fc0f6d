"""Places for conversations: the only truth about who may come in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from duologue.errors import NoSlot
from duologue.items import new_id


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to one place, until it is released."""

    id: str


class Slots:
    """``capacity`` places. Taking one and giving it back is one ``with`` block, so no ending leaks it."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._leases: set[str] = set()

    @property
    def taken(self) -> int:
        return len(self._leases)

    @property
    def can_lease(self) -> bool:
        return self.taken < self.capacity

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """Raises NoSlot at once when every place is taken."""
        if not self.can_lease:
            raise NoSlot(
                f"All {self.capacity} places for a conversation are taken. Try again when one has ended, or raise "
                "--max-sessions."
            )
        lease = Lease(new_id("lease"))
        self._leases.add(lease.id)
        try:
            yield lease
        finally:
            self._leases.discard(lease.id)

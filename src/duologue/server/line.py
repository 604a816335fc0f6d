"""Clients that wait for a place, first come first served. No I/O; the caller says what time it is.

A ticket is a place in the line, by a name that nobody guesses. Its holder comes again when it was asked to; one that
does not has gone, and its ticket expires. When there is a place for it the ticket is *called*: the place is kept
for its holder for ``HOLD_S``, and nobody who is behind it, or new, gets that one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from duologue.items import new_id

# A client asks again so soon, later the further back it stands: 32 that wait are 6 requests a second.
SOONEST_S, LATEST_S = 2, 10
# Who was called has so long to come, and who waits so long beyond what it was told: a slow client, a lost packet.
HOLD_S, PATIENCE_S = 5.0, 15.0


@dataclass(frozen=True, slots=True)
class Who:
    """On whose account a client comes. ``key``: the name of its key, never the key; ``address``: its network."""

    key: str = ""
    address: str = ""


NOBODY = Who()


@dataclass(slots=True, eq=False)
class Ticket:
    """``is_named``: its holder knows it. A client that does not is found by whose it is, so that several of one key and
    address share a ticket: whoever comes first when it is called goes in, and the next waits anew. ``due_s``: when its
    holder was asked to come; ``kept_until_s``: None while it waits, then how long its place is kept."""

    who: Who
    due_s: float
    is_named: bool = False
    is_shown: bool = False
    kept_until_s: float | None = None
    id: str = field(default_factory=lambda: new_id("ticket"))


class Line:
    """At most ``most`` that wait; those who were called are beyond that."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._tickets: dict[str, Ticket] = {}

    def __iter__(self) -> Iterator[Ticket]:
        return iter(self._tickets.values())

    @property
    def waiting(self) -> int:
        """How many have no place yet."""
        return sum(ticket.kept_until_s is None for ticket in self)

    @property
    def called(self) -> int:
        """How many places are kept for those that were called."""
        return len(self._tickets) - self.waiting

    def of_address(self, address: str) -> int:
        """How many tickets ``address`` has."""
        return sum(ticket.who.address == address for ticket in self)

    def find(self, ticket_id: str | None, who: Who) -> Ticket | None:
        """The ticket of that name; without a name, the oldest of ``who`` whose holder does not know it."""
        if ticket_id:
            found = self._tickets.get(ticket_id)
            if found is not None:
                found.is_named = True
            return found
        return next((ticket for ticket in self if ticket.who == who and not ticket.is_named), None)

    def join(self, who: Who, now_s: float, *, is_named: bool = False) -> Ticket | None:
        """A ticket at the end of the line; None where that is full."""
        if self.waiting >= self.most:
            return None
        ticket = Ticket(who, now_s, is_named)
        self._tickets[ticket.id] = ticket
        return ticket

    def keep(self, who: Who, now_s: float) -> Ticket:
        """A ticket whose place is there already, for a client that comes for it in a moment."""
        ticket = Ticket(who, now_s, is_named=True, is_shown=True, kept_until_s=now_s + HOLD_S)
        self._tickets[ticket.id] = ticket
        return ticket

    def leave(self, ticket_id: str) -> None:
        """The ticket is used or given up."""
        self._tickets.pop(ticket_id, None)

    def ask_again(self, ticket: Ticket, now_s: float) -> tuple[int, int]:
        """Renew ``ticket``: its position, 1 being next, and in how many seconds its holder should come again."""
        position = 1
        for other in self:
            if other is ticket:
                break
            position += other.kept_until_s is None
        retry_after_s = min(SOONEST_S + position // 4, LATEST_S)
        ticket.due_s = now_s + retry_after_s
        return position, retry_after_s

    def call(self, places: int, now_s: float) -> None:
        """There are ``places`` free that are kept for nobody: the first in the line have them."""
        for ticket in self:
            if places <= 0:
                return
            if ticket.kept_until_s is None:
                ticket.kept_until_s = max(now_s, ticket.due_s) + HOLD_S
                places -= 1

    def show(self, ticket: Ticket, now_s: float) -> None:
        """Its holder is told that it was called; telling it again keeps the place no longer."""
        if not ticket.is_shown:
            ticket.is_shown, ticket.kept_until_s = True, now_s + HOLD_S

    def expire(self, now_s: float) -> int:
        """Drop the tickets of those that did not come; how many."""
        gone = [ticket for ticket in self if now_s > (ticket.kept_until_s or ticket.due_s + PATIENCE_S)]
        for ticket in gone:
            self.leave(ticket.id)
        return len(gone)

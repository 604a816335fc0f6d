"""Which conversation has which row, and what each row still holds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence


class Row:
    """One row of the model. ``atoms``: what it holds; ``conversation``: whose it is, "" for nobody's."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.atoms: list[int] = []
        self.conversation = ""
        self.is_busy = False
        self.used = 0


class KeptRows:
    """All rows. A conversation keeps its row until others need it: the one used longest ago gives way first.

    The spare rows (``rows_for``) belong to no conversation: transcripts are worked out there, so that no conversation
    is forgotten for one. With a single row there is none to spare.
    """

    def __init__(self, count: int) -> None:
        self._rows = [Row(index) for index in range(count)]
        self._most_kept = count - max(1, count // 9) if count > 1 else 1
        self._clock = itertools.count(1)
        self.evicted = 0

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def of(self, conversation: str) -> Row | None:
        """The row that ``conversation`` has, busy or not."""
        return next((row for row in self._rows if conversation and row.conversation == conversation), None)

    def take(self, conversation: str, atoms: Sequence[int]) -> Row | None:
        """A row to write ``atoms`` into, now busy: the conversation's own where it is idle. None when all are busy.

        Where it is busy a new row becomes the conversation's own; the old one stays as it is and is nobody's.
        """
        own = self.of(conversation)
        if own is not None and own.is_busy:
            own.conversation, own = "", None
        row = own or (self._for_conversation() if conversation else self.spare(atoms) or self._longest_idle())
        if row is None:
            return None
        if row.conversation != conversation:
            self.evicted += bool(row.conversation)
            row.conversation = conversation
        return self._busy(row)

    def spare(self, atoms: Sequence[int]) -> Row | None:
        """An idle row of nobody's, still idle: the one that shares most with ``atoms``."""
        idle = [row for row in self._rows if not row.conversation and not row.is_busy]
        return max(idle, key=lambda row: (shared(row.atoms, atoms), -row.used), default=None)

    def take_spare(self, atoms: Sequence[int]) -> Row | None:
        """A row of nobody's, now busy; None when they all are. Where every row is a conversation's, one is evicted."""
        is_none_spare = all(row.conversation for row in self._rows)
        return self.take("", atoms) if is_none_spare or self.spare(atoms) else None

    def leave(self, row: Row) -> None:
        """``row`` is idle; what it holds stays."""
        row.is_busy = False

    def _busy(self, row: Row) -> Row:
        row.is_busy = True
        row.used = next(self._clock)
        return row

    def _for_conversation(self) -> Row | None:
        kept = sum(bool(row.conversation) for row in self._rows)
        spare = [row for row in self._rows if not row.conversation and not row.is_busy]
        if kept < self._most_kept and spare:
            return min(spare, key=lambda row: row.used)
        return self._longest_idle() or min(spare, key=lambda row: row.used, default=None)

    def _longest_idle(self) -> Row | None:
        idle = [row for row in self._rows if row.conversation and not row.is_busy]
        return min(idle, key=lambda row: row.used, default=None)


def rows_for(conversations: int) -> int:
    """How many rows keep ``conversations``: one more for every eight, one at least."""
    return conversations + max(1, conversations // 8)


def shared(held: Sequence[int], wanted: Sequence[int]) -> int:
    """How many atoms the two have in common from the first on."""
    for position, (one, other) in enumerate(zip(held, wanted, strict=False)):
        if one != other:
            return position
    return min(len(held), len(wanted))

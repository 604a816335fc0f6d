"""A network on paper: packets of 20 ms come late, twice, in disorder or never to a buffer with a virtual clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from duologue.server.webrtc.jitter import Encoded, JitterBuffer, Lost, Piece, Silence

PACKET_S, PACKET_TICKS = 0.02, 960


@dataclass
class Passage:
    """What came out. ``delays_s``: by packet, from its departure to its release; ``pieces`` in order."""

    pieces: list[Piece] = field(default_factory=list)
    delays_s: dict[int, float] = field(default_factory=dict)

    @property
    def order(self) -> list[int]:
        return [int(piece.payload) for piece in self.pieces if isinstance(piece, Encoded)]

    @property
    def samples(self) -> int:
        return sum(PACKET_TICKS if isinstance(piece, Encoded) else piece.samples for piece in self.pieces)

    def lost(self) -> list[int]:
        return [piece.samples for piece in self.pieces if isinstance(piece, Lost)]

    def silences(self) -> list[int]:
        return [piece.samples for piece in self.pieces if isinstance(piece, Silence)]


def carry(
    arrivals: Sequence[tuple[float, int]], *, first: int = 0, timestamp: int = 0, until_s: float = 0.0
) -> Passage:
    """``arrivals``: seconds and packet number; packet ``n`` left at ``n * 20 ms``. ``first`` and ``timestamp`` are what
    the stream's counters begin with."""
    buffer, passage = JitterBuffer(), Passage()

    def note(pieces: list[Piece], now_s: float) -> None:
        passage.pieces += pieces
        for piece in pieces:
            if isinstance(piece, Encoded):
                passage.delays_s[int(piece.payload)] = now_s - int(piece.payload) * PACKET_S

    def wait(until_s: float) -> None:
        while (due_s := buffer.deadline_s) is not None and due_s < until_s:
            note(buffer.poll(due_s + 1e-9), due_s)

    for now_s, number in sorted(arrivals):
        wait(now_s)
        counters = (first + number) % 2**16, (timestamp + number * PACKET_TICKS) % 2**32
        note(buffer.push(*counters, str(number).encode(), PACKET_TICKS, now_s), now_s)
    wait(max([until_s, *(now_s for now_s, _ in arrivals)]))
    return passage

"""Packets of sound in the order in which they were sent, without waiting for those that are lost.

The listener is a program that counts samples, not a loudspeaker that must never run dry. So nothing is held back to
smooth the network's jitter: a packet goes on at once when the one before it has, and the sound that a pause of the
network kept back comes in one piece. What is waited for is only a packet that later ones have overtaken, 20-60 ms,
by how late such packets have been; then its place is concealed. Hence no delay outlives what caused it.

Without I/O and without a clock: ``now_s`` is the caller's, in seconds that never go back.
"""

from __future__ import annotations

from dataclasses import dataclass

RATE_HZ = 48_000
MIN_PATIENCE_S, FIRST_PATIENCE_S, MAX_PATIENCE_S = 0.02, 0.03, 0.06
# 1.3 s of packets of 20 ms; with more behind a hole, nobody waits for the hole.
MAX_HELD = 64
# A sequence number so far away begins a new stream.
MAX_LEAP = 500
# When nothing at all comes for so long, time goes on in silence: a muted track must not keep a turn open.
STALL_S, STALL_STEP_S = 0.5, 0.2
MAX_SILENCE_S = 5.0
REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Encoded:
    """Sound that arrived."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """``samples`` at 48 kHz that did not arrive in time."""

    samples: int


@dataclass(frozen=True, slots=True)
class Silence:
    """``samples`` at 48 kHz in which the sender sent nothing."""

    samples: int


Piece = Encoded | Lost | Silence


@dataclass(frozen=True, slots=True)
class _Held:
    timestamp: int
    payload: bytes
    samples: int
    arrived_s: float


class _Unwrapped:
    """A counter of ``bits`` bits that wraps around, as one that does not."""

    def __init__(self, bits: int) -> None:
        self._size = 1 << bits
        self._last: int | None = None

    def of(self, value: int) -> int:
        if self._last is None:
            self._last = value
        ahead = (value - self._last) % self._size
        near = ahead - self._size if ahead >= self._size // 2 else ahead
        found = self._last + near
        self._last = max(self._last, found)
        return found


class JitterBuffer:
    """One stream. ``lost`` and ``late`` count packets: never arrived in time, and those of them that came after all."""

    def __init__(self) -> None:
        self._sequence = _Unwrapped(16)
        self._timestamp = _Unwrapped(32)
        self._next: int | None = None
        self._next_timestamp = 0
        self._held: dict[int, _Held] = {}
        self._skipped: dict[int, float] = {}
        self._patience_s = FIRST_PATIENCE_S
        self._last_s: float | None = None
        self._step_s = STALL_S
        self._filled = 0
        self.lost = self.late = 0

    @property
    def deadline_s(self) -> float | None:
        """When ``poll`` has something to do, unless a packet comes before."""
        times = [held.arrived_s + self._patience_s for held in self._held.values()]
        if self._last_s is not None:
            times.append(self._last_s + self._step_s)
        return min(times, default=None)

    def push(self, sequence: int, timestamp: int, payload: bytes, samples: int, now_s: float) -> list[Piece]:
        """One packet; ``samples`` is what its ``payload`` decodes to at 48 kHz. Everything that can go on now."""
        number = self._sequence.of(sequence)
        if self._next is not None and abs(number - self._next) > MAX_LEAP:
            self.begin_anew()
            number = self._sequence.of(sequence)
        held = _Held(self._timestamp.of(timestamp), payload, samples, now_s)
        if self._next is None:
            self._next, self._next_timestamp = number, held.timestamp
        if number < self._next:
            self._note_late(number, now_s)
            return []
        self._held.setdefault(number, held)
        return self._release(now_s)

    def poll(self, now_s: float) -> list[Piece]:
        """What the passing of time alone lets go on."""
        return self._release(now_s) or self._fill(now_s)

    def begin_anew(self) -> None:
        """The next packet is the first of another stream."""
        self._sequence, self._timestamp = _Unwrapped(16), _Unwrapped(32)
        self._next = None
        self._held.clear()
        self._skipped.clear()

    def _note_late(self, number: int, now_s: float) -> None:
        noticed_s = self._skipped.pop(number, None)
        if noticed_s is not None:
            self.late += 1
            self._patience_s = min(MAX_PATIENCE_S, max(self._patience_s, now_s - noticed_s + 0.005))

    def _release(self, now_s: float) -> list[Piece]:
        pieces: list[Piece] = []
        while self._held and self._next is not None:
            held = self._held.pop(self._next, None)
            if held is not None:
                pieces += self._pieces(held)
                self._next += 1
                continue
            first = min(self._held)
            noticed_s = min(held.arrived_s for held in self._held.values())
            if now_s - noticed_s < self._patience_s and len(self._held) < MAX_HELD:
                break
            pieces += self._skip(first, noticed_s)
        if pieces:
            self._last_s, self._step_s, self._filled = now_s, STALL_S, 0
        return pieces

    def _pieces(self, held: _Held) -> list[Piece]:
        """A packet in its turn, with the silence before it in which its sender, or the network, sent nothing."""
        gap = min(held.timestamp - self._next_timestamp, int(MAX_SILENCE_S * RATE_HZ)) - self._filled
        self._filled = 0
        self._next_timestamp = held.timestamp + held.samples
        sound: list[Piece] = [Encoded(held.payload)] if held.samples else []
        return [Silence(gap), *sound] if gap > 0 else sound

    def _skip(self, first: int, noticed_s: float) -> list[Piece]:
        """Give up what is missing before packet ``first``."""
        assert self._next is not None
        missing = range(self._next, first)
        self.lost += len(missing)
        for number in missing[-REMEMBERED:]:
            self._skipped[number] = noticed_s
        while len(self._skipped) > REMEMBERED:
            del self._skipped[next(iter(self._skipped))]
        self._patience_s = max(MIN_PATIENCE_S, self._patience_s - 0.001)
        held = self._held[first]
        samples = held.timestamp - self._next_timestamp - self._filled
        self._next, self._next_timestamp, self._filled = first, held.timestamp, 0
        return [Lost(min(samples, int(MAX_SILENCE_S * RATE_HZ)))] if samples > 0 else []

    def _fill(self, now_s: float) -> list[Piece]:
        if self._last_s is None or now_s - self._last_s < self._step_s:
            return []
        samples = int((now_s - self._last_s) * RATE_HZ)
        self._last_s, self._step_s = now_s, STALL_STEP_S
        self._filled += samples
        return [Silence(samples)]

"""How much one client may ask for at once, and for how long it then has to wait."""

from __future__ import annotations


class Allowance:
    """So many messages ``at_once``, and so many more ``a_second`` (a token bucket; Turner, "New directions in
    communications", 1986)."""

    def __init__(self, at_once: int, a_second: float, now_s: float) -> None:
        self._at_once, self._a_second = float(at_once), a_second
        self._left, self._counted_s = float(at_once), now_s

    def spend(self, now_s: float) -> float:
        """One message. For how many seconds the next one should be held back; 0.0 while some are left."""
        earned = (now_s - self._counted_s) * self._a_second
        self._left = min(self._at_once, self._left + earned) - 1
        self._counted_s = now_s
        return max(0.0, -self._left / self._a_second)

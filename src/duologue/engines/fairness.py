"""What each lease has had of a device lately, and what it owes the others.

Thread-seconds are counted by lease and fade with a time constant of 10 s. A lease that has had more than its share
owes the difference, and its deadlines are put back by it, second for second. So a session that floods the server is
served whenever nobody else is waiting, and behind everybody else's deadline otherwise.
"""

from __future__ import annotations

import math

FADES_OVER_S = 10.0
# Short of this nobody owes anything: a long turn and its answer cost so much in one go.
FREE_S = 1.0
# A lease with less left on its account is forgotten.
_FORGOTTEN_S = 0.01
_TIDY_EVERY_S = 1.0


class Shares:
    """The accounts of one device. A share is what ``threads`` can do in the time that accounts fade over, by the
    number of leases that have an account."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._used_s: dict[str, float] = {}
        self._faded_s = 0.0

    @property
    def accounts(self) -> int:
        """How many leases share the device."""
        return len(self._used_s)

    def charge(self, lease: str, seconds: float, now_s: float) -> None:
        """``lease`` has had ``seconds`` of a thread."""
        self._fade(now_s)
        self._used_s[lease] = self._used_s.get(lease, 0.0) + seconds

    def debt_s(self, lease: str, now_s: float) -> float:
        """By how much ``lease`` is over its share; 0 where it is not."""
        if self._used_s.get(lease, 0.0) <= FREE_S or len(self._used_s) < 2:
            return 0.0
        self._fade(now_s)
        share_s = self.threads * FADES_OVER_S / max(2, len(self._used_s))
        return max(0.0, self._used_s.get(lease, 0.0) - max(share_s, FREE_S))

    def _fade(self, now_s: float) -> None:
        if now_s - self._faded_s < _TIDY_EVERY_S:
            return
        kept = math.exp(-(now_s - self._faded_s) / FADES_OVER_S)
        self._used_s = {lease: s * kept for lease, s in self._used_s.items() if s * kept > _FORGOTTEN_S}
        self._faded_s = now_s

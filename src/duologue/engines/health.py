"""Whether an engine has failed for good."""

from __future__ import annotations

FAILURES = 5
OVER_S = 10.0
# Without requests nobody can know that it is well again: after so long it is given the benefit of the doubt.
DOUBTED_FOR_S = 60.0


class Health:
    """An engine is unhealthy when its last five requests or more failed, over ten seconds or more, and the last of
    them within this minute."""

    def __init__(self) -> None:
        self._failures = 0
        self._since_s = 0.0
        self._last_s = 0.0
        self._reason = ""

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, reason: str, now_s: float) -> None:
        if not self._failures:
            self._since_s = now_s
        self._failures += 1
        self._last_s, self._reason = now_s, reason

    def trouble(self, now_s: float) -> str | None:
        """Why it is unhealthy; None where it is not."""
        is_lasting = self._failures >= FAILURES and self._last_s - self._since_s >= OVER_S
        if not is_lasting or now_s - self._last_s > DOUBTED_FOR_S:
            return None
        return f"its last {self._failures} requests failed: {self._reason}"

"""When to ask a chat server once more. Only before the first word: what was heard cannot be taken back."""

from __future__ import annotations

from collections.abc import Mapping

from duologue.errors import EngineError

# 0.1, 0.2, 0.4 s: somebody is waiting for an answer.
_FIRST_PAUSE_S = 0.1
# A server that asks for a longer wait than this is told of, not waited for.
_LONGEST_PAUSE_S = 2.0


class Passing(Exception):
    """A try failed in a way that another may not.

    ``error``: what to raise where there is no other. ``wait_s``: how long the server asked to be left alone.
    ``is_free``: the next try costs nothing of the patience, since nothing is wrong with the server.
    """

    def __init__(self, error: EngineError, *, wait_s: float = 0.0, is_free: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.wait_s = wait_s
        self.is_free = is_free


class Retries:
    """Counts the tries of one request: ``retries`` more than the first, with growing pauses between them."""

    def __init__(self, retries: int) -> None:
        self._left = retries
        self._pause_s = _FIRST_PAUSE_S

    def pause_after(self, failure: Passing) -> float | None:
        """How long to wait before the next try, in seconds; None where there is none."""
        if failure.is_free:
            return 0.0
        if self._left == 0 or failure.wait_s > _LONGEST_PAUSE_S:
            return None
        self._left -= 1
        pause_s = max(self._pause_s, failure.wait_s)
        self._pause_s *= 2
        return pause_s


def wait_asked_for(headers: Mapping[str, str]) -> float:
    """Seconds in ``Retry-After`` (RFC 9110, 10.2.3); 0 where it is missing or a date."""
    try:
        return max(0.0, float(headers.get("retry-after", "0")))
    except ValueError:
        return 0.0

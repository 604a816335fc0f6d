"""What an interruption cut off, until it is known whether that was speech."""

from __future__ import annotations

from collections.abc import Iterable

from duologue.session.given import Unheard
from duologue.session.words import is_backchannel


class Rest:
    """Of the answers that the last turn stopped, what was not heard. Their text is still being made. ``is_long``: more
    than a word or two, so that who said "mm-hm" was listening, and did not answer."""

    def __init__(self, left: Iterable[Unheard] = (), *, is_long: bool = True) -> None:
        self._left = list(left)
        self._is_long = is_long

    def __bool__(self) -> bool:
        return bool(self._left)

    def or_else(self, later: Rest) -> Rest:
        """Of two, the earlier: an answer that was to find out whether this is to be said has no rest of its own."""
        if not self._left:
            return later
        later.forget()
        return Rest(self.take(), is_long=self._is_long)

    def take(self) -> list[Unheard]:
        """To say it after all."""
        left, self._left = self._left, []
        return left

    def forget(self) -> None:
        """It will not be said."""
        for unheard in self.take():
            unheard.drop()

    def is_over(self, words: str) -> bool:
        """Whether the turn that stopped it took the floor with ``words``: not with none, nor with a mere "mm-hm"."""
        return bool(words) and not (self._left and self._is_long and is_backchannel(words))

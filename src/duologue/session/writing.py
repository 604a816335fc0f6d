"""What the chat model says, kept as it comes.

The text is made apart from the voice that reads it: a voice can be stopped and another can go on from the same
letter, without asking the model again.
"""

from __future__ import annotations

from contextlib import aclosing

import anyio

from duologue.engines.base import ChatDelta
from duologue.errors import CapacityError, DuologueError, EngineError
from duologue.session.asking import Asking
from duologue.session.speakable import Speakable

# An hour of speech. A model that has not ended by then never will.
LONGEST_TEXT_CHARS = 60_000


class Writing:
    """One answer's text in the making.

    ``is_done`` once there is no more to come; ``failure`` and ``was_cut_short`` (the model reached its limit of
    tokens) then tell why. A prompt that asks for nothing gives an empty text. ``is_spoken``: markup is made plain
    speech, here, so that what is shown, kept and heard is the same.
    """

    def __init__(self, asking: Asking, *, is_spoken: bool) -> None:
        self._asking = asking
        self._speakable = Speakable() if is_spoken else None
        self._has_grown = anyio.Event()
        self.scope = anyio.CancelScope()
        self.text = ""
        self.is_done = False
        self.failure: DuologueError | None = None
        self.was_cut_short = False

    @property
    def prompt_words(self) -> int:
        """How long the question was."""
        return self._asking.prompt_words

    async def run(self) -> None:
        """Ask the model and keep what it says; ends without an exception, see ``failure``."""
        with self.scope:
            try:
                await self._ask()
            except (EngineError, CapacityError) as error:
                self.failure = error
        if self._speakable is not None:
            self.text += self._speakable.end()
        self._grow(is_done=True)

    async def _ask(self) -> None:
        async with aclosing(self._asking.deltas()) as deltas:
            async for delta in deltas:
                self._keep(delta)
                if len(self.text) > LONGEST_TEXT_CHARS:
                    self.was_cut_short = True
                    return

    def _keep(self, delta: ChatDelta) -> None:
        """The answer may be whole before its question is: a model that hears still tells the user's words."""
        self.text += delta.text if self._speakable is None else self._speakable.feed(delta.text)
        if self._speakable is not None and delta.finish is not None:
            self.text += self._speakable.end()
        self.was_cut_short |= delta.finish == "length"
        self._grow(is_done=delta.finish is not None)

    def _grow(self, *, is_done: bool) -> None:
        self.is_done |= is_done
        self._has_grown.set()
        self._has_grown = anyio.Event()

    async def more(self, start: int) -> str:
        """The text from ``start`` on, as soon as there is any; "" when there is no more to come."""
        while len(self.text) <= start and not self.is_done:
            await self._has_grown.wait()
        return self.text[start:]

    def has_more(self, start: int) -> bool:
        """Whether there is, or may yet be, something to say from ``start`` on."""
        return not self.is_done or bool(self.text[start:].strip())

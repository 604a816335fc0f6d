"""What the chat model says, kept as it comes.

The text is made apart from the voice that reads it: a voice can be stopped and another can go on from the same
letter, without asking the model again.
"""

from __future__ import annotations

from contextlib import aclosing

import anyio
import msgspec

from duologue.engines.base import ChatDelta, ChatUsage, ToolCallDelta
from duologue.errors import CapacityError, DuologueError, EngineError
from duologue.items import new_id
from duologue.session.asking import Asking
from duologue.session.speakable import Speakable

# An hour of speech. A model that has not ended by then never will.
LONGEST_TEXT_CHARS = 60_000
LONGEST_ARGUMENTS_CHARS = 60_000
MOST_CALLS = 32
# What a model writes that has nothing to say to a function.
_NOTHING = ("", "null")
# OpenAI's longest.
LONGEST_CALL_ID_CHARS = 32


class Growth:
    """Something that grows, and who waits for more of it."""

    def __init__(self) -> None:
        # Most of the time nobody waits.
        self._event: anyio.Event | None = None

    def happened(self) -> None:
        if self._event is not None:
            self._event.set()
            self._event = None

    async def next(self) -> None:
        if self._event is None:
            self._event = anyio.Event()
        await self._event.wait()


class Call:
    """A function that the model wants called, behind letter ``at`` of its text.

    ``arguments``: JSON, as it comes, once it is known to be an object. ``is_whole``: the model has written it to its
    end.
    """

    def __init__(self, call_id: str, name: str, at: int) -> None:
        self.id = call_id if 0 < len(call_id) <= LONGEST_CALL_ID_CHARS else new_id("call")
        self.name = name
        self.at = at
        self.arguments = ""
        self.is_done = False
        self.is_whole = False
        self._written = ""
        self._growth = Growth()

    def add(self, arguments: str) -> None:
        self._written += arguments
        if self._written.lstrip().startswith("{"):
            self.arguments = self._written
        self._growth.happened()

    def end(self, *, is_whole: bool) -> None:
        """There is no more to come. A call without arguments is one with an empty object: clients parse them."""
        if self.is_done:
            return
        is_nothing = is_whole and self._written.strip() in _NOTHING
        self.arguments = "{}" if is_nothing else self._written
        self.is_done, self.is_whole = True, is_whole
        self._growth.happened()

    @property
    def is_too_long(self) -> bool:
        return len(self._written) > LONGEST_ARGUMENTS_CHARS

    @property
    def has_object(self) -> bool:
        """Whether the arguments can be parsed."""
        try:
            msgspec.json.decode(self.arguments, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, RecursionError):
            return False
        return True

    async def more(self, start: int) -> str:
        """The arguments from ``start`` on, as soon as there are any; "" when there is no more to come."""
        while len(self.arguments) <= start and not self.is_done:
            await self._growth.next()
        return self.arguments[start:]


class Writing:
    """One answer's text in the making.

    ``began_at_s``: when the first of it came. ``is_done`` once there is no more to come; ``failure`` and
    ``was_cut_short`` (the model reached its limit of tokens) then tell why. A prompt that asks for nothing gives an
    empty text. ``is_spoken``: markup is made plain speech, here, so that what is shown, kept and heard is the same.
    """

    def __init__(self, asking: Asking | None, *, is_spoken: bool) -> None:
        self._asking = asking
        self._speakable = Speakable() if is_spoken else None
        self._growth = Growth()
        self._calls: dict[int, Call] = {}
        self.scope = anyio.CancelScope()
        self.text = ""
        self.began_at_s: float | None = None
        self.calls: list[Call] = []
        self.usage: ChatUsage | None = None
        self.is_done = False
        self.failure: DuologueError | None = None
        self.was_cut_short = False

    @classmethod
    def of(cls, text: str) -> Writing:
        """A text that needs no model."""
        writing = cls(None, is_spoken=False)
        writing.text, writing.is_done = text, True
        return writing

    @property
    def prompt_words(self) -> int:
        """How long the question was."""
        return self._asking.prompt_words if self._asking is not None else 0

    async def run(self) -> None:
        """Ask the model and keep what it says; ends without an exception, see ``failure``."""
        is_whole = False
        with self.scope:
            try:
                await self._ask()
                is_whole = not self.was_cut_short
            except (EngineError, CapacityError) as error:
                self.failure = error
        if self._speakable is not None:
            self.text += self._speakable.end()
        self._end(is_whole=is_whole)

    async def _ask(self) -> None:
        assert self._asking is not None, "a text of its own is not asked for"
        async with aclosing(self._asking.deltas()) as deltas:
            async for delta in deltas:
                self._keep(delta)
                if len(self.text) > LONGEST_TEXT_CHARS or any(call.is_too_long for call in self.calls[-1:]):
                    self.was_cut_short = True
                    return

    def _keep(self, delta: ChatDelta) -> None:
        """The answer may be whole before its question is: a model that hears still tells the user's words."""
        self.text += delta.text if self._speakable is None else self._speakable.feed(delta.text)
        is_over = delta.finish is not None
        if self._speakable is not None and (is_over or (delta.tool_call and not self.calls)):
            self.text += self._speakable.end()
        if delta.tool_call is not None:
            self._keep_call(delta.tool_call)
        if self.began_at_s is None and (self.text or self.calls):
            self.began_at_s = anyio.current_time()
        self.usage = delta.usage or self.usage
        self.was_cut_short |= delta.finish == "length"
        if is_over:
            self._end(is_whole=not self.was_cut_short)
        self._growth.happened()

    def _keep_call(self, delta: ToolCallDelta) -> None:
        call = self._calls.get(delta.index)
        if call is None:
            if len(self.calls) == MOST_CALLS:
                return
            # Calls are written one after the other.
            self._end_calls(is_whole=True)
            call = self._calls[delta.index] = Call(delta.id, delta.name, len(self.text))
            self.calls.append(call)
        call.add(delta.arguments)

    def _end_calls(self, *, is_whole: bool) -> None:
        for call in self.calls[-1:]:
            call.end(is_whole=is_whole)

    def _end(self, *, is_whole: bool) -> None:
        self.is_done = True
        self._end_calls(is_whole=is_whole)
        self._growth.happened()

    async def next(self, start: int, calls: int = 0) -> str | Call | None:
        """What follows letter ``start`` and the first ``calls`` calls, as soon as there is any: text up to the next
        call, or that call. None when there is no more to come."""
        while True:
            call = self.calls[calls] if calls < len(self.calls) else None
            end = len(self.text) if call is None else call.at
            if start < end:
                return self.text[start:end]
            if call is not None or self.is_done:
                return call
            await self._growth.next()

    def has_more(self, start: int, calls: int = 0) -> bool:
        """Whether there is, or may yet be, something to say or to call from there on."""
        return not self.is_done or bool(self.text[start:].strip()) or calls < len(self.calls)

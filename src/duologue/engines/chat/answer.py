"""The chunks of one answer -> its deltas: words that are meant to be heard, function calls, and how it ended."""

from __future__ import annotations

from typing import Literal

from duologue.engines.base import ChatDelta, ChatUsage
from duologue.engines.chat.openai_wire import Choice, Chunk, usage_of
from duologue.engines.chat.spoken import SpokenText
from duologue.engines.chat.tool_calls import ToolCalls


class Answer:
    """``is_over``: the model has ended it, and only its usage may still come; ``is_counted`` once that has."""

    def __init__(self) -> None:
        self._spoken = SpokenText()
        self._calls = ToolCalls()
        self._reason = ""
        self._usage: ChatUsage | None = None
        self.is_counted = False

    @property
    def is_over(self) -> bool:
        return bool(self._reason)

    def feed(self, chunk: Chunk) -> list[ChatDelta]:
        """What ``chunk`` adds. Words after the end are not heeded."""
        choice = chunk.choice
        deltas = self._add(choice) if choice is not None and not self.is_over else []
        if (usage := usage_of(chunk)) is not None:
            # Some servers count along; what counts is the count at the end.
            self._usage, self.is_counted = usage, self.is_over
        return deltas

    def end(self) -> list[ChatDelta]:
        """The last deltas, when nothing more comes."""
        rest = [] if self.is_over else self._rest()
        return [*rest, ChatDelta("", self._finish(), usage=self._usage)]

    def _add(self, choice: Choice) -> list[ChatDelta]:
        deltas = []
        said = choice.delta or choice.message
        if said is not None:
            if text := self._spoken.feed(said.text):
                deltas.append(ChatDelta(text))
            found = [self._calls.feed(piece) for piece in said.tool_calls or []]
            deltas += [ChatDelta("", tool_call=delta) for delta in found if delta is not None]
        if choice.finish_reason:
            self._reason = choice.finish_reason
            deltas += self._rest()
        return deltas

    def _rest(self) -> list[ChatDelta]:
        text = self._spoken.end()
        words = [ChatDelta(text)] if text else []
        return words + [ChatDelta("", tool_call=delta) for delta in self._calls.end()]

    def _finish(self) -> Literal["stop", "length", "tool_calls"]:
        if self._reason == "length":
            return "length"
        # Several servers say "stop" after a call.
        return "tool_calls" if len(self._calls) else "stop"

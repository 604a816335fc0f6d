"""What follows a call: a few words while its tool is slow, and the next answer when it has answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from duologue.events import FunctionCall, Item, McpApprovalResponse, McpCall
from duologue.session.calling import Calling
from duologue.session.history import History
from duologue.session.replies import Ways
from duologue.session.timer import Timer

# A client that asks for the next answer itself does so at once. OpenAI's server leaves it to the client for good, and
# then nobody speaks where it does not know that.
FOLLOW_UP_S = 0.5


@dataclass(frozen=True, slots=True)
class ToolSlow:
    """A tool has been called, and nothing has come of it for a while."""


@dataclass(frozen=True, slots=True)
class ToolsAnswered:
    """All tools that this server called have answered, and the client has not asked for more yet."""


class Following:
    """``post``: to the session's own inbox, when something is due."""

    def __init__(self, ways: Ways, history: History, calling: Calling, post: Callable[[object], None]) -> None:
        self._ways = ways
        self._history = history
        self._calling = calling
        self._bridged: str | None = None
        self._told: str | None = None
        self._slow = Timer(lambda: post(ToolSlow()))
        self._answered = Timer(lambda: post(ToolsAnswered()))

    @property
    def timers(self) -> tuple[Timer, ...]:
        return self._slow, self._answered

    def on_answer_over(self) -> None:
        """The assistant has fallen silent: it may wait for a tool, or one may have answered meanwhile."""
        if self._ways.filler and self._is_waiting():
            self._slow.start(self._ways.filler_after_s)
        if self.has_news() and not self._answered.is_running:
            self._answered.start(FOLLOW_UP_S)

    def on_tools_answered(self) -> None:
        self._answered.start(FOLLOW_UP_S)

    def bridges(self) -> bool:
        """Whether something is to be said while the tool works; once for a call."""
        called = self._last_call() if self._is_waiting() else None
        is_new, self._bridged = called != self._bridged, called
        return called is not None and is_new

    def has_news(self) -> bool:
        """Whether a tool of an MCP server was the last to say something, and nobody has asked for an answer since.
        Where functions of the client's were called as well, the client asks when they have answered."""
        last = self._last_item()
        is_result = isinstance(last, McpCall | McpApprovalResponse) and last.id != self._told
        return is_result and not self._is_waiting()

    def on_asked(self) -> None:
        """An answer to all that is there is on its way."""
        last = self._last_item()
        self._told = last.id if last is not None else None

    def _last_item(self) -> Item | None:
        return next((entry.item for entry in reversed(list(self._history)) if not entry.is_filler), None)

    def _last_call(self) -> str | None:
        calls = (e.item.id for e in reversed(list(self._history)) if isinstance(e.item, FunctionCall | McpCall))
        return next(calls, None)

    def _is_waiting(self) -> bool:
        return bool(self._history.open_calls()) or self._calling.is_busy

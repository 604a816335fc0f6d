"""What follows a call: a few words while its tool is slow, and the next answer when it has answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from duologue.items import FunctionCall, McpCall, ReplyOptions
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
    """``is_busy``: whether a tool has been called here and has not answered yet. ``post``: to the session's own inbox,
    when something is due."""

    def __init__(
        self, ways: Ways, history: History, is_busy: Callable[[], bool], post: Callable[[object], None]
    ) -> None:
        self._ways = ways
        self._history = history
        self._is_busy = is_busy
        self._bridged: str | None = None
        self._has_news = False
        self._is_due = False
        self.options = ReplyOptions()
        self._slow = Timer(lambda: post(ToolSlow()))
        self._answered = Timer(lambda: post(ToolsAnswered()))

    @property
    def timers(self) -> tuple[Timer, ...]:
        return self._slow, self._answered

    @property
    def is_due(self) -> bool:
        """Whether an answer is owed to what tools gave, as soon as nobody has the floor. Where functions of the
        client's were called as well, the client asks when they have answered."""
        return self._is_due and not self._is_waiting()

    def on_tools_answered(self, options: ReplyOptions) -> None:
        """What they gave has not been spoken of; ``options``: how to."""
        self._has_news, self.options = True, options
        self._answered.start(FOLLOW_UP_S)

    def on_nobody_asked(self) -> None:
        """The client had its time."""
        self._is_due = self._has_news

    def on_answer_begins(self) -> None:
        """It knows all that was given so far."""
        self._has_news = self._is_due = False

    def on_answer_over(self) -> None:
        """The assistant has fallen silent, perhaps because it waits for a tool."""
        if self._ways.filler and self._is_waiting():
            self._slow.start(self._ways.filler_after_s)

    def bridges(self) -> bool:
        """Whether something is to be said while the tool works; once for a call."""
        called = self._last_call() if self._is_waiting() else None
        is_new, self._bridged = called != self._bridged, called
        return called is not None and is_new

    def _last_call(self) -> str | None:
        calls = (e.item.id for e in reversed(list(self._history)) if isinstance(e.item, FunctionCall | McpCall))
        return next(calls, None)

    def _is_waiting(self) -> bool:
        return self._is_busy() or bool(self._history.open_calls())

"""START HERE: one conversation, from the user's sound to the answer's.

Everything that happens to a session goes through ``_inbox`` and is handled, one at a time and without waiting, by
``_handle``, which only ``run`` calls; so no two things ever happen to a conversation at once, and whoever posts goes on
before anything comes of it. What takes time runs beside it in the session's one task group and posts what it finds:

* ``hearing`` takes what the client sends, finds speech in the sound, and passes all else on in order. It posts nothing
  while nobody speaks.
* ``turns`` makes turns of it: the turn machine (``turn``) says what a change means, in commands.
* A pause starts an ``Attempt``: the words (``transcribe``), whether the turn is over (``endpointing``), the answer's
  text (``asking``, ``writing``) and its sound (``reply``, ``phrase``, ``speak``), all unheard; ``replies`` makes them.
* A turn that is over commits it: ``answers`` lets the answer out at the pace of hearing (``playout``).
* What the answer calls is carried out by the client or by ``calling``; ``following`` sees that it is spoken of.
* ``history``, behind ``conversation``, keeps what was heard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import anyio

from duologue.engines.client import EngineClient
from duologue.engines.tools import ToolServers
from duologue.errors import ClientError
from duologue.events import (
    CancelReply,
    ClearPlayout,
    Configure,
    CreateItem,
    CreateReply,
    DeleteItem,
    Event,
    Failed,
    PlayoutReached,
    Reached,
    ReplyItemStarted,
    RetrieveItem,
    Told,
    TruncateItem,
)
from duologue.items import McpApprovalResponse, SessionConfig, TurnDetection
from duologue.session import floor
from duologue.session.answers import Answers
from duologue.session.attempts import AsideOver
from duologue.session.calling import Calling
from duologue.session.conversation import Conversation
from duologue.session.following import Following, ToolsAnswered, ToolSlow
from duologue.session.hearing import Heard, Marked, without_sound
from duologue.session.history import Entry, History
from duologue.session.mailbox import Mailbox
from duologue.session.prompts import NEWS
from duologue.session.replies import AS_CONFIGURED, IN_STAGES, Replies, Ways
from duologue.session.tools import NoServers, Tools
from duologue.session.turns import Turns
from duologue.session.users_turn import Idle, WordsIn

# So much of what a client sent waits to be handled that whoever brings it holds back the rest.
BEHIND_EVENTS = 256


class _HungUp(Told, frozen=True):
    """The client has left, and all that it sent has been taken."""


@dataclass(frozen=True, slots=True)
class _Over:
    """An answer has been heard to its end or has failed; ``said_nothing``: there was nothing to answer."""

    said_nothing: bool


class Session:
    """One conversation. Give it to a task with ``run``, and what the client sends to ``tell``.

    ``say`` is given all that the client is to know; it must not wait, and raises SlowClient where the client is too
    far behind. ``entries``: what was said before, in an earlier session; the client is told nothing of it.
    """

    def __init__(
        self,
        engines: EngineClient,
        config: SessionConfig,
        say: Callable[[Event], None],
        ways: Ways = IN_STAGES,
        servers: ToolServers | None = None,
        entries: Iterable[Entry] = (),
    ) -> None:
        self._say = say
        self._inbox = Mailbox()
        self._post = self._inbox.post
        self._has_hung_up = False
        self._is_over = False
        self._waiting: set[anyio.Event] = set()
        self._conversation = Conversation(self._say, entries)
        history = self._conversation.history
        self._tools = Tools(servers or NoServers(), self._conversation, self._say)
        self._following = Following(ways, history, lambda: self._calling.is_busy, self._post)
        self._calling = Calling(self._tools, self._conversation, self._say, self._following.on_tools_answered)
        self._replies = Replies(engines, self._conversation, self._tools, ways, config)
        self._answers = Answers(
            history,
            self._say_of_answer,
            self._calling,
            on_audible=lambda: self._post(floor.ReplyAudible()),
            on_begin=self._following.on_answer_begins,
            on_over=lambda said_nothing: self._post(_Over(said_nothing)),
            holds_sound=ways.holds_sound,
        )
        detection = config.turn_detection or TurnDetection()
        self._turns = Turns(
            engines, self._conversation, self._replies, self._answers, ways, detection, self._say, self._post
        )

    @property
    def config(self) -> SessionConfig:
        """The settings in force."""
        return self._replies.config

    @property
    def history(self) -> History:
        """What was said, to look at."""
        return self._conversation.history

    @property
    def now(self) -> int:
        """How much sound it has taken, in samples of 16 kHz, with the silence that it put in place of some."""
        return self._turns.hearing.now

    def tell(self, event: Told) -> None:
        """The client has sent this. Taken at once, in order; what comes after ``hang_up`` is nobody's."""
        if not self._has_hung_up:
            self._turns.hearing.take(event)

    def ask(self, lives: Callable[[], None]) -> None:
        """``lives`` is called by the loop that handles everything, whatever sound waits to be looked at."""
        self._post(Reached(tell=lives))

    @property
    def is_behind(self) -> bool:
        """So much waits that whoever brings it should hold back the rest until ``caught_up``."""
        return self._turns.hearing.is_behind or len(self._inbox) >= BEHIND_EVENTS

    async def caught_up(self) -> None:
        """Until all that it was told has been taken, or it has ended; at once where it is not behind."""
        if not self.is_behind or self._is_over:
            return
        reached = anyio.Event()
        self._waiting.add(reached)
        self.tell(Reached(tell=reached.set))
        await reached.wait()
        self._waiting.discard(reached)

    def hang_up(self) -> None:
        """The client has left: the conversation ends when all that it was told has been looked at."""
        self.tell(_HungUp())
        self._has_hung_up = True

    async def run(self) -> None:
        """Hold the conversation until ``hang_up``. Raises SlowClient."""
        try:
            async with anyio.create_task_group() as tasks:
                for worker in (self._replies, self._tools, self._calling, self._turns):
                    worker.tasks = tasks
                self._apply(self.config)
                tasks.start_soon(self._turns.hearing.run)
                while not isinstance(event := await self._inbox.next(), _HungUp):
                    self._handle(event)
                tasks.cancel_scope.cancel()
        finally:
            self._end()

    def _end(self) -> None:
        self._has_hung_up = self._is_over = True
        self._inbox.close()
        self._answers.abandon()
        self._turns.abandon()
        self._tools.close()
        for timer in (self._turns.idle, *self._following.timers):
            timer.stop()
        self._conversation.history.settle()
        # Sessions are rings of objects, which Python finds late: their sound would stay for minutes.
        self._turns.hearing.close()
        self._conversation.history.forget_sound()
        for reached in self._waiting:
            reached.set()

    def _handle(self, event: Any) -> None:
        try:
            _HANDLERS[type(event)](self, event)
        except ClientError as error:
            asked = event.event if isinstance(event, Marked) else event
            ref = asked.ref if isinstance(asked, Told) else None
            self._say(Failed(kind=error.kind, code=error.code, message=error.message, param=error.param, ref=ref))
        if self._following.is_due and self._turns.is_idle:
            options = self._following.options
            self._turns.answer(self._replies.to_history(options, note=NEWS), options, is_follow_up=True)

    def _say_of_answer(self, event: Event) -> None:
        """With an answer's first item it is known what of the conversation it was told."""
        if isinstance(event, ReplyItemStarted) and (trimmed := self._replies.trimmed()) is not None:
            self._say(trimmed)
        self._say(event)

    # --- what happens in the session ----------------------------------------------------------------------------

    def _on_over(self, over: _Over) -> None:
        self._turns.on_answer_over(said_nothing=over.said_nothing)
        if self._answers.is_empty:
            self._following.on_answer_over()

    def _on_tool_slow(self, _slow: ToolSlow) -> None:
        """Say something while the tool works, unless the talk has gone on."""
        if self._turns.is_idle and self._following.bridges():
            self._turns.answer(self._replies.filler(), is_filler=True)

    # --- what the client asks for -------------------------------------------------------------------------------

    def _apply(self, config: SessionConfig) -> None:
        self._replies.config = config
        self._tools.configure(config.tools)
        self._turns.configure(config.turn_detection)

    def _on_create_reply(self, event: CreateReply) -> None:
        options = event.options
        if options == AS_CONFIGURED and self._answers.is_following_up:
            # The client and this server had the same thought: what it asks for is on its way to it.
            return
        if options.in_conversation:
            self._answers.refuse_second()
        else:
            self._answers.refuse_too_many()
        self._turns.answer(self._replies.to_history(options), options)

    def _on_create_item(self, event: CreateItem) -> None:
        item = event.item
        if isinstance(item, McpApprovalResponse):
            self._calling.require(item)
        self._replies.check_sight(item, "item.content")
        item, spoken = without_sound(item)
        entry = self._conversation.create(item, event.after)
        if isinstance(item, McpApprovalResponse):
            self._calling.respond(item)
        if spoken is not None:
            transcription = self._replies.transcribe(spoken, item.id, is_answered=False)
            self._turns.await_words(WordsIn(entry, transcription, is_shown=False))

    def _on_truncate_item(self, event: TruncateItem) -> None:
        self._conversation.truncate(event)
        self._answers.end_playout(event.item_id)


_HANDLERS: dict[type, Callable[[Session, Any], None]] = {
    Heard: lambda session, heard: session._turns.on_heard(heard),
    Marked: lambda session, marked: session._turns.on_marked(marked),
    WordsIn: lambda session, words: session._turns.on_words_in(words),
    Idle: lambda session, idle: session._turns.on_idle(idle),
    floor.EndOfTurnKnown: lambda session, event: session._turns.take(event),
    floor.WordsKnown: lambda session, event: session._turns.on_words_known(event),
    AsideOver: lambda session, _over: session._turns.attempts.on_aside_over(),
    floor.OverlapHeard: lambda session, event: session._turns.take(event),
    floor.ReplyAudible: lambda session, event: session._turns.take(event),
    _Over: Session._on_over,
    ToolSlow: Session._on_tool_slow,
    ToolsAnswered: lambda session, _answered: session._following.on_nobody_asked(),
    Configure: lambda session, event: session._apply(event.config),
    CreateReply: Session._on_create_reply,
    CancelReply: lambda session, event: session._answers.cancel(event.reply_id),
    ClearPlayout: lambda session, _event: session._answers.clear_playout(),
    CreateItem: Session._on_create_item,
    DeleteItem: lambda session, event: session._conversation.delete(event),
    RetrieveItem: lambda session, event: session._conversation.retrieve(event),
    TruncateItem: Session._on_truncate_item,
    PlayoutReached: lambda session, event: session._answers.correct(event.item_id, event.heard_ms),
    Reached: lambda _session, event: event.tell(),
}

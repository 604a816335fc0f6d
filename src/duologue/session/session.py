"""START HERE: one conversation, from the user's sound to the answer's.

Everything that happens to a session goes through ``_inbox`` and is handled, one at a time and without waiting, by
``_handle``; so no two things ever happen to a conversation at once. What takes time runs beside it in the
session's one task group and posts what it finds:

* ``hearing`` takes what the client sends, finds speech in the sound, and passes all else on in order.
* The turn machine (``turn``) says what a change means, in commands; each command has its method here.
* A pause starts an ``Attempt``: the words (``transcribe``), whether the turn is over (``endpointing``), the answer's
  text (``asking``, ``writing``) and its sound (``reply``, ``phrase``, ``speak``), all unheard; ``replies`` makes them.
* A turn that is over commits it: ``answers`` lets the answer out at the pace of hearing (``playout``).
* ``history``, behind ``conversation``, keeps what was heard.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from duologue.audio.frame import ms_to_samples, samples_to_ms
from duologue.engines.client import EngineClient
from duologue.engines.tools import ToolServers
from duologue.errors import ClientError, SlowClient
from duologue.events import (
    AudioCleared,
    CancelReply,
    ClearAudio,
    ClearPlayout,
    Configure,
    CreateItem,
    CreateReply,
    DeleteItem,
    Event,
    Failed,
    IdleTimeout,
    McpApprovalResponse,
    McpCall,
    McpServer,
    Message,
    RetrieveItem,
    SessionConfig,
    SpeechStarted,
    SpeechStopped,
    Told,
    TranscriptDelta,
    TruncateItem,
    TurnDetection,
    new_id,
)
from duologue.session import turn as floor
from duologue.session.answer import Unheard
from duologue.session.answers import Answers
from duologue.session.attempt import Attempt
from duologue.session.calling import Calling
from duologue.session.conversation import Conversation
from duologue.session.hearing import IDLE_KEEP_SAMPLES, Heard, Hearing, Marked, as_heard
from duologue.session.history import Entry
from duologue.session.replies import AS_CONFIGURED, IN_STAGES, Replies, Ways
from duologue.session.reply import Reply
from duologue.session.tools import Tools
from duologue.session.transcribe import Partials, Transcription
from duologue.session.vad import Onset
from duologue.session.waiting import Timer

INBOX_EVENTS = 1_024
SHORTEST_COMMIT_SAMPLES = ms_to_samples(100)
LONGEST_UNCOMMITTED_SAMPLES = ms_to_samples(15 * 60 * 1000)
# What follows the last speech window in a transcriber's input: it hears that the last word ended.
TAIL_SAMPLES = ms_to_samples(96)


@dataclass(frozen=True, slots=True)
class _WordsIn:
    """The transcript of a committed item is there."""

    entry: Entry
    transcription: Transcription


@dataclass(frozen=True, slots=True)
class _Over:
    """An answer has been heard to its end or has failed; ``said_nothing``: there was nothing to answer."""

    said_nothing: bool


@dataclass(frozen=True, slots=True)
class _Idle:
    """Nobody has spoken for as long as the client set."""


@dataclass(frozen=True, slots=True)
class _SlowTool:
    """A tool has been called, and nothing has come of it for a while."""


@dataclass(frozen=True, slots=True)
class _ToolsAnswered:
    """All tools that this server called have answered, and the client has not asked for more yet."""


@dataclass(slots=True)
class _Turn:
    """The user's open turn. ``start``: its first sample, padding included; ``unheard``: what was left of the answer
    that it interrupted, to be said after all if it turns out to be no speech."""

    item_id: str
    start: int
    partials: Partials
    unheard: Unheard | None = None


class NoServers:
    """For a session without MCP."""

    def open(self, server: McpServer) -> Any:
        raise ClientError("MCP servers are not available here.", param="session.tools")


class Session:
    """One conversation. Give it to a task with ``run``; what it says comes out of ``outbox``."""

    def __init__(
        self,
        engines: EngineClient,
        config: SessionConfig,
        outbox: MemoryObjectSendStream[Event],
        ways: Ways = IN_STAGES,
        servers: ToolServers | None = None,
    ) -> None:
        self.config = config
        self._engines = engines
        self._outbox = outbox
        self._inbox_in, self._inbox = anyio.create_memory_object_stream[Any](INBOX_EVENTS)
        detection = config.turn_detection or TurnDetection()
        self._hearing = Hearing(engines, detection.threshold, self._is_in_turn)
        self._machine = floor.TurnMachine(detection, speculates=ways.speculates)
        self._ways = ways
        self._conversation = Conversation(self._say)
        self._tools = Tools(servers or NoServers(), self._conversation, self._say)
        self._calling = Calling(self._tools, self._conversation, self._say, lambda: self._post(_ToolsAnswered()))
        self._replies = Replies(engines, self._conversation, self._tools, ways, config)
        self._idle = Timer(lambda: self._post(_Idle()))
        self._bridge = Timer(lambda: self._post(_SlowTool()))
        self._answers = Answers(
            self._conversation.history,
            self._say,
            self._calling,
            on_audible=lambda: self._post(floor.ReplyAudible()),
            on_over=lambda said_nothing: self._post(_Over(said_nothing)),
        )
        self._turn: _Turn | None = None
        self._attempt: Attempt | None = None
        self._unheard: Unheard | None = None
        self._uncommitted = 0
        self._has_bridged = False
        self._tasks: TaskGroup

    async def run(self, told: MemoryObjectReceiveStream[Told]) -> None:
        """Hold the conversation until ``told`` ends. Raises SlowClient when ``outbox`` is full."""
        with self._inbox, self._outbox:
            try:
                async with anyio.create_task_group() as self._tasks:
                    for part in (self._replies, self._tools, self._calling, self._idle, self._bridge):
                        part.tasks = self._tasks
                    self._apply(self.config)
                    self._tasks.start_soon(self._hear, told)
                    async for event in self._inbox:
                        self._handle(event)
                    self._tasks.cancel_scope.cancel()
            finally:
                self._answers.abandon()
                self._drop_attempt()
                self._tools.close()

    async def _hear(self, told: MemoryObjectReceiveStream[Told]) -> None:
        with self._inbox_in, told:
            await self._hearing.run(told, self._inbox_in.send)

    def _is_in_turn(self) -> bool:
        return self._machine.state in (floor.State.USER, floor.State.PAUSE, floor.State.CONTESTED)

    def _post(self, event: object) -> None:
        self._inbox_in.send_nowait(event)

    def _handle(self, event: Any) -> None:
        try:
            _HANDLERS[type(event)](self, event)
        except ClientError as error:
            asked = event.event if isinstance(event, Marked) else event
            self._say(Failed(kind=error.kind, code=error.code, message=error.message, param=error.param, ref=asked.ref))

    def _say(self, event: Event) -> None:
        try:
            self._outbox.send_nowait(event)
        except anyio.WouldBlock:
            raise SlowClient("The client reads too slowly: too much is waiting to be sent to it.") from None

    # --- the floor ----------------------------------------------------------------------------------------------

    def _take(self, event: floor.TurnEvent) -> None:
        for command in self._machine.take(event):
            _PERFORMERS[type(command)](self, command)
        if self._idle.is_running and self._machine.state is not floor.State.IDLE:
            self._idle.stop()

    def _on_heard(self, heard: Heard) -> None:
        for found in heard.found:
            self._take(floor.Clock(found.at, found.at))
            self._take(floor.SpeechBegan(found.at) if isinstance(found, Onset) else floor.SpeechEnded(found.at))
        self._take(floor.Clock(heard.now, heard.loud_until))
        if not self._hearing.detects_speech:
            self._hearing.forget_before(heard.now - LONGEST_UNCOMMITTED_SAMPLES)
        elif self._turn is None:
            self._hearing.forget_before(heard.now - IDLE_KEEP_SAMPLES)

    def _open_turn(self, command: floor.OpenTurn) -> None:
        start = max(command.at - ms_to_samples(self._machine.detection.prefix_padding_ms), self._uncommitted)
        item_id = new_id("item")
        partials = Partials(
            self._engines,
            lambda: self._hearing.sound(start, self._hearing.now),
            self.config.language,
            item_id,
            lambda text: self._say(TranscriptDelta(item_id=item_id, text=text)),
        )
        self._turn = _Turn(item_id, start, partials)
        self._say(SpeechStarted(item_id=item_id, at_ms=samples_to_ms(start)))
        if self.config.show_transcript and self._ways.has_partials:
            self._tasks.start_soon(partials.run)
        self._tasks.start_soon(self._replies.prepare)

    def _start_attempt(self, command: floor.StartAttempt) -> None:
        assert self._turn is not None, "an attempt is of an open turn"
        attempt = self._attempt = self._attempt_at(self._turn, command.until, command.attempt)
        is_judged = self._machine.detection.silence_ms is None
        sound = self._hearing.sound(self._turn.start, command.until + TAIL_SAMPLES) if is_judged else None
        self._tasks.start_soon(attempt.weigh, self._engines, sound, self._post)

    def _attempt_at(self, turn: _Turn, until: int, number: int = 0) -> Attempt:
        """Transcript and reply for the turn up to ``until``, begun."""
        sound = self._hearing.sound(turn.start, until + TAIL_SAMPLES)
        is_answered = self._machine.detection.create_reply
        transcription = self._replies.transcribe(sound, turn.item_id, is_answered=is_answered)
        reply = self._reply_to(transcription) if is_answered else None
        return Attempt(number, transcription, reply, self._conversation.history.version)

    def _reply_to(self, turn: Transcription) -> Reply:
        waits = not self._machine.detection.interrupt_reply
        return self._replies.to_turn(turn, self._answers.unfinished() if waits else [])

    def _on_words_known(self, event: floor.WordsKnown) -> None:
        is_current = self._attempt is not None and self._attempt.number == event.attempt
        if is_current and self._turn is not None and self.config.show_transcript:
            self._turn.partials.settle(event.text)
        self._take(event)

    def _drop_attempt(self, _command: floor.DropAttempt | None = None) -> None:
        if self._attempt is not None:
            self._attempt.drop()
            self._attempt = None

    def _commit_turn(self, command: floor.CommitTurn) -> None:
        turn = self._close_turn(command.until)
        self._has_bridged = False
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            attempt = self._attempt_at(turn, command.until)
        attempt.scope.cancel()
        reply = self._fresh_reply(attempt)
        self._unheard = turn.unheard
        self._commit_item(turn.item_id, attempt.transcription)
        if reply is not None:
            self._answers.begin(self._tasks, reply, self._words_to_await(attempt.transcription))
        else:
            self._forget_unheard()

    def _fresh_reply(self, attempt: Attempt) -> Reply | None:
        """The attempt's reply, or a new one if the conversation has changed under it; None if none is wanted."""
        is_fresh = attempt.history_version == self._conversation.history.version
        if attempt.reply is not None and is_fresh and self._machine.detection.create_reply:
            return attempt.reply
        if attempt.reply is not None:
            attempt.reply.drop()
        return self._reply_to(attempt.transcription) if self._machine.detection.create_reply else None

    def _words_to_await(self, words: Transcription) -> Transcription | None:
        """A model that hears need not be kept waiting for the words, unless it may be none that stopped an answer."""
        is_needed = not words.is_fed or words.known.is_set() or self._unheard is not None
        return words if is_needed else None

    def _close_turn(self, until: int) -> _Turn:
        assert self._turn is not None, "only an open turn can end"
        turn, self._turn = self._turn, None
        turn.partials.scope.cancel()
        self._uncommitted = until
        self._say(SpeechStopped(item_id=turn.item_id, at_ms=samples_to_ms(until)))
        return turn

    def _commit_item(self, item_id: str, transcription: Transcription) -> None:
        entry = self._conversation.commit(item_id)
        self._await_transcript(entry, transcription)

    def _await_transcript(self, entry: Entry, transcription: Transcription) -> None:
        if self._ways.hears:
            self._conversation.history.keep_sound(entry, transcription.sound)
        if transcription.known.is_set():
            self._on_words_in(_WordsIn(entry, transcription))
        else:
            self._tasks.start_soon(self._await_words, entry, transcription)

    async def _await_words(self, entry: Entry, transcription: Transcription) -> None:
        await transcription.known.wait()
        self._post(_WordsIn(entry, transcription))

    def _on_words_in(self, words: _WordsIn) -> None:
        self._conversation.set_words(words.entry, words.transcription, show=self.config.show_transcript)
        if words.transcription.text:
            self._forget_unheard()

    def _forget_unheard(self) -> None:
        if self._unheard is not None:
            self._unheard.drop()
            self._unheard = None

    def _stop_reply(self, _command: floor.StopReply) -> None:
        unheard = self._answers.stop("turn_detected")
        if self._unheard is not None:
            # What was stopped was still to find out whether the rest of an earlier answer is to be said.
            unheard, self._unheard = self._unheard, None
        if self._turn is not None:
            self._turn.unheard = unheard

    def _on_over(self, over: _Over) -> None:
        if over.said_nothing and self._unheard is not None:
            unheard, self._unheard = self._unheard, None
            self._answer_on(unheard)
            return
        # Where the turn's words never came, the rest of the answer that it interrupted is still being made.
        self._forget_unheard()
        if self._answers.is_empty:
            self._take(floor.ReplyOver())
            self._await_user()
            self._await_tool()

    def _await_user(self) -> None:
        """The answer has been heard: an idle timeout counts from here."""
        timeout_ms = self._machine.detection.idle_timeout_ms
        if timeout_ms is not None and self._hearing.detects_speech and self._machine.state is floor.State.IDLE:
            self._idle.start(timeout_ms / 1000)

    def _on_idle(self, _idle: _Idle) -> None:
        """The user has been silent for so long that the assistant takes the floor."""
        if self._machine.state is not floor.State.IDLE or not self._answers.is_empty:
            return
        item_id, now_ms = new_id("item"), samples_to_ms(self._hearing.now)
        start_ms = samples_to_ms(self._uncommitted)
        self._uncommitted = self._hearing.now
        self._say(IdleTimeout(item_id=item_id, start_ms=start_ms, end_ms=now_ms))
        self._conversation.commit(item_id, "")
        self._take(floor.ReplyWanted())
        self._answers.begin(self._tasks, self._replies.to_history(AS_CONFIGURED, after_silence=True))

    def _await_tool(self) -> None:
        if (
            self._ways.filler
            and not self._has_bridged
            and (self._conversation.history.open_calls() or self._calling.is_busy)
        ):
            self._bridge.start(self._ways.filler_after_s)

    def _on_slow_tool(self, _slow: _SlowTool) -> None:
        """Say something while the tool works, unless the talk has gone on."""
        is_waiting = self._conversation.history.open_calls() or self._calling.is_busy
        if is_waiting and self._machine.state is floor.State.IDLE and self._answers.is_empty:
            self._has_bridged = True
            self._take(floor.ReplyWanted())
            self._answers.begin(self._tasks, self._replies.filler(), is_filler=True)

    def _on_tools_answered(self, _answered: _ToolsAnswered) -> None:
        """Tell what the tools gave, unless the client or the user has gone on by now."""
        if self._answers.is_empty and self._machine.state is floor.State.IDLE and self._is_result_last():
            self._take(floor.ReplyWanted())
            self._answers.begin(self._tasks, self._replies.to_history(AS_CONFIGURED))

    def _is_result_last(self) -> bool:
        """Whether nothing was said since a tool of an MCP server was called."""
        items = [entry.item for entry in self._conversation.history if not entry.is_filler]
        return bool(items) and isinstance(items[-1], McpCall | McpApprovalResponse)

    def _answer_on(self, unheard: Unheard) -> None:
        """What interrupted the answer was not speech: say the rest of it."""
        reply = self._replies.voice(unheard.writing, start=unheard.start, calls=unheard.calls)
        self._answers.begin(self._tasks, reply)

    # --- what the client asks for -------------------------------------------------------------------------------

    def _apply(self, config: SessionConfig) -> None:
        self.config = self._replies.config = config
        self._tools.configure(config.tools)
        detection = config.turn_detection
        self._hearing.detects_speech = detection is not None
        if detection is not None:
            self._machine.detection = detection
            self._hearing.gate.threshold = detection.threshold

    def _on_configure(self, event: Configure) -> None:
        if event.config.turn_detection is None and self.config.turn_detection is not None:
            self._give_up_turn()
        self._apply(event.config)

    def _give_up_turn(self) -> None:
        """The user's open turn is not to be answered: the client takes over, or forgets it."""
        self._take(floor.FloorReset())
        self._hearing.reset()
        if self._turn is not None:
            self._unheard = self._close_turn(self._hearing.now).unheard
            self._forget_unheard()

    def _on_marked(self, marked: Marked) -> None:
        if isinstance(marked.event, ClearAudio):
            self._give_up_turn()
            self._uncommitted = marked.now
            self._say(AudioCleared())
            return
        start = max(self._turn.start if self._turn else self._uncommitted, self._hearing.oldest)
        if marked.now - start < SHORTEST_COMMIT_SAMPLES:
            raise ClientError(
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but "
                f"buffer only has {max(0, marked.now - start) / 16:.2f}ms of audio.",
                code="input_audio_buffer_commit_empty",
            )
        item_id = self._turn.item_id if self._turn else new_id("item")
        self._give_up_turn()
        self._uncommitted = marked.now
        sound = self._hearing.sound(start, marked.now)
        self._commit_item(item_id, self._replies.transcribe(sound, item_id, is_answered=False))

    def _on_create_reply(self, event: CreateReply) -> None:
        options = event.options
        if options.in_conversation:
            self._answers.refuse_second()
        reply = self._replies.to_history(options)
        if options.in_conversation:
            self._bridge.stop()
            self._has_bridged = False
            self._take(floor.ReplyWanted())
        self._answers.begin(self._tasks, reply, None, options.tools)

    def _on_create_item(self, event: CreateItem) -> None:
        item = event.item
        if isinstance(item, McpApprovalResponse):
            self._calling.require(item)
        parts = item.parts if isinstance(item, Message) else ()
        if not self._ways.sees and any(part.kind == "input_image" for part in parts):
            raise ClientError(
                "The chat model here takes no images. Attach one that does, and set chat_model.vision.",
                param="item.content",
            )
        entry = self._conversation.create(event)
        if isinstance(item, McpApprovalResponse):
            self._calling.respond(item)
        spoken = next((part for part in parts if part.pcm is not None), None)
        if spoken is not None and spoken.pcm is not None:
            transcription = self._replies.transcribe(as_heard(spoken.pcm, spoken.rate_hz), item.id, is_answered=False)
            self._await_transcript(entry, transcription)

    def _on_clear_playout(self) -> None:
        self._answers.clear_playout()
        if self._answers.is_empty:
            self._take(floor.ReplyOver())

    def _on_truncate_item(self, event: TruncateItem) -> None:
        self._conversation.truncate(event)
        self._answers.end_playout(event.item_id)


_HANDLERS: dict[type, Callable[[Session, Any], None]] = {
    Heard: Session._on_heard,
    Marked: Session._on_marked,
    _WordsIn: Session._on_words_in,
    _Over: Session._on_over,
    _Idle: Session._on_idle,
    _SlowTool: Session._on_slow_tool,
    _ToolsAnswered: Session._on_tools_answered,
    floor.EndOfTurnKnown: Session._take,
    floor.WordsKnown: Session._on_words_known,
    floor.ReplyAudible: Session._take,
    Configure: Session._on_configure,
    CreateReply: Session._on_create_reply,
    CancelReply: lambda session, event: session._answers.cancel(event.reply_id),
    ClearPlayout: lambda session, _event: session._on_clear_playout(),
    CreateItem: Session._on_create_item,
    DeleteItem: lambda session, event: session._conversation.delete(event),
    RetrieveItem: lambda session, event: session._conversation.retrieve(event),
    TruncateItem: Session._on_truncate_item,
}

_PERFORMERS: dict[type, Callable[[Session, Any], None]] = {
    floor.OpenTurn: Session._open_turn,
    floor.StartAttempt: Session._start_attempt,
    floor.DropAttempt: Session._drop_attempt,
    floor.CommitTurn: Session._commit_turn,
    floor.HoldReply: lambda session, _command: session._answers.hold(),
    floor.ResumeReply: lambda session, _command: session._answers.resume(),
    floor.StopReply: Session._stop_reply,
}

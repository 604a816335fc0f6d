"""The answers of one conversation: at most one is being given, earlier ones may still be sounding."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakSet

import anyio
import numpy as np
from anyio.abc import TaskGroup

from duologue.audio.frame import SESSION_RATE_HZ, Float32
from duologue.errors import ClientError
from duologue.events import Event
from duologue.items import ReplyOptions
from duologue.session.answer import Answer
from duologue.session.calling import Calling
from duologue.session.given import Turned, Unheard
from duologue.session.history import History
from duologue.session.listening import Listening
from duologue.session.reply import Reply
from duologue.session.transcribe import Transcription
from duologue.session.writing import Writing

# Each has a stream of the chat server's for itself.
MOST_ASIDE = 8


class Answers:
    """Starts, holds, stops answers.

    ``on_begin``, ``on_audible`` and ``on_over`` are told for answers of the conversation only; one outside it
    ("conversation": "none") has no part in who holds the floor.
    """

    def __init__(
        self,
        history: History,
        say: Callable[[Event], None],
        calling: Calling,
        on_begin: Callable[[], None],
        on_audible: Callable[[], None],
        on_over: Callable[[bool], None],
        *,
        holds_sound: bool = False,
    ) -> None:
        self._holds_sound = holds_sound
        self._history = history
        self._say = say
        self._calling = calling
        self._on_begin = on_begin
        self._on_audible = on_audible
        self._on_over = on_over
        self._sounding: list[Answer] = []
        # What sounded last, for as long as its echo may be heard.
        self._past: Listening | None = None
        self._aside: list[Answer] = []
        # What speech has stopped, as long as somebody keeps it: where it is said after all, that was none.
        self._cut: WeakSet[Writing] = WeakSet()

    @property
    def is_empty(self) -> bool:
        return not self._sounding

    def unfinished(self) -> list[anyio.Event]:
        """One event for each answer that is not all sent yet, set when it is over."""
        return [answer.over for answer in self._sounding if not answer.is_finished]

    @property
    def is_following_up(self) -> bool:
        """Whether an answer that nobody asked for is being given, with nothing added to the conversation since."""
        last = self._history.last_id()
        following = [answer for answer in self._sounding if answer.is_follow_up and not answer.is_finished]
        return any(not answer.item_ids or answer.item_ids[-1] == last for answer in following)

    def refuse_too_many(self) -> None:
        """Raises ClientError while too many answers outside the conversation are being given."""
        if len(self._aside) >= MOST_ASIDE:
            raise ClientError(
                f"{MOST_ASIDE} responses outside the conversation are in progress already. Wait until one is done.",
                code="rate_limit_exceeded",
            )

    def refuse_second(self) -> None:
        """Raises ClientError while an answer is being given."""
        active = next((a for a in self._sounding if not a.is_finished and not a.is_filler), None)
        if active is not None:
            raise ClientError(
                f"Conversation already has an active response in progress: {active.id}. Wait until the response "
                "is finished before creating a new one.",
                code="conversation_already_has_active_response",
            )

    def begin(
        self,
        tasks: TaskGroup,
        reply: Reply,
        words: Transcription | None = None,
        options: ReplyOptions | None = None,
        *,
        is_filler: bool = False,
        is_follow_up: bool = False,
        turn: Turned | None = None,
        is_answer: Callable[[str], bool] = bool,
    ) -> None:
        """Let ``reply`` out. ``words``: of the turn that it answers; where ``is_answer`` says that they call for none,
        there is no answer.
        ``options``: what was asked of it. ``is_follow_up``: nobody asked, but a tool has answered.
        ``turn``: the spoken turn that it answers."""
        in_conversation = reply.manner.in_conversation
        before = self._sounding[-1] if self._sounding and in_conversation else None
        is_rest = reply.writing in self._cut
        if is_rest:
            # Of several answers that were stopped at once the first tells.
            self._cut.clear()
        answer = Answer(
            reply,
            self._history if in_conversation else None,
            self._say,
            before,
            lambda call: self._calling.as_item(call, options.tools if options is not None else None),
            self._calling.carry_out,
            options=options,
            turn=turn,
            is_filler=is_filler,
            is_follow_up=is_follow_up,
            is_rest=is_rest,
            holds_sound=self._holds_sound,
        )
        (self._sounding if in_conversation else self._aside).append(answer)
        tasks.start_soon(self._deliver, answer, before, words, is_answer)

    async def _deliver(
        self, answer: Answer, before: Answer | None, words: Transcription | None, is_answer: Callable[[str], bool]
    ) -> None:
        said_nothing = False
        with answer.scope:
            if before is not None and not before.is_finished:
                await before.over.wait()
            if words is not None:
                await words.known.wait()
                said_nothing = words.failure is None and not is_answer(words.text or "")
            if said_nothing:
                answer.reply.drop()
            elif not answer.is_finished:
                answer.start()
                if answer in self._sounding and not answer.is_filler:
                    self._on_begin()
                await answer.run(self._on_audible if answer in self._sounding else _ignore)
        self._forget(answer, said_nothing)

    def _forget(self, answer: Answer, said_nothing: bool) -> None:
        answer.over.set()
        answer.end_playout()
        if answer.playout.sent_ms and answer not in self._aside:
            self._past = answer.listening
        if answer in self._aside:
            self._aside.remove(answer)
        elif answer in self._sounding:
            self._sounding.remove(answer)
            self._on_over(said_nothing)

    # --- while somebody speaks over it ------------------------------------------------------------------------------

    def lower(self) -> None:
        """Let what sounds be heard quietly, and send no more of it."""
        now_s = anyio.current_time()
        for answer in self._sounding:
            answer.gate.shut()
            answer.listening.lower(now_s)

    def hold(self) -> None:
        """Let nothing be heard."""
        now_s = anyio.current_time()
        for answer in self._sounding:
            answer.gate.shut()
            answer.listening.hold(now_s)

    def resume(self) -> None:
        """Go on."""
        now_s = anyio.current_time()
        for answer in self._sounding:
            answer.listening.resume(now_s)
            answer.gate.open()

    def left_ms(self) -> float:
        """How much is still to be heard; without bound while more may be made."""
        return sum(answer.left_ms() for answer in self._sounding)

    def between(self, from_s: float, to_s: float) -> Float32:
        """float32 [n] at 16 kHz: what sounded at the listener between two moments of the event loop's clock."""
        listened = [answer.listening for answer in self._sounding if answer.playout.sent_ms]
        if self._past is not None and self._past not in listened:
            listened.append(self._past)
        sounds = [each.between(from_s, to_s) for each in listened]
        length = round((to_s - from_s) * SESSION_RATE_HZ)
        mixed = np.zeros(length, np.float32)
        for sound in sounds:
            mixed[: len(sound)] += sound[:length]
        return mixed

    def sounded_at(self, moment_s: float) -> bool:
        """Whether something sounds, or what sounded last was not over by then."""
        if any(answer.playout.sent_ms for answer in self._sounding):
            return True
        if self._past is None or self._past.ended_at_s < moment_s:
            self._past = None
        return self._past is not None

    def said(self) -> str:
        """The words given of what sounds, heard or not yet."""
        return " ".join(given.entry.text or "" for answer in self._sounding for given in answer.given)

    def note_backchannel(self, words: str) -> None:
        """The listener said ``words`` without wanting the floor."""
        for answer in self._sounding[:1]:
            if (entry := answer.sounding_entry()) is not None:
                self._history.note_backchannel(entry, words)

    def correct(self, item_id: str, heard_ms: float) -> None:
        """The client has played so much of an item; one that is over is none of its business any more."""
        corrected: Answer | None = None
        for answer in self._sounding:
            if corrected is not None:
                answer.listening.follow(corrected.listening)
            elif answer.correct(item_id, heard_ms):
                corrected = answer

    # --- the end of it ----------------------------------------------------------------------------------------------

    def stop(self, reason: str, onset_at_s: float | None = None) -> list[Unheard]:
        """Stop all that sounds, and what waits to; what is left of each that was not heard out, in order.

        ``onset_at_s``: when the speech that interrupts began, on the event loop's clock; None where none did."""
        stopped, self._sounding = self._sounding, []
        left: list[Unheard] = []
        for answer in stopped:
            unheard = answer.stop(reason, onset_at_s)
            if unheard is not None and answer.is_filler:
                unheard.drop()
            elif unheard is not None:
                left.append(unheard)
        self._cut.update(unheard.writing for unheard in left)
        return left

    def cancel(self, reply_id: str | None) -> None:
        """The client cancels. Raises ClientError if there is no such answer in progress."""
        for answer in self._sounding + self._aside:
            if not answer.is_finished and reply_id in (None, answer.id):
                unheard = answer.stop("client_cancelled")
                if unheard is not None:
                    unheard.drop()
                return
        raise ClientError("Cancellation failed: no active response found", code="response_cancel_not_active")

    def clear_playout(self) -> None:
        """The listener's sound is held on this side, and none of it is to be played any more. An answer that has not
        sounded yet is to what came after."""
        for answer in [answer for answer in self._sounding if answer.playout.sent_ms]:
            unheard = answer.stop("client_cancelled")
            if unheard is not None:
                unheard.drop()

    def abandon(self) -> None:
        """The session is over: let go of what nobody will hear."""
        for answer in self._sounding + self._aside:
            answer.abandon()

    def end_playout(self, item_id: str) -> None:
        """The client has stopped playing this item: an answer that was all sent is over now."""
        for answer in self._sounding:
            if item_id == answer.last_heard_id and answer.is_finished:
                answer.scope.cancel()


def _ignore() -> None:
    pass

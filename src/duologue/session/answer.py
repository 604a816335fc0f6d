"""One reply as the client is given it: announced, sent at the pace of hearing, ended exactly once."""

from __future__ import annotations

import math
from collections.abc import Callable

import anyio
from msgspec import structs

from duologue.audio.codec import encode_pcm16
from duologue.audio.frame import Int16
from duologue.errors import DuologueError, EngineError
from duologue.events import (
    Event,
    ReplyArguments,
    ReplyAudio,
    ReplyDone,
    ReplyItemDone,
    ReplyItemStarted,
    ReplyStarted,
    ReplyText,
)
from duologue.items import (
    FunctionCall,
    Item,
    McpApprovalRequest,
    McpCall,
    Message,
    Part,
    PartKind,
    ReplyOptions,
    ReplyStatus,
    new_id,
)
from duologue.session.given import Caller, Gate, Given, Turned, Unheard, as_function, usage_of
from duologue.session.history import Entry, HeardWord, History
from duologue.session.listening import Listening
from duologue.session.reply import Reply, next_of
from duologue.session.speak import Piece
from duologue.session.timing import timed
from duologue.session.writing import Call

# How far the sending may run ahead of the hearing: enough to ride out a network's pauses, little enough that an
# interrupted answer was hardly made in vain.
LEAD_MS = 2_000.0
# Pieces leave two at a time: to wake up for each would cost as much as all else that is done for it.
STRIDE_MS = 100.0


class Answer:
    """``reply`` on its way to the listener.

    All that it says goes through ``say``, from plain methods, so that ``finish`` from anywhere is final: nothing
    of this answer is said after it. ``history`` None: an answer outside the conversation. ``on_called`` is told of
    each call whose arguments are whole: from then on somebody has to carry it out.
    """

    def __init__(
        self,
        reply: Reply,
        history: History | None,
        say: Callable[[Event], None],
        before: Answer | None = None,
        as_item: Caller = as_function,
        on_called: Callable[[Answer, Given], None] = lambda _answer, _given: None,
        *,
        options: ReplyOptions | None = None,
        turn: Turned | None = None,
        is_filler: bool = False,
        is_follow_up: bool = False,
        is_rest: bool = False,
        holds_sound: bool = False,
    ) -> None:
        self.id = new_id("resp")
        self.reply = reply
        self.gate = Gate()
        before_it = before.listening if before is not None else None
        self.listening: Listening = Listening(self.id, say, before_it, holds_sound=holds_sound)
        self.playout = self.listening.playout
        self.over = anyio.Event()
        self.scope = anyio.CancelScope()
        self.is_finished = False
        self.has_started = False
        self.is_filler = is_filler
        self.is_follow_up = is_follow_up
        self._is_rest = is_rest
        self.options = options or ReplyOptions()
        self.status: ReplyStatus | None = None
        self.given: list[Given] = []
        self._as_item = as_item
        self._on_called = on_called
        self._history = history
        self._turn = turn
        self._say = say
        self._written = reply.start
        self._calls = reply.calls
        self._phrase_start = 0
        self._phrase_start_ms = 0.0
        self._failure: DuologueError | None = None

    @property
    def item_ids(self) -> list[str]:
        return [given.entry.item.id for given in self.given]

    @property
    def last_heard_id(self) -> str | None:
        """The item that sounds last."""
        return next((given.entry.item.id for given in reversed(self.given) if given.length_ms), None)

    @property
    def _is_spoken(self) -> bool:
        return self.reply.manner.modality == "audio"

    async def run(self, on_audible: Callable[[], None]) -> None:
        """Send the reply until its end, then wait until it has been heard. ``on_audible``: told of its first sound."""
        async with self.reply.take(self.playout) as pieces:
            while (piece := await next_of(pieces)) is not None:
                if isinstance(piece, Call):
                    await self._give_call(piece)
                    continue
                now_s = await self._keep_pace()
                # A task that was stopped may have one more step to go.
                if self.is_finished:
                    return
                is_first = piece.pcm is not None and not self.playout.sent_ms
                self._take(piece, now_s)
                if is_first:
                    on_audible()
        self.finish()
        if not self.playout.is_held:
            self.listening.wait_until_heard()
        with self.listening.heard_out:
            await anyio.sleep_forever()
        self.end_playout()

    async def _keep_pace(self) -> float:
        """Until the next piece may leave; the present second."""
        # What need not be waited for is not: each pass through the loop costs more than all else that a piece does.
        while True:
            if not self.gate.is_open:
                await self.gate.passed()
            now_s = anyio.current_time()
            ahead_ms = self.playout.lead_ms(now_s) - LEAD_MS
            if ahead_ms <= 0:
                return now_s
            await anyio.sleep((ahead_ms + STRIDE_MS) / 1000)

    def start(self) -> None:
        """Announce the reply. Its items follow with the first words, so that a failure needs no empty item."""
        self.has_started = True
        self._say(ReplyStarted(reply_id=self.id, manner=self.reply.manner, is_rest=self._is_rest))

    def _take(self, piece: Piece, now_s: float) -> None:
        """Send one piece and note when its words will have been heard."""
        turn, self._turn = self._turn, None
        if turn is not None:
            self._say(timed(self.id, self.reply, turn, now_s))
        given = self._message()
        entry = given.entry
        if piece.text:
            self._phrase_start = len(entry.text or "")
            self._phrase_start_ms = self.playout.sent_ms - given.starts_ms
            self._written += len(piece.text)
            entry.set_text((entry.text or "") + piece.text)
            self._say(
                ReplyText(
                    reply_id=self.id,
                    item_id=entry.item.id,
                    text=piece.text,
                    is_spoken=self._is_spoken,
                    index=given.index,
                )
            )
        for word in piece.words:
            middle_ms = (word.start_ms + word.end_ms) / 2
            entry.words.append(HeardWord(self._phrase_start + word.text_end, self._phrase_start_ms + middle_ms))
        if (piece.text or piece.words) and self._history is not None:
            self._history.note(entry)
        if piece.pcm is not None:
            self._send_sound(given, piece.pcm, now_s)

    def _send_sound(self, given: Given, pcm: Int16, now_s: float) -> None:
        given.length_ms += self.listening.send(pcm, now_s)
        sound = encode_pcm16(pcm)
        self._say(ReplyAudio(reply_id=self.id, item_id=given.entry.item.id, pcm=sound, index=given.index))

    def _message(self) -> Given:
        """The message that is being given, begun where there is none."""
        if self.given and self.given[-1].is_open:
            return self.given[-1]
        kind: PartKind = "output_audio" if self._is_spoken else "output_text"
        return self._begin(
            Message(id=new_id("item"), role="assistant", parts=(Part(kind=kind, text=""),), status="in_progress")
        )

    def _begin(self, item: Item) -> Given:
        if self._history is not None:
            previous_id = self._history.last_id()
            entry = self._history.add(item)
        else:
            previous_id, entry = None, Entry(item)
        entry.is_filler = self.is_filler
        given = Given(entry, len(self.given), previous_id, self._written, self.playout.sent_ms)
        self.given.append(given)
        self._say(
            ReplyItemStarted(
                reply_id=self.id,
                item=item,
                previous_item_id=previous_id,
                in_conversation=self._history is not None,
                index=given.index,
            )
        )
        return given

    async def _give_call(self, call: Call) -> None:
        """Show the call as the model writes it; whole, it is somebody's to carry out."""
        await self.gate.passed()
        if self.is_finished:
            return
        self._end_open("completed")
        given = self._begin(self._as_item(call))
        self._calls += 1
        at = 0
        while delta := await call.more(at):
            if self.is_finished:
                return
            at += len(delta)
            self._add_arguments(given, delta)
        # Nothing is carried out while somebody may be taking the floor.
        await self.gate.passed()
        if self.is_finished:
            return
        if call.is_whole and isinstance(given.entry.item, FunctionCall) and not call.has_object:
            # The client would stumble over them. A server that is given such arguments tells the model so.
            self._failure = EngineError("The model called a function with arguments that are no JSON object.")
            self.reply.drop()
            self.finish()
            return
        self._end_open("completed" if call.is_whole else "incomplete")
        if call.is_whole:
            self._on_called(self, given)

    def _add_arguments(self, given: Given, delta: str) -> None:
        item = given.entry.item
        assert isinstance(item, FunctionCall | McpCall | McpApprovalRequest), "only calls have arguments"
        item = structs.replace(item, arguments=item.arguments + delta)
        given.entry.item = item
        if self._history is not None:
            self._history.note(given.entry)
        # What only asks whether it may is shown whole, at its end.
        if not isinstance(item, McpApprovalRequest):
            self._say(ReplyArguments(reply_id=self.id, item=item, text=delta, index=given.index))

    def stop(self, reason: str, onset_at_s: float | None = None) -> Unheard | None:
        """Cut the answer off, now: nothing more is sent, and what was not heard is not remembered.

        What there would have been to hear, None if it was all heard. Its text is still being made: ``drop`` it.
        ``onset_at_s``: when the speech that interrupts it began.
        """
        if onset_at_s is not None:
            self.listening.note_interruption(onset_at_s, anyio.current_time())
        self.reply.hush()
        self.scope.cancel()
        self._cut_to_heard()
        self.finish("cancelled", reason)
        self.listening.end(self.given, anyio.current_time(), with_next=False)
        unheard = Unheard(self.reply.writing, self._heard_until(), self._calls)
        return unheard if unheard.writing.has_more(unheard.start, unheard.calls) else None

    def abandon(self) -> None:
        """The session is over, and nobody is told: remember what was heard until now."""
        self._cut_to_heard()
        self.reply.drop()

    def _heard_until(self) -> int:
        """The first letter of the answer's text that was not heard."""
        for given in self.given:
            heard = len(given.entry.heard_text)
            if heard < len(given.entry.text or ""):
                return given.text_start + heard
        return self._written

    def _cut_to_heard(self) -> None:
        """Remember what was played by our own account, unless the client has said what it played."""
        if self._history is None or not self._is_spoken:
            return
        heard_ms = self.playout.heard_ms(anyio.current_time())
        if heard_ms >= self.playout.sent_ms and self.is_finished:
            return
        for given in self.given:
            here_ms = min(max(0.0, heard_ms - given.starts_ms), given.length_ms)
            # To half a millisecond: sums of lengths differ in their last digit.
            is_whole = not given.is_open and here_ms >= given.length_ms - 0.5
            if isinstance(given.entry.item, Message) and given.entry.heard_ms is None and not is_whole:
                self._history.cut(given.entry, here_ms)

    def end_playout(self) -> None:
        """Tell, once, how the listening ended."""
        self.listening.end(self.given, anyio.current_time())

    def sounding_entry(self) -> Entry | None:
        """The item that is being heard, or was last."""
        heard_ms = self.playout.heard_ms(anyio.current_time())
        begun = [each.entry for each in self.given if each.length_ms and each.starts_ms <= heard_ms]
        return begun[-1] if begun else None

    def left_ms(self) -> float:
        """How much of it is still to be heard; without bound while more may be made."""
        if not self.is_finished:
            return math.inf
        return self.playout.sent_ms - self.playout.heard_ms(anyio.current_time())

    def correct(self, item_id: str, heard_ms: float) -> bool:
        """The client says that it has played so much of an item; False where the item is not one of its own."""
        given = next((each for each in self.given if each.entry.item.id == item_id), None)
        if given is not None:
            self.listening.correct(given.starts_ms + min(heard_ms, given.length_ms), anyio.current_time())
        return given is not None

    def finish(self, status: ReplyStatus = "completed", reason: str | None = None) -> None:
        """The end, told once. A failure of the reply takes the place of "completed"."""
        if self.is_finished or not self.has_started:
            self.is_finished = True
            return
        failure = (self._failure or self.reply.failure) if status == "completed" else None
        if failure is not None:
            status = "failed"
        elif status == "completed" and self.reply.writing.was_cut_short:
            status, reason = "incomplete", "max_output_tokens"
        self._end_open("completed" if status == "completed" else "incomplete")
        self.is_finished, self.status = True, status
        self._say(
            ReplyDone(
                reply_id=self.id,
                manner=self.reply.manner,
                status=status,
                reason=reason,
                error_code=failure.code if failure else None,
                error_message=failure.message if failure else None,
                output=tuple(given.entry.item for given in self.given),
                usage=usage_of(self.reply.writing, self.given, self.playout.sent_ms),
            )
        )

    def _end_open(self, status: ReplyStatus) -> None:
        """The item that is being given has its end. A tool that this server calls ends when it has answered."""
        given = self.given[-1] if self.given and self.given[-1].is_open else None
        if given is None:
            return
        given.is_open = False
        if isinstance(given.entry.item, McpCall) and status == "completed":
            return
        given.entry.set_status("completed" if status == "completed" else "incomplete")
        if self._history is not None:
            self._history.touch(given.entry)
        self._say(
            ReplyItemDone(
                reply_id=self.id,
                item=given.entry.item,
                previous_item_id=given.previous_id,
                in_conversation=self._history is not None,
                index=given.index,
            )
        )

"""One reply as the client is given it: announced, sent at the pace of hearing, ended exactly once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import anyio

from duologue.audio.codec import encode_pcm16
from duologue.audio.frame import VOICE_RATE_HZ, Int16
from duologue.errors import DuologueError
from duologue.events import (
    Event,
    Item,
    Part,
    PartKind,
    ReplyAudio,
    ReplyDone,
    ReplyItemDone,
    ReplyItemStarted,
    ReplyOptions,
    ReplyStarted,
    ReplyStatus,
    ReplyText,
    Usage,
    new_id,
)
from duologue.session.history import Entry, HeardWord, History
from duologue.session.playout import Playout
from duologue.session.reply import Reply
from duologue.session.speak import Piece
from duologue.session.writing import Writing

# How far the sending may run ahead of the hearing: enough to ride out a network's pauses, little enough that an
# interrupted answer was hardly made in vain.
LEAD_MS = 2_000.0
# OpenAI's tokens of sound: one for each 50 ms out. Only counted, for clients that add up usage.
MS_PER_AUDIO_TOKEN = 50.0


@dataclass(frozen=True, slots=True)
class Unheard:
    """What is left of an answer: ``writing`` from its letter ``start`` on."""

    writing: Writing
    start: int

    def drop(self) -> None:
        """It will not be said."""
        self.writing.scope.cancel()


class Gate:
    """Open or shut. The answer waits at it while the floor is contested."""

    def __init__(self) -> None:
        self._opened = anyio.Event()
        self._opened.set()

    def shut(self) -> None:
        if self._opened.is_set():
            self._opened = anyio.Event()

    def open(self) -> None:
        self._opened.set()

    async def passed(self) -> None:
        await self._opened.wait()


class Answer:
    """``reply`` on its way to the listener.

    All that it says goes through ``say``, from plain methods, so that ``finish`` from anywhere is final: nothing
    of this answer is said after it. ``history`` None: an answer outside the conversation.
    """

    def __init__(
        self,
        reply: Reply,
        options: ReplyOptions,
        history: History | None,
        say: Callable[[Event], None],
        starts_at_s: float = 0.0,
    ) -> None:
        self.id = new_id("resp")
        self.reply = reply
        self.gate = Gate()
        self.playout = Playout(starts_at_s)
        self.over = anyio.Event()
        self.scope = anyio.CancelScope()
        self.is_finished = False
        self.has_started = False
        self._options = options
        self._history = history
        self._say = say
        self._entry: Entry | None = None
        self._previous_id: str | None = None
        self._text = ""
        self._phrase_start = 0
        self._phrase_start_ms = 0.0

    @property
    def item_id(self) -> str | None:
        return self._entry.item.id if self._entry else None

    async def run(self, on_audible: Callable[[], None]) -> None:
        """Send the reply until its end, then wait until it has been heard."""
        async with self.reply.take() as pieces:
            async for piece in pieces:
                await self._keep_pace()
                self.take(piece)
                if piece.pcm is not None:
                    on_audible()
        self.finish()
        await anyio.sleep_until(self.playout.ends_at_s)

    async def _keep_pace(self) -> None:
        await self.gate.passed()
        while (ahead_ms := self.playout.lead_ms(anyio.current_time()) - LEAD_MS) > 0:
            await anyio.sleep(ahead_ms / 1000)
            await self.gate.passed()

    def start(self) -> None:
        """Announce the reply. Its item follows with the first words, so that a failure needs no empty item."""
        self.has_started = True
        self._say(ReplyStarted(reply_id=self.id, modality=self.reply.manner.modality, metadata=self._options.metadata))

    def take(self, piece: Piece) -> None:
        """Send one piece and note when its words will have been heard."""
        if self.is_finished:
            return
        entry = self._entry or self._start_item()
        if piece.text:
            self._phrase_start, self._phrase_start_ms = len(self._text), self.playout.sent_ms
            self._text += piece.text
            entry.set_text(self._text)
            is_spoken = self.reply.manner.modality == "audio"
            self._say(ReplyText(reply_id=self.id, item_id=entry.item.id, text=piece.text, is_spoken=is_spoken))
        for word in piece.words:
            middle_ms = (word.start_ms + word.end_ms) / 2
            entry.words.append(HeardWord(self._phrase_start + word.text_end, self._phrase_start_ms + middle_ms))
        if piece.pcm is not None:
            self._send_sound(entry, piece.pcm)

    def _send_sound(self, entry: Entry, pcm: Int16) -> None:
        self.playout.send(len(pcm) * 1000 / VOICE_RATE_HZ, anyio.current_time())
        self._say(ReplyAudio(reply_id=self.id, item_id=entry.item.id, pcm=encode_pcm16(pcm)))

    def _start_item(self) -> Entry:
        kind: PartKind = "output_text" if self.reply.manner.modality == "text" else "output_audio"
        item = Item(id=new_id("item"), role="assistant", parts=(Part(kind=kind, text=""),), status="in_progress")
        if self._history is not None:
            self._previous_id = self._history.last_id()
            self._entry = self._history.add(item)
        else:
            self._entry = Entry(item)
        self._say(
            ReplyItemStarted(
                reply_id=self.id,
                item=item,
                previous_item_id=self._previous_id,
                in_conversation=self._history is not None,
            )
        )
        return self._entry

    def stop(self, reason: str) -> Unheard | None:
        """Cut the answer off, now: nothing more is sent, and what was not heard is not remembered.

        What there would have been to hear, None if it was all heard. Its text is still being made: ``drop`` it.
        """
        self.reply.hush()
        self.scope.cancel()
        self._cut_to_heard()
        self.finish("cancelled", reason)
        unheard = Unheard(self.reply.writing, self.reply.start + len(self._entry.heard_text if self._entry else ""))
        return unheard if unheard.writing.has_more(unheard.start) else None

    def _cut_to_heard(self) -> None:
        """Remember what was played by our own account, unless the client has said what it played."""
        entry, is_spoken = self._entry, self.reply.manner.modality == "audio"
        if entry is None or self._history is None or entry.heard_ms is not None or not is_spoken:
            return
        heard_ms = self.playout.heard_ms(anyio.current_time())
        if heard_ms < self.playout.sent_ms or not self.is_finished:
            self._history.cut(entry, heard_ms)

    def finish(self, status: ReplyStatus = "completed", reason: str | None = None) -> None:
        """The end, told once. A failure of the reply takes the place of "completed"."""
        if self.is_finished or not self.has_started:
            self.is_finished = True
            return
        failure = self.reply.failure if status == "completed" else None
        if failure is not None:
            status = "failed"
        elif status == "completed" and self.reply.writing.was_cut_short:
            status, reason = "incomplete", "max_output_tokens"
        output = self._finish_item("completed" if status == "completed" else "incomplete")
        self.is_finished = True
        self._say(
            ReplyDone(
                reply_id=self.id,
                modality=self.reply.manner.modality,
                status=status,
                reason=reason,
                error_code=failure.code if failure else None,
                error_message=_message(failure),
                output=output,
                usage=self._usage(),
                metadata=self._options.metadata,
            )
        )

    def _finish_item(self, status: ReplyStatus) -> tuple[Item, ...]:
        if self._entry is None:
            return ()
        self._entry.set_status("completed" if status == "completed" else "incomplete")
        if self._history is not None:
            self._history.version += 1
        self._say(
            ReplyItemDone(
                reply_id=self.id,
                item=self._entry.item,
                previous_item_id=self._previous_id,
                in_conversation=self._history is not None,
            )
        )
        return (self._entry.item,)

    def _usage(self) -> Usage:
        return Usage(
            input_text_tokens=self.reply.writing.prompt_words,
            output_text_tokens=len(self._text.split()),
            output_audio_tokens=int(self.playout.sent_ms / MS_PER_AUDIO_TOKEN),
        )


def _message(failure: DuologueError | None) -> str | None:
    return failure.message if failure else None

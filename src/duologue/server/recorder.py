"""What is said is written down as it is said, beside the conversation and never in its way."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
import structlog

from duologue import telemetry
from duologue.errors import NotKept, StoreFailed
from duologue.events import Event, ReplyTimed, SpeechStarted
from duologue.server.metrics import Metrics
from duologue.server.sound_kept import Clips
from duologue.server.tape import Tape
from duologue.session.history import Entry, History
from duologue.session.kept import is_kept, record_of
from duologue.store.records import Record, Store, Timing

log = structlog.get_logger(__name__)

# Changes come together: an item, its end, the next one. A write costs the disk the same for one and for ten.
SOON_S = 0.1
# An answer grows by a phrase at a time; of so many seconds a power cut may take the words.
EVERY_S = 0.5
AGAIN_S = 3.0
# The last words of a conversation have so long to be written.
LAST_S = 2.0


class Recorder:
    """Writes one conversation. ``records``: what is kept of it already; ``is_new``: nothing, not even its name, and
    where the client ``knows`` that it will come back to it even if nothing is said. ``clock``: seconds of the calendar.

    While the disk fails the conversation goes on; what was not written is tried again.
    """

    def __init__(
        self,
        store: Store,
        owner: str,
        conversation_id: str,
        metrics: Metrics,
        records: Sequence[Record] = (),
        *,
        is_new: bool = True,
        knows: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._owner, self._id = store, owner, conversation_id
        self._metrics, self._clock = metrics, clock
        self._begun_at_s: dict[str, float] = {}
        self._timings: dict[str, Timing] = {}
        self._with_sound: set[str] = set()
        for record in records:
            self._begun_at_s[record.item.id] = record.said_at_s
            if record.timing is not None:
                self._timings[record.item.id] = record.timing
            if record.has_sound:
                self._with_sound.add(record.item.id)
        self._order = list(self._begun_at_s)
        self._is_new, self._knows = is_new, knows
        self._is_forgotten = False
        # Called where the conversation turns out to have been deleted.
        self.on_gone: Callable[[], None] = _nothing
        # The user's open turn, and when it was begun; its item comes with its end.
        self._open_turn = "", 0.0
        self._unsettled = {record.item.id for record in records if record.item.status == "in_progress"}
        self._has_failed = False
        self._history = History()
        self._saved = 0
        self._changed, self._ended = anyio.Event(), anyio.Event()
        self._next_s = -math.inf
        # A session that is cancelled still has its last words.
        self._scope = anyio.CancelScope(shield=True)
        self._tape: Tape | None = None
        self._clips: Clips | None = None

    def keep_sound(self, now: Callable[[], int], is_by_hand: Callable[[], bool]) -> Tape:
        """Keep what it sounds like, too: what the tape is given. ``now``, ``is_by_hand``: as it has them."""
        self._clips = clips = Clips(self._store, self._owner, self._id, self._metrics, self._with_sound)
        self._tape = Tape(now, is_by_hand, clips.put, clips.cut)
        return self._tape

    @property
    def is_forgotten(self) -> bool:
        return self._is_forgotten

    def forget(self) -> None:
        """Nothing more is kept: the conversation was deleted, or another session goes on with it."""
        self._is_forgotten = True
        if self._tape is not None and self._clips is not None:
            self._tape.forget()
            self._clips.forget()

    def watch(self, event: Event) -> None:
        """The session said ``event``."""
        if isinstance(event, SpeechStarted):
            self._open_turn = event.item_id, self._clock()
        elif isinstance(event, ReplyTimed):
            self._time(event)

    def _time(self, event: ReplyTimed) -> None:
        self._timings[event.item_id] = Timing(
            committed_ms=event.committed_ms,
            words_ms=event.words_ms,
            text_ms=event.text_ms,
            phrase_ms=event.phrase_ms,
            spoken_ms=event.spoken_ms,
            given_ms=event.given_ms,
        )
        if (entry := self._history.find(event.item_id)) is not None:
            self._history.note(entry)

    @asynccontextmanager
    async def recording(self, history: History) -> AsyncIterator[None]:
        """Write what ``history`` holds until the block ends, and then, for ``LAST_S`` at the most, the last of it."""
        self._history = history
        history.on_change = self._note
        if self._is_new and self._knows:
            self._changed.set()
        for entry in [each for each in history if each.item.id in self._unsettled]:
            # A server that was killed left it so; nobody goes on with it.
            history.note(entry)
        try:
            async with anyio.create_task_group() as tg:
                tg.start_soon(self._run)
                if self._clips is not None:
                    tg.start_soon(self._clips.run, history)
                try:
                    yield
                finally:
                    self._end(anyio.current_time() + LAST_S)
        finally:
            history.on_change = _ignore
            self._history = History()

    def _end(self, deadline_s: float) -> None:
        """The conversation is over."""
        self._scope.deadline = deadline_s
        self._ended.set()
        self._changed.set()
        if self._tape is not None and self._clips is not None:
            self._tape.end()
            self._clips.end_by(deadline_s)

    def _note(self, entry: Entry | None) -> None:
        if entry is not None and (name := entry.item.id) not in self._begun_at_s:
            turn, begun_at_s = self._open_turn
            self._begun_at_s[name] = begun_at_s if name == turn else self._clock()
        # What is set already is not set again: this comes with every phrase of every answer.
        if not self._changed.is_set():
            self._changed.set()

    async def _run(self) -> None:
        with self._scope:
            while not self._ended.is_set():
                await self._until_due()
                await self._save()
            if self._changed.is_set() or self._has_failed:
                await self._save()
        if self._clips is not None:
            self._clips.note(self._order, is_last=True)

    async def _until_due(self) -> None:
        with anyio.move_on_after(AGAIN_S if self._has_failed else math.inf):
            await self._changed.wait()
        with anyio.move_on_at(max(anyio.current_time() + SOON_S, self._next_s)):
            await self._ended.wait()

    async def _save(self) -> None:
        """What has changed since the last time, at once."""
        self._changed = anyio.Event()
        if self._is_forgotten:
            return
        self._next_s = anyio.current_time() + EVERY_S
        history, changes = self._history, self._history.changes
        order = [entry.item.id for entry in history if is_kept(entry)]
        changed = [self._record(entry) for entry in history.changed_since(self._saved) if is_kept(entry)]
        if not changed and order == self._order and not (self._is_new and self._knows):
            return
        try:
            await self._write(order, changed)
        except NotKept:
            # Deleted by another process, or its days were over.
            self.forget()
            self.on_gone()
        except StoreFailed:
            self._fail()
        else:
            self._saved, self._order, self._has_failed = changes, order, False
            if self._clips is not None:
                self._clips.note(order)

    async def _write(self, order: list[str], changed: list[Record]) -> None:
        if self._is_new:
            await self._store.begin(self._owner, self._id, self._clock())
            self._is_new = False
        if not self._is_forgotten:
            await self._store.save(self._id, order, changed, self._clock())

    def _record(self, entry: Entry) -> Record:
        name = entry.item.id
        has_sound = name in self._with_sound
        said_at_s = self._begun_at_s.setdefault(name, self._clock())
        return record_of(entry, said_at_s, self._timings.get(name), has_sound=has_sound)

    def _fail(self) -> None:
        self._metrics.count(telemetry.UNSAVED)
        if not self._has_failed:
            log.warning(telemetry.CONVERSATION_UNSAVED, conversation=self._id)
        self._has_failed = True


def _ignore(_entry: Entry | None) -> None:
    pass


def _nothing() -> None:
    pass

"""The sound of items on its way to the store: one after the other, off the loop, and never more than fits."""

from __future__ import annotations

import math
from collections.abc import Collection

import anyio
import anyio.to_thread
import structlog

from duologue import telemetry
from duologue.errors import NotKept, StoreFailed
from duologue.server.clip import Clip, shortened
from duologue.server.metrics import Metrics
from duologue.session.history import History
from duologue.store.records import Store

log = structlog.get_logger(__name__)

# Six minutes of sound. What comes while so much waits is not kept.
MOST_WAITING_BYTES = 20 << 20
# A turn is not kept before it is known that anything was said in it; after so long it is.
WORDS_S = 10.0
AGAIN_S = 3.0


class Clips:
    """Writes the sound of one conversation, each after its item is written. ``written``: the items that have theirs."""

    def __init__(self, store: Store, owner: str, conversation_id: str, metrics: Metrics, written: set[str]) -> None:
        self._store, self._owner, self._id, self._metrics = store, owner, conversation_id, metrics
        self._history = History()
        self._waiting: dict[str, tuple[Clip, float]] = {}
        self._cut: list[str] = []
        self._items: Collection[str] = ()
        self._changed = anyio.Event()
        self._written = written
        self._is_last = self._has_failed = self._was_full = False
        # A session that is cancelled still has its last sound.
        self._scope = anyio.CancelScope(shield=True)

    @property
    def waiting_bytes(self) -> int:
        return sum(clip.size for clip, _ in self._waiting.values())

    def put(self, clip: Clip) -> None:
        """To be written in its turn."""
        if self.waiting_bytes + clip.size > MOST_WAITING_BYTES:
            self._metrics.count(telemetry.UNSAVED)
            if not self._was_full:
                self._was_full = True
                log.warning(telemetry.CONVERSATION_UNSAVED, conversation=self._id, reason="too much sound waits")
            return
        self._waiting[clip.item_id] = clip, anyio.current_time()
        self._changed.set()

    def cut(self, item_id: str) -> None:
        """Less of it was heard than was thought, as its entry has it."""
        if item_id in self._written:
            self._cut.append(item_id)
            self._changed.set()

    def note(self, items: Collection[str], *, is_last: bool = False) -> None:
        """These ``items`` are written. ``is_last``: there will be no others."""
        self._items, self._is_last = items, is_last
        if self._waiting or is_last:
            self._changed.set()

    def forget(self) -> None:
        """Nothing more is kept."""
        self._waiting.clear()
        self._cut.clear()

    def end_by(self, deadline_s: float) -> None:
        """The conversation is over: by then the last is written, or never."""
        self._scope.deadline = deadline_s

    async def run(self, history: History) -> None:
        """Write until the last was noted. ``history``: what was heard of it."""
        self._history = history
        with self._scope:
            is_last = False
            while not is_last:
                with anyio.move_on_after(AGAIN_S if self._waiting or self._cut else math.inf):
                    await self._changed.wait()
                self._changed, is_last = anyio.Event(), self._is_last
                await self._write_all()
        self.forget()
        self._history = History()

    async def _write_all(self) -> None:
        try:
            for item_id in list(self._waiting):
                await self._write(item_id)
            while self._cut:
                await self._shorten(self._cut[0])
                del self._cut[:1]
        except StoreFailed:
            self._fail()
        else:
            self._has_failed = False

    async def _write(self, item_id: str) -> None:
        """Unless it is not its turn yet, or nothing of it is to be kept."""
        clip, since_s = self._waiting[item_id]
        entry = self._history.find(item_id)
        if entry is not None and (item_id not in self._items or (entry.text is None and not self._is_due(since_s))):
            return
        if entry is not None and entry.heard_ms is not None:
            clip = clip.up_to(entry.heard_ms)
        if entry is not None and entry.text != "" and clip.length:
            await self._save(item_id, await anyio.to_thread.run_sync(clip.wav))
        self._waiting.pop(item_id, None)

    def _is_due(self, since_s: float) -> bool:
        return self._is_last or anyio.current_time() - since_s >= WORDS_S

    async def _save(self, item_id: str, wav: bytes) -> None:
        if item_id not in self._waiting and item_id not in self._written:
            # It was forgotten meanwhile.
            return
        try:
            await self._store.save_sound(self._id, item_id, wav)
        except NotKept:
            # The item or the conversation was deleted.
            return
        self._written.add(item_id)

    async def _shorten(self, item_id: str) -> None:
        entry = self._history.find(item_id)
        if entry is None or entry.heard_ms is None:
            return
        try:
            wav = await self._store.sound(self._owner, self._id, item_id)
        except NotKept:
            return
        if wav is not None:
            await self._save(item_id, await anyio.to_thread.run_sync(shortened, wav, entry.heard_ms))

    def _fail(self) -> None:
        self._metrics.count(telemetry.UNSAVED)
        if not self._has_failed:
            log.warning(telemetry.CONVERSATION_UNSAVED, conversation=self._id, reason="sound")
        self._has_failed = True

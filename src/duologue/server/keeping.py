"""Which conversation a connection holds: a new one, one that was kept and goes on, or one that nobody will remember."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

import anyio

from duologue.errors import NotKept
from duologue.items import new_id
from duologue.protocols.openai_realtime.protocol import Greeting
from duologue.server.metrics import Metrics
from duologue.server.recorder import LAST_S, Recorder
from duologue.session.history import Entry, History
from duologue.session.kept import entry_of
from duologue.store.records import Store

# The parameter of the address that chooses one, and what it may say besides an id.
PARAMETER = "x_conversation"
NEW, UNKEPT = "new", "none"
# An earlier session has so long to write its last words before another goes on.
TAKE_OVER_S = LAST_S + 1.0
UNKNOWN = "There is no such conversation here. Leave out x_conversation, or say x_conversation=new, to begin one."


def owner_of(scope: Mapping[str, Any]) -> str:
    """Whose conversations a request may see that the door let in."""
    return str(getattr(scope.get("state", {}).get("grant"), "owner", ""))


class Opened:
    """A conversation while a connection holds it.

    ``entries``: what was said before; ``is_told``: the client asked for one, and so is told which it got; ``recorder``
    None: it is not kept. ``left``: its last words are written.
    """

    def __init__(self, conversation_id: str, *, is_told: bool) -> None:
        self.id = conversation_id
        self.is_told = is_told
        self.title = ""
        self.entries: list[Entry] = []
        self.recorder: Recorder | None = None
        self.left = anyio.Event()
        self._is_wanted_elsewhere = False
        self._leave: Callable[[], None] | None = None

    @property
    def is_kept(self) -> bool:
        return self.recorder is not None

    def greeting(self) -> Greeting | None:
        """What the client is told of it; None: nothing."""
        return Greeting(self.is_kept, len(self.entries), self.title) if self.is_told else None

    def hold(self, leave: Callable[[], None]) -> None:
        """From now on ``leave`` is called where another connection goes on with it; at once, where one wants to."""
        self._leave = leave
        if self._is_wanted_elsewhere:
            leave()

    async def go_on_elsewhere(self) -> None:
        """End what holds it, and wait until its last words are written, for a while. It writes nothing after that."""
        self._is_wanted_elsewhere = True
        if self._leave is not None:
            self._leave()
        with anyio.move_on_after(TAKE_OVER_S):
            await self.left.wait()
        if self.recorder is not None:
            self.recorder.forget()

    def recording(self, history: History) -> AbstractAsyncContextManager[None]:
        """Keep what ``history`` holds, where it is to be kept, until the block ends."""
        return nullcontext() if self.recorder is None else self._recording(self.recorder, history)

    @asynccontextmanager
    async def _recording(self, recorder: Recorder, history: History) -> AsyncIterator[None]:
        try:
            async with recorder.recording(history):
                yield
        finally:
            self.left.set()


class Keeping:
    """The conversations of one server that are kept. ``store`` None: none are. ``clock``: seconds of the calendar."""

    def __init__(self, store: Store | None, metrics: Metrics, clock: Callable[[], float] = time.time) -> None:
        self._store, self._metrics, self._clock = store, metrics, clock
        self._open: dict[str, tuple[str, Opened]] = {}

    @property
    def is_on(self) -> bool:
        return self._store is not None

    def is_live(self, conversation_id: str) -> bool:
        """Whether somebody talks in it now."""
        _, opened = self._open.get(conversation_id, (None, None))
        return opened is not None and not opened.left.is_set()

    def forget(self, conversation_id: str) -> None:
        """It is being deleted: whoever talks in it goes on, and nothing of that is kept."""
        _, opened = self._open.pop(conversation_id, (None, None))
        if opened is not None and opened.recorder is not None:
            opened.recorder.forget()

    def forget_all(self, owner: str) -> None:
        """All of an owner's are being deleted."""
        for conversation_id, (whose, _) in list(self._open.items()):
            if whose == owner:
                self.forget(conversation_id)

    @asynccontextmanager
    async def open(self, asked: str | None, owner: str, *, may_keep: bool = True) -> AsyncIterator[Opened]:
        """The conversation that a client of ``owner`` asked for, until the block ends; one that is held elsewhere goes
        on here. ``asked``: an id, NEW or UNKEPT; None is as NEW. ``may_keep`` False: whatever was asked, none is kept.

        Raises NotKept, StoreFailed.
        """
        store, is_old = self._store, asked not in (None, NEW, UNKEPT)
        if is_old and store is None:
            raise NotKept(UNKNOWN)
        if store is None or asked == UNKEPT or not may_keep:
            yield Opened(new_id("conv"), is_told=asked is not None)
            return
        opened = Opened(asked if asked is not None and is_old else new_id("conv"), is_told=asked is not None)
        try:
            if is_old:
                await self._go_on(store, opened, owner)
            else:
                self._open[opened.id] = (owner, opened)
                opened.recorder = Recorder(
                    store, owner, opened.id, self._metrics, knows=opened.is_told, clock=self._clock
                )
            yield opened
        finally:
            opened.left.set()
            if self._open.get(opened.id, (None, None))[1] is opened:
                del self._open[opened.id]

    async def _go_on(self, store: Store, opened: Opened, owner: str) -> None:
        """Read what was said in it, when whoever holds it has left."""
        whose, _ = self._open.get(opened.id, (None, None))
        if whose != owner:
            # Nobody is made to leave for a conversation that is not the client's; one that is held may not be written
            # yet.
            await store.summary(owner, opened.id)
        _, earlier = self._open.get(opened.id, (None, None))
        self._open[opened.id] = (owner, opened)
        if earlier is not None:
            await earlier.go_on_elsewhere()
        opened.title = (await store.summary(owner, opened.id)).title
        records = await store.load(owner, opened.id)
        opened.entries = [entry_of(record) for record in records]
        opened.recorder = Recorder(store, owner, opened.id, self._metrics, records, is_new=False, clock=self._clock)

"""Which conversation a connection holds: a new one, one that was kept and goes on, or one that nobody will remember."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
from starlette.datastructures import QueryParams

from duologue.config import Settings
from duologue.engines.slots import Lease
from duologue.errors import NotKept
from duologue.items import new_id
from duologue.protocols.openai_realtime.protocol import Greeting
from duologue.server.archive import keeps_for
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


def wish_of(scope: Mapping[str, Any], settings: Settings, *, is_talk: bool = True) -> Wish:
    """What a request asks for. ``is_talk``: nothing is kept of what is only transcribed."""
    asked = QueryParams(scope["query_string"]).get(PARAMETER)
    return Wish(asked, owner_of(scope), is_talk and keeps_for(settings, scope))


@dataclass(frozen=True, slots=True)
class Wish:
    """Which conversation a client wants. ``asked``: an id, NEW or UNKEPT; None is as NEW. ``owner``: whose it is to be.
    ``may_keep`` False: whatever was asked, none is kept, and none that is kept is shown."""

    asked: str | None = None
    owner: str = ""
    may_keep: bool = True

    @property
    def old_id(self) -> str | None:
        """The one to go on with; None: none."""
        return None if self.asked in (None, NEW, UNKEPT) else self.asked


NEW_ONE = Wish()


class Opened:
    """A conversation while a connection holds it.

    ``entries``: what was said before; ``is_told``: the client asked for one, and so is told which it got; ``recorder``
    None: it is not kept. ``left``: its last words are written. ``lease``: the place that its session has.
    """

    def __init__(self, conversation_id: str, lease: Lease | None = None, *, is_told: bool) -> None:
        self.id = conversation_id
        self.lease = lease
        self.is_told = is_told
        self.title = ""
        self.entries: list[Entry] = []
        self.recorder: Recorder | None = None
        self.left = anyio.Event()
        self._is_wanted_elsewhere = False
        self._leave: Callable[[], None] | None = None
        self._tell: Callable[[Greeting], None] | None = None

    @property
    def is_kept(self) -> bool:
        return self.recorder is not None and not self.recorder.is_forgotten

    def greeting(self) -> Greeting | None:
        """What the client is told of it; None: nothing."""
        return Greeting(self.is_kept, len(self.entries), self.title) if self.is_told else None

    def hold(self, leave: Callable[[], None], tell: Callable[[Greeting], None]) -> None:
        """From now on ``leave`` is called where another connection goes on with it; at once, where one wants to.
        ``tell``: where it is kept no longer, for a client that is told of its conversation."""
        self._leave, self._tell = leave, tell
        if self._is_wanted_elsewhere:
            leave()

    def forget(self) -> None:
        """It was deleted, or is being. Whoever talks in it goes on; nothing of that is kept, and the client is told."""
        if self.recorder is not None:
            self.recorder.forget()
        if self._tell is not None and self.is_told and not self.left.is_set():
            self._tell(Greeting(False, 0, ""))

    async def go_on_elsewhere(self) -> None:
        """End what holds it, and wait until its last words are written, for a while. It writes nothing after that."""
        self._is_wanted_elsewhere = True
        if self._leave is not None:
            self._leave()
        with anyio.move_on_after(TAKE_OVER_S):
            await self.left.wait()
        if not self.left.is_set() and self._leave is not None and self.lease is not None:
            self.lease.cancel()
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
        """It is being deleted."""
        _, opened = self._open.pop(conversation_id, (None, None))
        if opened is not None:
            opened.forget()

    def forget_all(self, owner: str) -> None:
        """All of an owner's are being deleted."""
        for conversation_id, (whose, _) in list(self._open.items()):
            if whose == owner:
                self.forget(conversation_id)

    async def seek(self, wish: Wish) -> None:
        """Raises NotKept where there is no such conversation for this client, StoreFailed."""
        if wish.old_id is None or self._held_for(wish) is not None:
            # One that is held may not be written yet.
            return
        if self._store is None or not wish.may_keep:
            raise NotKept(UNKNOWN)
        await self._store.summary(wish.owner, wish.old_id)

    def lease_of(self, wish: Wish) -> Lease | None:
        """The place of the session that holds what this client is to go on with; None: there is none."""
        held = self._held_for(wish)
        return None if held is None or held.lease is None or held.lease.is_over else held.lease

    def _held_for(self, wish: Wish) -> Opened | None:
        owner, opened = self._open.get(wish.old_id or "", (None, None))
        return opened if wish.may_keep and owner == wish.owner else None

    @asynccontextmanager
    async def open(self, wish: Wish, lease: Lease | None = None) -> AsyncIterator[Opened]:
        """The conversation that a client wants, until the block ends; one that is held elsewhere goes on here.
        ``lease``: the client's place.

        Raises NotKept, StoreFailed.
        """
        await self.seek(wish)
        store, is_told = self._store, wish.asked is not None
        if store is None or wish.asked == UNKEPT or not wish.may_keep:
            yield Opened(new_id("conv"), is_told=is_told)
            return
        owner = wish.owner
        opened = Opened(wish.old_id or new_id("conv"), lease, is_told=is_told)
        try:
            if wish.old_id is not None:
                await self._go_on(store, opened, owner)
            else:
                self._open[opened.id] = (owner, opened)
                opened.recorder = Recorder(
                    store, owner, opened.id, self._metrics, knows=opened.is_told, clock=self._clock
                )
            if opened.recorder is not None:
                opened.recorder.on_gone = partial(self.forget, opened.id)
            yield opened
        finally:
            opened.left.set()
            if self._open.get(opened.id, (None, None))[1] is opened:
                del self._open[opened.id]

    async def _go_on(self, store: Store, opened: Opened, owner: str) -> None:
        """Read what was said in it, when whoever holds it has left."""
        _, earlier = self._open.get(opened.id, (None, None))
        self._open[opened.id] = (owner, opened)
        if earlier is not None:
            await earlier.go_on_elsewhere()
        opened.title = (await store.summary(owner, opened.id)).title
        records = await store.load(owner, opened.id)
        opened.entries = [entry_of(record) for record in records]
        opened.recorder = Recorder(store, owner, opened.id, self._metrics, records, is_new=False, clock=self._clock)

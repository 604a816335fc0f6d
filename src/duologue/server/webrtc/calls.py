"""All calls of one server.

aiortc is first imported when they start: it takes a second, and the command line has no use for it.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import structlog
from anyio.abc import TaskGroup, TaskStatus

from duologue import telemetry
from duologue.engines.slots import Lease
from duologue.errors import Overloaded
from duologue.items import new_id
from duologue.protocols.openai_realtime.protocol import RealtimeProtocol
from duologue.server.keeping import NEW_ONE, Opened, Wish
from duologue.server.line import NOBODY, Who
from duologue.server.webrtc.ice import mend, parse_servers

if TYPE_CHECKING:
    from duologue.server.state import State
    from duologue.server.webrtc.call import Call

log = structlog.get_logger(__name__)

# A page waits so long at most for the answer to its farewell.
LEAVE_S = 0.8
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Answered:
    """A call that has begun."""

    call_id: str
    sdp: str


class Calls:
    """Calls outlive the requests that open them, so they run here, for as long as the server does."""

    def __init__(self, state: State) -> None:
        """Raises ConfigError for ``ice_servers`` that are none."""
        self._state = state
        self._servers = parse_servers(state.settings.ice_servers)
        self._open: dict[str, Call] = {}
        self._tasks: TaskGroup | None = None

    def __len__(self) -> int:
        return len(self._open)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Hold all calls until cancelled; then all are closed."""
        await anyio.to_thread.run_sync(importlib.import_module, "duologue.server.webrtc.call")
        mend(uses_loopback=self._state.settings.host in LOOPBACK_HOSTS)
        try:
            async with anyio.create_task_group() as self._tasks:
                task_status.started()
                await anyio.sleep_forever()
        finally:
            self._tasks = None

    async def open(
        self,
        offer: str,
        protocol: RealtimeProtocol,
        who: Who = NOBODY,
        ticket: str | None = None,
        wish: Wish = NEW_ONE,
    ) -> Answered:
        """Begin a call of ``who``, whose place in the line is ``ticket``, in the conversation that it wants. Raises
        ClientError for an ``offer`` that cannot be used and for a conversation that is not kept, NoSlot, Overloaded and
        StoreFailed."""
        if self._tasks is None:
            raise Overloaded("Calls cannot be taken yet. Try again in a few seconds.")
        answered: Answered = await self._tasks.start(self._hold, offer, protocol, who, ticket, wish)
        return answered

    def find(self, call_id: str) -> Call | None:
        """None for one that has ended, too, though its connection may still be closing."""
        call = self._open.get(call_id)
        return None if call is None or call.is_over else call

    async def hang_up(self, call_id: str) -> bool:
        """Whether there was such a call. Who asks mostly wants its place, for the next try by another way: so it is
        waited for, briefly."""
        call = self.find(call_id)
        if call is None:
            return False
        call.hang_up()
        with anyio.move_on_after(LEAVE_S):
            await call.freed.wait()
        return True

    async def _hold(
        self,
        offer: str,
        protocol: RealtimeProtocol,
        who: Who,
        ticket: str | None,
        wish: Wish,
        *,
        task_status: TaskStatus[Answered] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """What it raises before the call has begun is ``open``'s."""
        keeping, freed = self._state.keeping, anyio.Event()
        await keeping.seek(wish)
        try:
            with self._state.admission.enter(who, ticket, keeping.lease_of(wish)) as lease:
                async with keeping.open(wish, lease) as opened:
                    await self._talk(offer, protocol, opened, lease, freed, task_status)
        finally:
            freed.set()

    async def _talk(
        self,
        offer: str,
        protocol: RealtimeProtocol,
        opened: Opened,
        lease: Lease,
        freed: anyio.Event,
        task_status: TaskStatus[Answered],
    ) -> None:
        from duologue.server.webrtc.call import Call

        call = Call(new_id("rtc"), self._state, protocol, self._servers, opened, freed)
        try:
            sdp = await call.answer(offer)
            lease.holder, lease.ask = call.live.id, call.live.ask
            self._open[call.id] = call
            task_status.started(Answered(call.id, sdp))
            await self._run(call)
        finally:
            self._open.pop(call.id, None)
            await self._close(call)

    # A call that fails takes no other with it: all are tasks of one group.

    async def _run(self, call: Call) -> None:
        try:
            await call.run()
        except* Exception:
            log.exception(telemetry.SESSION_FAILED, session=call.live.id, call=call.id)

    async def _close(self, call: Call) -> None:
        try:
            await call.close()
        except* Exception:
            log.exception("The connection could not be closed.", call=call.id)

"""Who may talk now, who waits in the line, who is refused: decided at once, before any upgrade.

``GET /v1/realtime`` (WebSocket) and ``POST /v1/realtime/calls`` (WebRTC) admit or answer 503 with ``Retry-After`` and

::

    {"error": {"type": "server_error", "code": "queued", "message": "...", "param": null,
               "position": 3, "of": 7, "ticket": "ticket_...", "retry_after_s": 2}}

``code`` is ``session_limit_reached`` where the limit of sessions stands in the way; without ``ticket`` the client has
no place in the line (it is full, or its key or address has all that it may have). The client comes again after
``Retry-After`` and shows the ticket: query ``ticket=``, or header ``X-Duologue-Ticket``. One that knows no ticket
takes the oldest that was given for its key and address.

A page's WebSocket cannot read refusals, so it asks beforehand: ``POST /v1/admission``, with the same key and Origin
rules as ``/v1/realtime``, no body needed, the ticket (if there is one) in either of those two places, and
``x_conversation=`` as it will connect with: who goes on with a conversation that a session of its own still holds has
the place of that one. Answers in JSON:

* 200 ``{"admitted": true, "ticket": "ticket_...", "hold_s": 5.0}``: a place is kept for ``hold_s``; connect with the
  ticket.
* 200 ``{"admitted": false, "position": 3, "of": 7, "ticket": "ticket_...", "retry_after_s": 2, "code": "queued",
  "message": "..."}``, with ``Retry-After``: ask again then, with the ticket. Position 1 is next. A ticket that nobody
  asks about for 15 s longer than that has gone; then the answer carries a new one, at the end of the line.
* ``DELETE /v1/admission?ticket=``: 204, the ticket is given up; so leaves a page that is closed.
* 503 ``{"error": {...}}`` as above without a ticket: refused (``session_limit_reached``), or ``warming_up``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
import structlog
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from duologue import telemetry
from duologue.config import Settings
from duologue.engines.pressure import NO_PRESSURE, Pressure
from duologue.engines.slots import Lease, Slots
from duologue.errors import NoSlot, Queued
from duologue.items import new_id
from duologue.server.auth import is_this_machine, network_of
from duologue.server.keeping import wish_of
from duologue.server.line import HOLD_S, Line, Ticket, Who
from duologue.server.metrics import Metrics
from duologue.server.problems import problem_of, warming_up

if TYPE_CHECKING:
    from duologue.server.state import State

log = structlog.get_logger(__name__)

PATH = "/v1/admission"
TICKET_HEADER = "x-duologue-ticket"
# An address may have a fourth of the line, and so many at least.
LEAST_TICKETS = 4


class Place(msgspec.Struct, frozen=True):
    """A ticket whose place is kept for its holder for ``hold_s``."""

    ticket: str
    hold_s: float
    admitted: bool = True


class Admission:
    """The door of one server. Nothing here waits.

    ``capacity``: how many sessions the machine is thought to bear; whoever predicts sets it, up to the hard limit.
    ``clock``: seconds, monotonic.
    """

    def __init__(
        self,
        settings: Settings,
        slots: Slots,
        metrics: Metrics,
        pressure: Pressure = NO_PRESSURE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.capacity = slots.capacity
        self._settings, self._slots, self._metrics, self._pressure = settings, slots, metrics, pressure
        self._clock = clock
        self._line = Line(settings.max_waiting)

    @property
    def waiting(self) -> int:
        """Clients in the line."""
        return self._line.waiting

    @property
    def called(self) -> int:
        """Places kept for those who were called and are on their way."""
        return self._line.called

    @property
    def places(self) -> int:
        """How many sessions there may be now: one at least, so that a slow machine serves somebody."""
        return min(self._slots.capacity, max(self.capacity, 1))

    @property
    def admits(self) -> bool:
        """Whether a newcomer would get in."""
        self.settle()
        return self._free() > 0 and not self._line.waiting

    @contextmanager
    def enter(self, who: Who, ticket: str | None = None, earlier: Lease | None = None) -> Iterator[Lease]:
        """A place until the block ends. Raises Queued with a ticket, or NoSlot. ``earlier``: the place of the session
        with whose conversation this client goes on; it is the client's from now on, whoever waits.

        A lease that lapses ends the block; the place is free from then on, whatever becomes of the block.
        """
        try:
            self._take(who, ticket, earlier)
        except Queued:
            raise
        except NoSlot as refused:
            self._metrics.admitted("refused", refused.code)
            raise
        self._metrics.admitted("admitted")
        try:
            with anyio.CancelScope() as scope, self._slots.lease(who.key, who.address, earlier) as lease:
                lease.cancel = scope.cancel
                yield lease
        finally:
            self.settle()

    def ask(self, who: Who, ticket: str | None = None, earlier: Lease | None = None) -> Place:
        """A place kept for a client that connects next; ``earlier``, as for ``enter``, is as good as one. Raises Queued
        with a ticket, or NoSlot."""
        now_s = self.settle()
        mine = self._line.find(ticket, who) if ticket else None
        try:
            self._check_limits(who, mine, earlier)
            if earlier is not None:
                return Place(mine.id if mine is not None else new_id("ticket"), HOLD_S)
            if mine is not None and mine.kept_until_s is not None:
                self._line.show(mine, now_s)
                return Place(mine.id, round(mine.kept_until_s - now_s, 1))
            if mine is None and self._free() > 0 and not self._line.waiting:
                return Place(self._line.keep(who, now_s).id, HOLD_S)
            raise self._queue(who, mine, is_named=True)
        except Queued:
            raise
        except NoSlot as refused:
            self._metrics.admitted("refused", refused.code)
            raise

    def leave(self, ticket: str | None) -> None:
        """Its holder waits no longer. A ticket that is none is nobody's loss."""
        if ticket:
            self._line.leave(ticket)
        self.settle()

    def settle(self) -> float:
        """Drop those who did not come, call those for whom there is a place. Returns the time."""
        now_s = self._clock()
        self._line.expire(now_s)
        self._line.call(self._free(), now_s)
        return now_s

    def keep_house(self) -> None:
        """To be called now and then: settles, and takes back the places of conversations that no longer turn."""
        self._slots.ask_those_due()
        for lease in self._slots.take_back():
            self._metrics.count(telemetry.LEASES_EXPIRED)
            log.error(telemetry.LEASE_EXPIRED, session=lease.holder)
        self.settle()

    def _take(self, who: Who, ticket: str | None, earlier: Lease | None = None) -> None:
        self.settle()
        # Who goes on with what is its own does not use up a place in the line that may be another's.
        mine = self._line.find(ticket, who) if ticket or earlier is None else None
        self._check_limits(who, mine, earlier)
        if mine is not None and (earlier is not None or mine.kept_until_s is not None):
            self._line.leave(mine.id)
        elif earlier is not None:
            return
        elif mine is not None or self._free() <= 0 or self._line.waiting:
            raise self._queue(who, mine)

    def _free(self) -> int:
        """Places that are nobody's. Where nobody is in, it is not conversations that the server is behind with."""
        taken = self._slots.taken + self._line.called
        return self.places - taken if self._pressure.admits or not taken else 0

    def _check_limits(self, who: Who, mine: Ticket | None, earlier: Lease | None) -> None:
        """What is its own already, in the line too, without ``mine`` and ``earlier``. Raises NoSlot."""
        others = [ticket.who for ticket in self._line if ticket is not mine]
        most = self._settings.max_sessions_per_key
        of_key = self._slots.of_key(who.key) - (earlier is not None and earlier.key == who.key)
        if most and of_key + sum(other.key == who.key for other in others) >= most:
            raise NoSlot(f"This key has all the {most} conversations at once that it may have. End one first.")
        most = self._settings.max_sessions_per_address
        of_address = self._slots.of_address(who.address) - (earlier is not None and earlier.address == who.address)
        if most and who.address and of_address + sum(other.address == who.address for other in others) >= most:
            raise NoSlot(f"This address has all the {most} conversations at once that it may have. End one first.")
        # One client must not take the line, or the places that are kept, with requests that cost it nothing.
        most = max(LEAST_TICKETS, self._settings.max_waiting // 4)
        if mine is None and earlier is None and who.address and self._line.of_address(who.address) >= most:
            raise NoSlot("Too many from this address wait in the line already. Try again later.")

    def _queue(self, who: Who, mine: Ticket | None, *, is_named: bool = False) -> NoSlot:
        """``mine`` renewed, or a new ticket at the end of the line; NoSlot where that is full."""
        now_s = self._clock()
        ticket = mine or self._line.join(who, now_s, is_named=is_named)
        full = self._slots.full()
        why = full.message if self._at_limit else self._why
        if ticket is None:
            return NoSlot(f"{why} The line is full, too: {self.waiting} wait. Try again later.")
        if mine is None:
            self._metrics.admitted("queued")
        position, retry_after_s = self._line.ask_again(ticket, now_s)
        of = self._line.waiting
        return Queued(
            f"{why} You are number {position} of {of} in the line: come again in {retry_after_s} s with the ticket.",
            position=position,
            of=of,
            ticket=ticket.id,
            retry_after_s=retry_after_s,
            code=full.code if self._at_limit else None,
        )

    @property
    def _at_limit(self) -> bool:
        return self._slots.taken + self._line.called >= self._slots.capacity

    @property
    def _why(self) -> str:
        if not self._pressure.admits:
            return "The server is behind with its work and takes no new conversation just now."
        if self._free() > 0:
            return "Others came before."
        return "With one more conversation all would be answered too late."


def who_of(scope: Mapping[str, Any]) -> Who:
    """On whose account a request comes that the door let through. This machine's own are nobody's."""
    grant = scope.get("state", {}).get("grant")
    host = scope["client"][0] if scope.get("client") else ""
    return Who(getattr(grant, "key_name", ""), "" if is_this_machine(host) else network_of(host))


def ticket_of(headers: Headers, query: QueryParams) -> str | None:
    """The ticket that a request shows."""
    return query.get("ticket") or headers.get(TICKET_HEADER)


async def _ask(request: Request) -> Response:
    state: State = request.app.state.duologue
    if not state.is_ready:
        return warming_up(state)
    earlier = state.keeping.lease_of(wish_of(request.scope, state.settings))
    try:
        place = state.admission.ask(who_of(request.scope), ticket_of(request.headers, request.query_params), earlier)
    except Queued as queued:
        waits = {"admitted": False, "position": queued.position, "of": queued.of, "ticket": queued.ticket}
        told = {**waits, "retry_after_s": queued.retry_after_s, "code": queued.code, "message": queued.message}
        return JSONResponse(told, headers={"Retry-After": str(queued.retry_after_s), "Cache-Control": "no-store"})
    except NoSlot as refused:
        log.info(telemetry.SESSION_REFUSED, status=503, reason=refused.code)
        return problem_of(refused)
    return JSONResponse(msgspec.to_builtins(place), headers={"Cache-Control": "no-store"})


async def _leave(request: Request) -> Response:
    admission: Admission = request.app.state.duologue.admission
    admission.leave(ticket_of(request.headers, request.query_params))
    return Response(status_code=204)


ROUTES: list[BaseRoute] = [Route(PATH, _ask, methods=["POST"]), Route(PATH, _leave, methods=["DELETE"])]

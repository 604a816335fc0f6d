"""Who is next, for how long a place is kept, and what leases are worth: without a socket, on a clock of the test's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import anyio
import pytest
from hypothesis import settings as how
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from duologue import telemetry
from duologue.config import Settings
from duologue.engines.pressure import Pressure
from duologue.engines.slots import ASK_S, LEASE_S, Lease, Slots
from duologue.errors import NoSlot, Queued
from duologue.server.admission import Admission, Place
from duologue.server.line import HOLD_S, LATEST_S, PATIENCE_S, Who
from duologue.server.metrics import Metrics

pytestmark = pytest.mark.anyio

ANN, BOB, CAT, DAN = (Who("key-1", f"198.51.100.{n}") for n in range(1, 5))


class Door:
    """An admission, whoever is in, and the time. Entering is within a task, as everywhere."""

    def __init__(self, **settings: int) -> None:
        self.now_s = 1_000.0
        self.metrics = Metrics()
        self.pressure = Pressure()
        given = Settings(profile="scripted", **settings)  # type: ignore[arg-type]
        self.slots = Slots(given.max_sessions, lambda: self.now_s)
        self.admission = Admission(given, self.slots, self.metrics, self.pressure, lambda: self.now_s)
        self._inside: dict[str, ExitStack] = {}

    def enter(self, who: Who = ANN, ticket: str | None = None, earlier: Lease | None = None) -> Lease:
        stack = ExitStack()
        lease = stack.enter_context(self.admission.enter(who, ticket, earlier))
        self._inside[lease.id] = stack
        return lease

    def leave(self, lease: Lease) -> None:
        """Cancel scopes are left in the order of a stack."""
        self._inside.pop(lease.id).close()

    def queued(self, who: Who, ticket: str | None = None) -> Queued:
        with pytest.raises(Queued) as caught, self.admission.enter(who, ticket):
            pass
        return caught.value

    def refused(self, who: Who) -> NoSlot:
        with pytest.raises(NoSlot) as caught, self.admission.enter(who):
            pass
        assert not isinstance(caught.value, Queued)
        return caught.value

    def later(self, seconds: float) -> None:
        self.now_s += seconds

    def close(self) -> None:
        for stack in reversed(self._inside.values()):
            stack.close()


@contextmanager
def a_door(**settings: int) -> Iterator[Door]:
    door = Door(**settings)
    try:
        yield door
    finally:
        door.close()


async def test_first_come_first_served_and_a_newcomer_never_overtakes() -> None:
    with a_door(max_sessions=1) as door:
        inside = door.enter(ANN)
        bob, cat = door.queued(BOB), door.queued(CAT)
        assert [(each.position, each.of) for each in (bob, cat)] == [(1, 1), (2, 2)]
        door.leave(inside)
        assert door.queued(CAT, cat.ticket).position == 1
        assert door.queued(DAN).position == 2
        assert door.slots.taken == 0
        inside = door.enter(BOB, bob.ticket)
        door.leave(inside)
        assert door.queued(DAN).position == 1
        assert door.enter(CAT, cat.ticket).key == "key-1"
        assert door.admission.waiting == 1


async def test_a_client_that_knows_no_ticket_takes_the_oldest_of_its_own() -> None:
    with a_door(max_sessions=1) as door:
        inside = door.enter(ANN)
        bob = door.queued(BOB)
        assert door.queued(CAT).position == 2
        again = door.queued(BOB)
        assert (again.ticket, again.position, again.of) == (bob.ticket, 1, 2)
        door.leave(inside)
        assert door.queued(CAT).position == 1
        door.enter(BOB)
        assert door.admission.called == 0


async def test_a_ticket_that_its_holder_knows_is_taken_by_nobody_else() -> None:
    """Two behind one address, one of which shows its ticket."""
    with a_door(max_sessions=1) as door:
        door.enter(ANN)
        known = door.queued(BOB)
        assert door.queued(BOB, known.ticket).ticket == known.ticket
        other = door.queued(BOB)
        assert other.ticket != known.ticket
        assert (other.position, other.of) == (2, 2)


async def test_a_called_place_is_kept_until_its_holder_was_due_and_a_little_longer() -> None:
    with a_door(max_sessions=1) as door:
        inside = door.enter(ANN)
        bob, cat = door.queued(BOB), door.queued(CAT)
        door.leave(inside)
        door.later(bob.retry_after_s + HOLD_S)
        assert door.queued(CAT, cat.ticket).position == 1
        door.later(0.1)
        assert door.enter(CAT, cat.ticket).id
        assert door.queued(BOB, bob.ticket).ticket != bob.ticket


async def test_tickets_that_are_not_renewed_expire() -> None:
    with a_door(max_sessions=1) as door:
        door.enter(ANN)
        bob = door.queued(BOB)
        for _ in range(50):
            door.later(bob.retry_after_s)
            bob = door.queued(BOB, bob.ticket)
            assert door.queued(CAT).position == 2
        door.later(LATEST_S + PATIENCE_S + 0.1)
        assert door.queued(DAN).position == door.admission.waiting == 1


async def test_the_line_is_bounded_and_who_stands_further_back_asks_less_often() -> None:
    with a_door(max_sessions=1, max_waiting=32) as door:
        door.enter(ANN)
        waiting = [door.queued(Who("key-1", f"203.0.113.{n}")) for n in range(32)]
        assert [each.position for each in waiting] == list(range(1, 33))
        assert waiting[0].retry_after_s < waiting[-1].retry_after_s <= LATEST_S
        assert door.refused(BOB).code == "session_limit_reached"
        assert door.metrics.counted(telemetry.ADMISSIONS)["refused", "session_limit_reached"] == 1


async def test_who_goes_on_with_its_own_has_the_place_that_it_had() -> None:
    with a_door(max_sessions=2, max_sessions_per_key=2, max_sessions_per_address=1) as door:
        lost, other = door.enter(ANN), door.enter(BOB)
        # Of ANN's key, from a network where nobody is; and from one that has all that it may have.
        moved = door.enter(CAT, earlier=lost)
        assert (lost.is_over, moved.is_over, door.slots.taken) == (True, False, 2)
        with pytest.raises(NoSlot, match="address"), door.admission.enter(BOB, None, moved):
            pass
        assert (moved.is_over, other.is_over) == (False, False)
        assert door.admission.ask(CAT, None, moved).admitted
        back = door.enter(ANN, earlier=moved)
        door.leave(back)
        door.leave(moved)
        assert door.slots.taken == 1


async def test_who_goes_on_passes_the_line_and_leaves_it() -> None:
    with a_door(max_sessions=1) as door:
        lost = door.enter(ANN)
        ann, bob = door.queued(ANN), door.queued(BOB)
        assert bob.position == 2
        back = door.enter(ANN, ann.ticket, lost)
        assert door.queued(BOB, bob.ticket).position == 1
        door.leave(back)
        assert door.enter(BOB, bob.ticket).key == "key-1"


async def test_without_a_line_who_does_not_get_in_is_refused() -> None:
    with a_door(max_sessions=1, max_waiting=0) as door:
        door.enter(ANN)
        assert door.refused(BOB).message.startswith("All 1 places")


async def test_limits_per_key_and_per_address_count_those_in_the_line_too() -> None:
    with a_door(max_sessions=9, max_sessions_per_key=2, max_sessions_per_address=1) as door:
        door.enter(ANN)
        assert "address" in door.refused(ANN).message
        door.enter(BOB)
        assert "key" in door.refused(CAT).message
        other = Who("key-2", CAT.address)
        ticket = door.admission.ask(other).ticket
        assert "address" in door.refused(other).message
        door.enter(other, ticket)
        assert door.slots.taken == 3


async def test_this_machine_is_not_limited_by_its_address() -> None:
    with a_door(max_sessions=9, max_sessions_per_address=1) as door:
        for _ in range(3):
            door.enter(Who("key-1", ""))
        assert door.slots.taken == 3


async def test_a_page_asks_first_and_its_place_is_kept_for_a_moment() -> None:
    with a_door(max_sessions=1) as door:
        place = door.admission.ask(ANN)
        assert place == Place(place.ticket, HOLD_S)
        bob = door.queued(BOB)
        door.later(3)
        assert door.admission.ask(ANN, place.ticket).hold_s == HOLD_S - 3
        door.later(2.1)
        assert door.admission.ask(BOB, bob.ticket) == Place(bob.ticket, HOLD_S)
        with pytest.raises(Queued):
            door.admission.ask(ANN, place.ticket)


async def test_asking_again_and_again_keeps_no_place_for_ever() -> None:
    with a_door(max_sessions=1) as door:
        place = door.admission.ask(ANN)
        for _ in range(4):
            door.later(1)
            assert door.admission.ask(ANN, place.ticket).ticket == place.ticket
        door.later(1.1)
        assert door.admission.ask(ANN, place.ticket).ticket != place.ticket


async def test_a_page_that_was_called_has_its_moment_from_when_it_is_told() -> None:
    with a_door(max_sessions=1) as door:
        inside = door.enter(BOB)
        with pytest.raises(Queued) as caught:
            door.admission.ask(ANN)
        door.leave(inside)
        door.admission.settle()
        door.later(caught.value.retry_after_s + 1)
        assert door.admission.ask(ANN, caught.value.ticket) == Place(caught.value.ticket, HOLD_S)
        door.enter(ANN, caught.value.ticket)


async def test_who_gives_its_ticket_up_makes_room() -> None:
    with a_door(max_sessions=1) as door:
        door.enter(ANN)
        bob, cat = door.queued(BOB), door.queued(CAT)
        door.admission.leave(bob.ticket)
        door.admission.leave("ticket_of_nobody")
        assert door.queued(CAT, cat.ticket).position == 1


async def test_what_the_machine_bears_counts_below_the_limit_and_one_always_gets_in() -> None:
    with a_door(max_sessions=9) as door:
        door.admission.capacity = 2
        door.enter(ANN)
        inside = door.enter(BOB)
        assert not door.admission.admits
        queued = door.queued(CAT)
        assert (queued.code, queued.position) == ("queued", 1)
        door.admission.capacity = 0
        door.leave(inside)
        assert door.queued(CAT, queued.ticket).position == 1
    with a_door(max_sessions=9) as door:
        door.admission.capacity = 0
        door.enter(ANN)


async def test_under_pressure_nobody_new_comes_in_but_who_was_called() -> None:
    with a_door(max_sessions=3) as door:
        place = door.admission.ask(ANN)
        door.pressure.level = 3
        assert not door.admission.admits
        queued = door.queued(BOB)
        assert (queued.code, "behind" in queued.message) == ("queued", True)
        door.enter(ANN, place.ticket)
        door.pressure.level = 2
        door.enter(BOB, queued.ticket)


async def test_pressure_of_something_else_keeps_nobody_from_an_empty_server() -> None:
    with a_door(max_sessions=3) as door:
        door.pressure.level = 3
        door.enter(ANN)
        door.queued(BOB)


# --- leases ---------------------------------------------------------------------------------------------------


async def test_a_lease_lives_while_its_conversation_answers() -> None:
    with a_door(max_sessions=2) as door:
        lives, silent = door.enter(ANN), door.enter(BOB)
        asked: list[float] = []
        lives.ask = lambda tell: tell()
        silent.ask = lambda _tell: asked.append(door.now_s)
        for _ in range(round(LEASE_S / 0.25) - 1):
            door.later(0.25)
            door.admission.keep_house()
        assert door.slots.taken == 2
        door.later(0.25)
        door.admission.keep_house()
        assert (door.slots.taken, lives.is_over, silent.is_over) == (1, False, True)
        assert len(asked) == LEASE_S / ASK_S
        assert door.metrics.counted(telemetry.LEASES_EXPIRED)[()] == 1


async def test_work_that_swallows_its_cancellation_keeps_no_place() -> None:
    """The block is never left, yet its place is free; when it is left in the end, nobody else's is given back."""
    door, release, is_in = Door(max_sessions=1), anyio.Event(), anyio.Event()

    async def converse() -> None:
        with door.admission.enter(ANN):
            is_in.set()
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await release.wait()

    async with anyio.create_task_group() as tg:
        tg.start_soon(converse)
        await is_in.wait()
        for _ in range(round(LEASE_S / ASK_S)):
            door.later(ASK_S)
            door.admission.keep_house()
        assert door.slots.taken == 0
        with door.admission.enter(BOB):
            release.set()
            await anyio.wait_all_tasks_blocked()
            assert door.slots.taken == door.slots.of_key(BOB.key) == 1
    assert door.slots.taken == door.slots.of_key(ANN.key) == 0


# --- any order of anything ------------------------------------------------------------------------------------


class Street(RuleBasedStateMachine):
    """Clients with and without tickets come, wait, give up, and time goes by."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1_000.0
        given = Settings(profile="scripted", max_sessions=3, max_waiting=4)
        self.slots = Slots(3, lambda: self.now_s)
        self.admission = Admission(given, self.slots, Metrics(), Pressure(), lambda: self.now_s)
        self.tickets: list[str] = []
        self.leases: list[ExitStack] = []
        self.places: list[tuple[int, int]] = []

    @rule(who=st.sampled_from([ANN, BOB, CAT, DAN]), ticket=st.integers(0, 9), asks=st.booleans())
    def come(self, who: Who, ticket: int, asks: bool) -> None:
        known = self.tickets[ticket % len(self.tickets)] if ticket and self.tickets else None
        waited, stack = self.admission.waiting, ExitStack()
        try:
            if asks:
                self.tickets.append(self.admission.ask(who, known).ticket)
            else:
                # The lease alone: cancel scopes are left in the order of a stack, clients are not.
                self.admission._take(who, known)
                stack.enter_context(self.slots.lease(who.key, who.address))
                self.leases.append(stack)
        except Queued as queued:
            self.tickets.append(queued.ticket)
            self.places.append((queued.position, queued.of))
        except NoSlot:
            assert waited >= 4

    @rule(index=st.integers(0, 9))
    def go(self, index: int) -> None:
        if self.leases:
            self.leases.pop(index % len(self.leases)).close()

    @rule(index=st.integers(0, 9))
    def give_up(self, index: int) -> None:
        if self.tickets:
            self.admission.leave(self.tickets.pop(index % len(self.tickets)))

    @rule(seconds=st.sampled_from([0.1, 2.0, 5.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(capacity=st.integers(0, 4))
    def predict(self, capacity: int) -> None:
        self.admission.capacity = capacity

    @invariant()
    def nobody_is_promised_what_is_not_there(self) -> None:
        assert self.slots.taken + self.admission.called <= 3
        assert self.admission.waiting <= 4
        assert self.slots.taken == len(self.leases)
        assert all(1 <= position <= of <= 4 for position, of in self.places)

    def teardown(self) -> None:
        for stack in self.leases:
            stack.close()
        self.now_s += 1_000
        self.admission.settle()
        assert self.slots.taken == self.admission.called == self.admission.waiting == 0


TestStreet = Street.TestCase
TestStreet.settings = how(max_examples=30, stateful_step_count=40, deadline=None)

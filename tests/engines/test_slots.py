"""Places for conversations: given once each, and given back by any ending."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import pytest

from duologue.engines.slots import ASK_S, LEASE_S, Slots
from duologue.errors import NoSlot


def test_every_place_is_given_once() -> None:
    slots = Slots(3)
    with ExitStack() as stack:
        leases = {stack.enter_context(slots.lease()).id for _ in range(3)}
        assert len(leases) == slots.taken == 3
        assert not slots.can_lease
        with pytest.raises(NoSlot, match="All 3 places") as full, slots.lease():
            pass
        assert full.value.code == "session_limit_reached"
        assert slots.taken == 3
    assert slots.taken == 0
    assert slots.can_lease


@pytest.mark.parametrize("ending", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_any_ending_gives_the_place_back(ending: type[BaseException]) -> None:
    slots = Slots(1)
    for _ in range(3):
        with pytest.raises(ending), slots.lease():
            raise ending
    assert slots.taken == 0


def test_leases_end_in_any_order() -> None:
    slots = Slots(2)
    first, second = ExitStack(), ExitStack()
    first.enter_context(slots.lease())
    second.enter_context(slots.lease())
    first.close()
    assert slots.taken == 1
    with slots.lease():
        assert not slots.can_lease
    second.close()
    assert slots.taken == 0


def test_what_each_key_and_address_has() -> None:
    slots = Slots(3)
    with slots.lease("key-1", "here"), slots.lease("key-1", "there"):
        assert (slots.of_key("key-1"), slots.of_address("here"), slots.of_key("key-2")) == (2, 1, 0)
    assert (slots.of_key("key-1"), slots.of_address("here")) == (0, 0)


def test_a_lease_that_is_not_renewed_is_taken_back_once() -> None:
    now_s, cancelled = 100.0, []
    slots = Slots(2, lambda: now_s)
    with slots.lease() as kept, slots.lease() as lost:
        kept.ask, lost.cancel = (lambda lives: lives()), lambda: cancelled.append(lost.id)
        while now_s < 100.0 + LEASE_S - ASK_S:
            now_s += ASK_S
            slots.ask_those_due()
            assert slots.take_back() == []
        now_s += ASK_S + 0.1
        assert (slots.take_back(), slots.taken, cancelled) == ([lost], 1, [lost.id])
        assert slots.take_back() == []
        assert slots.older_than(LEASE_S) == 1
        with slots.lease():
            assert not slots.can_lease
    assert slots.taken == 0


def test_no_places_at_all() -> None:
    with pytest.raises(NoSlot), Slots(0).lease():
        pass


def test_after_a_standstill_of_the_whole_process_everybody_is_asked_first() -> None:
    now_s = 100.0
    slots = Slots(1, lambda: now_s)
    with slots.lease() as lease:
        answers: list[Callable[[], None]] = []
        lease.ask = answers.append
        now_s += 10 * LEASE_S
        slots.ask_those_due()
        assert slots.take_back() == []
        answers.pop()()
        now_s += ASK_S - 1
        assert slots.take_back() == []

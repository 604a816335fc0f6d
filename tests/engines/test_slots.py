"""Places for conversations: given once each, and given back by any ending."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from duologue.engines.slots import Slots
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


def test_no_places_at_all() -> None:
    with pytest.raises(NoSlot), Slots(0).lease():
        pass

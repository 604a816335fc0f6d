"""The queue before a few things that each serve one at a time."""

from __future__ import annotations

import random

import anyio
import pytest
from tests.virtual_time import VIRTUAL

from duologue.engines.tts.places import Places

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


async def test_the_first_thing_that_is_free_is_taken() -> None:
    places = Places(["a", "b", "c"])
    taken = [await places.take(0.0) for _ in range(3)]
    assert [one.thing for one in taken] == ["a", "b", "c"]
    taken[2].give_back()
    taken[1].give_back()
    assert (await places.take(0.0)).thing == "b"
    assert (places.taken, places.waiting) == (2, 0)


async def test_giving_back_twice_is_giving_back_once() -> None:
    places = Places(["a"])
    taken = await places.take(0.0)
    taken.give_back()
    taken.give_back()
    await places.take(0.0)
    with anyio.move_on_after(1) as scope:
        await places.take(0.0)
    assert scope.cancelled_caught


async def test_whoever_is_cancelled_at_any_moment_loses_no_place() -> None:
    """Forty at two places, some of whom give up: in the queue, as their turn comes, or while they have it."""
    moments, served = random.Random(9), 0
    places = Places(["a", "b"])
    in_use: set[str] = set()

    async def use(patience_s: float) -> None:
        nonlocal served
        with anyio.move_on_after(patience_s):
            taken = await places.take(moments.uniform(0, 9))
            assert taken.thing not in in_use
            in_use.add(taken.thing)
            try:
                await anyio.sleep(0.1)
                served += 1
            finally:
                in_use.discard(taken.thing)
                taken.give_back()

    for _ in range(20):
        async with anyio.create_task_group() as tg:
            for _ in range(40):
                # Turns come at tenths of a second, and so does the end of some patience.
                tg.start_soon(use, moments.choice([0.1, 0.3, 0.5, moments.uniform(0, 2), 9.0]))
        assert (places.taken, places.waiting) == (0, 0)
        assert not in_use
    assert served > 100

"""One thing after the other, in order, for one who takes them."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from duologue.session.mailbox import Mailbox

pytestmark = pytest.mark.anyio


async def test_all_is_taken_in_order_whoever_waits_for_whom() -> None:
    box, taken = Mailbox(), []

    async def take() -> None:
        while (event := await box.next()) != "end":
            taken.append(event)
            if event == 1:
                box.post("meanwhile")

    box.post(0)
    async with anyio.create_task_group() as tg:
        tg.start_soon(take)
        await anyio.wait_all_tasks_blocked()
        for event in range(1, 4):
            box.post(event)
        assert len(box) == 3, "nothing is taken before whoever posts waits"
        box.post("end")
    assert taken == [0, 1, 2, 3]


async def test_others_have_their_turn_between_two() -> None:
    box, order = Mailbox(), []

    async def take() -> None:
        for _ in range(3):
            order.append(await box.next())

    async def other() -> None:
        for _ in range(3):
            order.append("other")
            await anyio.lowlevel.checkpoint()

    for event in range(3):
        box.post(event)
    async with anyio.create_task_group() as tg:
        tg.start_soon(take)
        tg.start_soon(other)
    assert order == ["other", 0, "other", 1, "other", 2]


async def test_a_wait_that_is_cancelled_loses_nothing() -> None:
    box = Mailbox()
    with anyio.move_on_after(0):
        await box.next()
    box.post("kept")
    assert await box.next() == "kept"


async def test_closed_it_keeps_nothing() -> None:
    box = Mailbox()
    box.post(1)
    box.close()
    box.post(2)
    assert len(box) == 0

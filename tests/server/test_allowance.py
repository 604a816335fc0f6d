"""A client that asks for too much is held back, and no other."""

from __future__ import annotations

import pytest

from duologue.server.allowance import Allowance


def test_what_is_asked_for_at_once_is_free_up_to_a_number() -> None:
    allowance = Allowance(5, 10, 100.0)
    assert [allowance.spend(100.0) for _ in range(5)] == [0.0] * 5
    assert allowance.spend(100.0) == pytest.approx(0.1)


def test_who_waits_as_told_goes_on_at_the_pace() -> None:
    allowance, now_s = Allowance(5, 10, 0.0), 0.0
    for _ in range(105):
        now_s += allowance.spend(now_s)
    assert now_s == pytest.approx(10.0)


def test_what_was_not_used_is_not_kept_beyond_that_number() -> None:
    allowance = Allowance(5, 10, 0.0)
    assert [allowance.spend(1_000.0) for _ in range(6)][-1] > 0

"""Who owes whom."""

from __future__ import annotations

import pytest

from duologue.engines.fairness import FREE_S, Shares


def test_nobody_owes_anything_while_alone() -> None:
    shares = Shares(threads=2)
    shares.charge("only", 100.0, 0.0)
    assert shares.debt_s("only", 0.0) == 0.0
    assert shares.debt_s("unknown", 0.0) == 0.0


def test_a_turn_with_its_answer_is_free_however_many_there_are() -> None:
    shares = Shares(threads=2)
    for number in range(200):
        shares.charge(f"session {number}", FREE_S, 0.0)
    assert shares.debt_s("session 7", 0.0) == 0.0


def test_what_is_over_the_share_is_owed() -> None:
    shares = Shares(threads=2)
    for name in ("a", "b", "c", "d"):
        shares.charge(name, 2.0, 0.0)
    shares.charge("a", 6.0, 0.0)
    assert shares.debt_s("a", 0.0) == pytest.approx(8.0 - 20.0 / 4)
    assert shares.debt_s("b", 0.0) == 0.0


def test_debts_fade() -> None:
    shares = Shares(threads=1)
    shares.charge("greedy", 9.0, 0.0)
    shares.charge("other", 5.0, 0.0)
    before_s = shares.debt_s("greedy", 0.0)
    shares.charge("other", 1.0, 3.0)
    assert 0.0 < shares.debt_s("greedy", 3.0) < before_s
    shares.charge("other", 1.0, 30.0)
    assert shares.debt_s("greedy", 30.0) == 0.0


def test_accounts_of_those_who_left_are_forgotten() -> None:
    shares = Shares(threads=1)
    for number in range(1000):
        shares.charge(f"caller {number}", 0.3, float(number))
    assert shares.accounts < 60

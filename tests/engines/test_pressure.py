"""What is shed, in which order, and that all of it comes back."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.engines.pressure import FALL_S, MOST_FALL_S, NO_PRESSURE, RISE_S, Pressure, Strain

LOOK_S = 0.25
LATE, BUSY, CALM = Strain(overdue_ms=400), Strain(threads_busy=1.0), Strain()


class Watched:
    """A pressure and its changes of level, as (second, level)."""

    def __init__(self) -> None:
        self.pressure = Pressure()
        self.now_s = 1_000.0
        self.changes: list[tuple[float, int]] = []

    def feel(self, strain: Strain, seconds: float) -> None:
        for _ in range(round(seconds / LOOK_S)):
            self.now_s += LOOK_S
            if self.pressure.feel(strain, self.now_s):
                self.changes.append((self.now_s, self.pressure.level))

    @property
    def levels(self) -> list[int]:
        return [level for _, level in self.changes]


def _allowed(pressure: Pressure) -> tuple[bool, bool, bool]:
    return pressure.allows_partials, pressure.allows_attempts, pressure.admits


def test_it_sheds_partials_then_attempts_then_admission_and_takes_them_up_again() -> None:
    watched = Watched()
    seen = [_allowed(watched.pressure)]
    for _ in range(3):
        watched.feel(LATE, RISE_S + LOOK_S)
        seen.append(_allowed(watched.pressure))
    assert seen == [(True, True, True), (False, True, True), (False, False, True), (False, False, False)]
    assert "overdue_ms 400" in watched.pressure.why
    watched.feel(LATE, 60)
    assert watched.levels == [1, 2, 3]
    watched.feel(CALM, 4 * FALL_S)
    assert watched.levels == [1, 2, 3, 2, 1, 0]
    assert (watched.pressure.why, _allowed(watched.pressure)) == ("", (True, True, True))


def test_a_hiccup_is_no_pressure() -> None:
    watched = Watched()
    for _ in range(20):
        watched.feel(LATE, RISE_S - LOOK_S)
        watched.feel(CALM, 2)
    assert watched.changes == []


def test_busy_threads_cost_partials_and_nothing_more() -> None:
    watched = Watched()
    watched.feel(BUSY, 60)
    assert watched.levels == [1]


def test_a_late_loop_counts_as_late_work_does() -> None:
    watched = Watched()
    watched.feel(Strain(lag_p95_ms=200), 10)
    assert watched.levels == [1, 2, 3]


def test_a_level_that_comes_back_at_once_is_kept_longer_each_time() -> None:
    """Shedding helps, so it is calm, so nothing is shed, so it is late again."""
    watched = Watched()
    for _ in range(600 * 4):
        watched.feel(CALM if watched.pressure.level else LATE, LOOK_S)
    held = [fell - rose for (rose, level), (fell, _) in pairwise(watched.changes) if level]
    assert held[0] == pytest.approx(FALL_S, abs=2 * LOOK_S)
    assert held == sorted(held)
    assert held[-1] == pytest.approx(MOST_FALL_S, abs=2 * LOOK_S)
    watched.feel(CALM, 3 * MOST_FALL_S)
    watched.changes.clear()
    watched.feel(LATE, RISE_S + LOOK_S)
    watched.feel(CALM, FALL_S + LOOK_S)
    assert watched.levels == [1, 0]


strains = st.builds(
    Strain,
    overdue_ms=st.sampled_from([0.0, 40.0, 60.0, 99.0, 101.0, 5_000.0]),
    lag_p95_ms=st.sampled_from([0.0, 20.0, 45.0, 61.0, 900.0]),
    threads_busy=st.sampled_from([0.0, 0.4, 0.6, 0.94, 1.0]),
)


@given(st.lists(st.tuples(strains, st.integers(1, 40)), max_size=40))
def test_it_goes_step_by_step_never_flaps_and_always_comes_back(story: list[tuple[Strain, int]]) -> None:
    watched = Watched()
    for strain, looks in story:
        watched.feel(strain, looks * LOOK_S)
    watched.feel(CALM, 3 * MOST_FALL_S + 3)
    assert watched.pressure.level == 0
    changes = [(watched.now_s - 1e9, 0), *watched.changes]
    for (before_s, before), (after_s, after) in pairwise(changes):
        assert abs(after - before) == 1
        assert 0 <= after <= 3
        assert after_s - before_s >= (RISE_S if after > before else FALL_S)


@given(st.lists(st.sampled_from([0.5, 0.6, 0.8, 0.99]), min_size=1, max_size=200))
def test_between_the_bounds_nothing_changes(shares: list[float]) -> None:
    """The gap between too much and calm: what is neither moves no level in any direction."""
    for levels in range(4):
        watched = Watched()
        watched.feel(LATE, levels * RISE_S + (LOOK_S if levels else 0))
        before = watched.pressure.level
        watched.changes.clear()
        for share in shares:
            watched.feel(Strain(share * 100, share * 60, share * 0.95), LOOK_S)
        assert (watched.levels, watched.pressure.level) == ([], before)


def test_without_a_server_everything_is_allowed() -> None:
    assert (NO_PRESSURE.level, _allowed(NO_PRESSURE)) == (0, (True, True, True))


@pytest.mark.parametrize("strain", [Strain(threads_busy=0.9), Strain(lag_p95_ms=50), Strain(overdue_ms=90)])
def test_one_burst_does_not_last_for_ever_on_a_server_that_is_busy(strain: Strain) -> None:
    """Within its bounds, though never calm."""
    pressure, now_s = Pressure(), 0.0
    for _ in range(40):
        now_s += 0.25
        pressure.feel(Strain(overdue_ms=500), now_s)
    assert pressure.level == 3
    for _ in range(4 * 300):
        now_s += 0.25
        pressure.feel(strain, now_s)
    assert pressure.level == 0

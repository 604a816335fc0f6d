"""An engine that has failed for good is told from one that stumbles."""

from __future__ import annotations

from duologue.engines.health import DOUBTED_FOR_S, FAILURES, OVER_S, Health


def _failed(times: int, over_s: float) -> Health:
    health = Health()
    for number in range(times):
        health.failed("engine_lost", over_s * number / max(1, times - 1))
    return health


def test_many_failures_over_some_time_are_trouble() -> None:
    assert _failed(FAILURES, OVER_S).trouble(OVER_S) == "its last 5 requests failed: engine_lost"


def test_few_failures_or_a_burst_of_them_are_not() -> None:
    assert _failed(FAILURES - 1, OVER_S).trouble(OVER_S) is None
    assert _failed(100, OVER_S / 2).trouble(OVER_S) is None


def test_one_success_ends_it() -> None:
    health = _failed(FAILURES, OVER_S)
    health.succeeded()
    assert health.trouble(OVER_S) is None
    health.failed("engine_error", OVER_S + 1)
    assert health.trouble(OVER_S + 1) is None


def test_what_nobody_has_asked_for_a_while_is_given_another_chance() -> None:
    health = _failed(FAILURES, OVER_S)
    assert health.trouble(OVER_S + DOUBTED_FOR_S) is not None
    assert health.trouble(OVER_S + DOUBTED_FOR_S + 1) is None

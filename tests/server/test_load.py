"""What the server takes note of four times a second, and what follows: engines and clocks are the test's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from msgspec.structs import replace

from duologue import telemetry
from duologue.config import ProfileTurns, Settings, setup_of
from duologue.engines.client import StageStats
from duologue.engines.scripted import InlineEngines
from duologue.server.load import BEGIN_S, LAG_LOOKS, LOOK_S, SETTLED_S, Load
from duologue.server.state import State

ASR_MS = 150.0


class Counted(InlineEngines):
    """Engines that tell what the test wants them to tell."""

    def __init__(self) -> None:
        super().__init__({})
        self.asr = StageStats("asr", device="cpu", threads=2, alone_ms=ASR_MS)

    def stats(self) -> dict[str, StageStats]:
        return {"asr": self.asr}

    def work(self, requests: int, seconds_each: float = ASR_MS / 1000) -> None:
        self.asr = replace(
            self.asr, requests=self.asr.requests + requests, busy_s=self.asr.busy_s + requests * seconds_each
        )


class Machine:
    """A server without a socket."""

    def __init__(self, *, speculates: bool = False, **settings: float) -> None:
        given = Settings(profile="scripted", **settings)  # type: ignore[arg-type]
        setup = setup_of(given).model_copy(update={"turns": ProfileTurns(speculates=speculates)})
        self.engines = Counted()
        self.state = State(given, setup, self.engines, voice="tone", is_ready=True)
        self.now_s, self.worked_s = 1_000.0, 0.0
        self.state.slots._clock = lambda: self.now_s
        self.state.admission._clock = lambda: self.now_s
        self.load = Load(self.state, lambda: self.now_s, lambda: self.worked_s)
        self.inside = ExitStack()
        self.load.look()

    def admit(self, sessions: int) -> None:
        for _ in range(sessions):
            lease = self.inside.enter_context(self.state.slots.lease("anyone", ""))
            lease.ask = lambda lives: lives()

    def go_on(self, seconds: float, *, turns_each_s: float = 0.0, loop_busy: float = 0.0, lag_s: float = 0.0) -> None:
        done = 0.0
        for _ in range(round(seconds / LOOK_S)):
            self.now_s += LOOK_S
            self.worked_s += loop_busy * LOOK_S
            done += turns_each_s * LOOK_S
            self.engines.work(int(done))
            done -= int(done)
            self.load.note_lag(lag_s)
            self.load.look()


@pytest.fixture
def machine() -> Iterator[Machine]:
    machine = Machine()
    with machine.inside:
        yield machine


def test_before_anybody_came_the_measurement_at_the_start_says_how_many(machine: Machine) -> None:
    machine.go_on(1)
    now = machine.load.now
    assert 1 < now.capacity < 256
    assert now.capacity == machine.state.admission.places
    assert now.p90_now_ms is not None
    assert now.p90_next_ms is not None
    assert ASR_MS < now.p90_now_ms <= now.p90_next_ms < now.target_ms == 400


def test_the_very_first_is_judged_by_it_too() -> None:
    machine = Machine()
    assert machine.state.admission.places == 256
    machine.load.begin()
    begun = machine.state.admission.places
    machine.go_on(1)
    assert begun == machine.load.now.capacity < 256


def test_without_a_target_the_limit_alone_counts() -> None:
    machine = Machine(admission_target_ms=0, max_sessions=77)
    machine.go_on(1)
    assert machine.load.now.capacity == 77


def test_it_learns_from_those_who_have_talked_and_not_from_newcomers(machine: Machine) -> None:
    machine.go_on(1)
    before = machine.load.now.capacity
    machine.admit(4)
    machine.go_on(SETTLED_S - 1)
    assert machine.load.now.capacity == pytest.approx(before, abs=1)
    machine.go_on(120, turns_each_s=4 / 2)
    assert 1 <= machine.load.now.capacity < before
    assert machine.load.now.threads_busy == pytest.approx(2 * ASR_MS / 1000 / 2, rel=0.2)


def test_the_loop_is_seen_to_be_busy_and_late(machine: Machine) -> None:
    machine.admit(2)
    machine.go_on(30, loop_busy=0.7, lag_s=0.02)
    assert machine.load.now.loop_busy == pytest.approx(0.7)
    assert machine.load.now.loop_lag_p95_ms == pytest.approx(20)
    assert machine.load.now.pressure == 0
    assert machine.state.metrics.recent()["loop_lag"].p95_ms == pytest.approx(20)


def test_one_long_pause_is_not_the_loops_lateness(machine: Machine) -> None:
    machine.go_on(LAG_LOOKS * LOOK_S)
    machine.load.note_lag(3.0)
    machine.go_on(LOOK_S)
    assert machine.load.now.loop_lag_p95_ms == 0


def test_pressure_rises_is_logged_closes_the_door_and_goes(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.admit(1)
    machine.go_on(BEGIN_S + 1)
    assert machine.state.admission.admits
    machine.go_on(30, lag_s=0.4)
    assert (machine.load.now.pressure, machine.state.pressure.level) == (3, 3)
    assert "lag_p95_ms 400" in machine.load.now.pressure_why
    assert machine.load.now.pressure_for_s > 1
    assert not machine.state.admission.admits
    machine.go_on(60)
    assert machine.load.now.pressure == 0
    assert machine.state.admission.admits
    assert capsys.readouterr().out.count(telemetry.PRESSURE_CHANGED) == 6


def test_a_start_that_holds_up_the_loop_is_no_pressure(machine: Machine) -> None:
    machine.admit(1)
    machine.go_on(BEGIN_S, lag_s=0.4)
    machine.go_on(30)
    assert machine.load.now.pressure == 0


def test_attempts_give_room_until_they_are_shed() -> None:
    machine = Machine(speculates=True)
    machine.go_on(5)
    with_attempts = machine.load.now.capacity
    machine.state.pressure.level = 2
    machine.go_on(3)
    assert machine.load.now.capacity < with_attempts


def test_a_conversation_that_does_not_answer_loses_its_place(machine: Machine) -> None:
    machine.admit(1)
    with machine.state.slots.lease("anyone", ""):
        machine.go_on(29)
        assert machine.load.now.sessions == 2
        machine.go_on(3)
        assert machine.load.now.sessions == 1
    assert machine.state.metrics.counted(telemetry.LEASES_EXPIRED)[()] == 1


def test_what_is_shown_is_what_metrics_show(machine: Machine) -> None:
    machine.admit(3)
    machine.go_on(1)
    text = b"".join(machine.state.metrics.scrape("")[0]).decode()
    assert "duologue_sessions_active 3.0" in text
    assert "duologue_pressure_level 0.0" in text
    assert "duologue_clients_waiting 0.0" in text

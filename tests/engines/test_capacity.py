"""What is predicted, against a simulation of people and threads, and what it must never do."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator
from itertools import count, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.engines import capacity, queueing
from duologue.engines.capacity import Capacity
from duologue.engines.client import StageStats

TURN_S, ASR_S, TTS_S = 0.1, 0.15, 0.02


def cpu(engine: str, alone_s: float, threads: int = 2, **done: float) -> StageStats:
    return StageStats(engine, device="cpu", threads=threads, alone_ms=alone_s * 1000, **done)  # type: ignore[arg-type]


def embedded(threads: int = 2, slower: float = 1.0) -> dict[str, StageStats]:
    """Engines as the embedded ones are on a small machine."""
    costs = {"turn": TURN_S, "asr": ASR_S, "tts": TTS_S}
    return {stage: cpu(stage, cost * slower, threads) for stage, cost in costs.items()}


def believing(stats: dict[str, StageStats], target_ms: float = 500.0) -> Capacity:
    """As it is before anybody talked."""
    predicted = Capacity(target_ms)
    predicted.learn(stats, seconds=0, sessions=0, settled=0, loop_busy_s=0)
    return predicted


class People:
    """``people`` at ``threads``: who stops speaking asks for the words and whether the turn is over, at once, every
    other time for a pause that was none as well; with the words comes the answer's first sound."""

    def __init__(self, people: int, threads: int, seed: int) -> None:
        self._dice = random.Random(seed)
        self._free = threads
        self._order = count()
        self._events: list[tuple[float, int, float | None, tuple[str, float]]] = []
        self._jobs: list[tuple[float, int, str, float]] = []
        self._every_s = capacity.TURN_EVERY_S
        for _ in range(people):
            self._later(self._dice.uniform(0, self._every_s), ("speak", 0.0))

    def reactions(self) -> Iterator[float]:
        """From the end of speech to the answer's first sound, in s, turn by turn."""
        while True:
            now_s, _, _, (what, since_s) = heapq.heappop(self._events)
            if what == "speak":
                self._later(now_s + self._dice.expovariate(1 / self._every_s), ("speak", 0.0))
                self._ask("asr", now_s, now_s)
                self._ask("turn", now_s, now_s)
                if self._dice.random() < 0.5:
                    self._later(now_s + self._dice.uniform(0.5, 3), ("pause", 0.0))
            elif what == "pause":
                self._ask("lost", now_s, now_s)
                self._ask("turn", now_s, now_s)
            else:
                self._free += 1
                if what == "asr":
                    self._ask("tts", now_s, since_s)
                elif what == "tts":
                    yield now_s - since_s
            while self._free and self._jobs:
                _, _, job, since_s = heapq.heappop(self._jobs)
                self._free -= 1
                self._later(now_s + self._takes_s(job), (job, since_s))

    def _later(self, at_s: float, what: tuple[str, float]) -> None:
        heapq.heappush(self._events, (at_s, next(self._order), None, what))

    def _ask(self, job: str, now_s: float, since_s: float) -> None:
        due_s = {"asr": 0.2, "lost": 0.2, "turn": 0.15, "tts": 0.1}[job]
        heapq.heappush(self._jobs, (now_s + due_s, next(self._order), job, since_s))

    def _takes_s(self, job: str) -> float:
        mean_s = {"asr": ASR_S, "lost": ASR_S, "turn": TURN_S, "tts": TTS_S}[job]
        return self._dice.gammavariate(1 / capacity.VARIES, mean_s * capacity.VARIES)


def simulated_p90_ms(people: int, threads: int, turns: int = 2_000) -> float:
    reactions = People(people, threads, seed=people).reactions()
    waited = sorted(next(reactions) for _ in range(turns))
    return waited[turns * 9 // 10] * 1000


@pytest.fixture
def _one_first_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "PER_TURN", {**capacity.PER_TURN, "tts": 1.0})
    monkeypatch.setattr(capacity, "LOOP_SHARE", 0.0)


@pytest.mark.usefixtures("_one_first_sound")
@pytest.mark.parametrize(
    ("threads", "people"), [(2, 1), (2, 8), (2, 16), (2, 24), (2, 28), (4, 8), (4, 32), (4, 48), (4, 60)]
)
def test_it_predicts_what_people_and_threads_do(threads: int, people: int) -> None:
    predicted_ms = believing(embedded(threads)).predict_p90_ms(people)
    assert predicted_ms == pytest.approx(simulated_p90_ms(people, threads), rel=0.25)


@pytest.mark.usefixtures("_one_first_sound")
@pytest.mark.parametrize("target_ms", [500.0, 800.0])
def test_so_many_as_it_says_keep_within_the_target(target_ms: float) -> None:
    most = believing(embedded(), target_ms).most(256)
    assert simulated_p90_ms(most, 2) < 1.2 * target_ms
    assert simulated_p90_ms(most + 8, 2) > target_ms


def test_half_the_speed_bears_less_than_half() -> None:
    quick, slow = believing(embedded()).most(256), believing(embedded(slower=2)).most(256)
    assert 0 < slow < quick / 2


def test_one_is_always_in_reach_of_its_own_speed() -> None:
    """A machine that cannot keep the target for one takes as many as are not much slower than one."""
    slow = believing(embedded(slower=10))
    assert slow.predict_p90_ms(1) > 500
    assert slow.most(256) >= 1


def test_without_a_target_all_come_in() -> None:
    assert believing(embedded(slower=100), target_ms=0).most(256) == 256


def test_attempts_have_a_head_start() -> None:
    predicted = believing(embedded())
    before, most = predicted.predict_p90_ms(8), predicted.most(256)
    predicted.head_start_ms = 200
    assert predicted.predict_p90_ms(8) == pytest.approx(before - 200)
    assert predicted.most(256) > most


def _talk(predicted: Capacity, *, seconds: int, sessions: int, settled: int, a_turn_every_s: float, cost_s: float,
          loop_share: float) -> None:  # fmt: skip
    """Four looks a second at sessions that behave so."""
    requests, busy_s = 0.0, 0.0
    for _ in range(seconds * 4):
        requests += settled / a_turn_every_s / 4
        busy_s = requests * cost_s
        done = {"asr": cpu("asr", ASR_S, requests=int(requests), busy_s=busy_s)}
        worked_s = settled * loop_share / 4
        predicted.learn(done, seconds=0.25, sessions=sessions, settled=settled, loop_busy_s=worked_s)


def test_what_is_measured_replaces_what_was_believed() -> None:
    talkative, quiet = Capacity(500), Capacity(500)
    for predicted, every_s in ((talkative, 3.0), (quiet, 12.0)):
        _talk(predicted, seconds=60, sessions=8, settled=8, a_turn_every_s=every_s, cost_s=ASR_S, loop_share=0.005)
    before = believing({"asr": cpu("asr", ASR_S)})
    assert talkative.most(256) < before.most(256) < quiet.most(256)


def test_the_event_loop_is_a_limit_of_its_own() -> None:
    light, heavy = Capacity(500), Capacity(500)
    for predicted, share in ((light, 0.004), (heavy, 0.03)):
        _talk(predicted, seconds=120, sessions=28, settled=28, a_turn_every_s=8, cost_s=0.001, loop_share=share)
    assert heavy.most(256) == pytest.approx(1 / 0.03, rel=0.25)
    assert light.most(256) > 128


def test_windows_of_sound_share_their_steps() -> None:
    """Voice activity of one session costs 1 % of a core, of 128 not 128 times that."""
    vad = StageStats("vad", device="cpu", threads=1, is_realtime=True, alone_ms=0.3)
    assert believing({"vad": vad}).most(256) > 128


def test_the_first_session_wakes_the_loop_and_the_next_ones_share_that() -> None:
    predicted = Capacity(500)
    before = believing({}).most(256)
    for _ in range(480):
        predicted.learn({}, seconds=0.25, sessions=1, settled=1, loop_busy_s=0.01)
    assert predicted.most(256) == pytest.approx(before, rel=0.1)


def test_newcomers_count_in_full_before_they_have_cost_anything() -> None:
    predicted = Capacity(500)
    _talk(predicted, seconds=60, sessions=8, settled=8, a_turn_every_s=8, cost_s=ASR_S, loop_share=0.005)
    before = predicted.most(256)
    _talk(predicted, seconds=5, sessions=108, settled=8, a_turn_every_s=8, cost_s=ASR_S, loop_share=0.005)
    assert predicted.most(256) == pytest.approx(before, abs=1 + before * 0.1)


def test_a_silent_crowd_proves_little() -> None:
    predicted = Capacity(500)
    _talk(predicted, seconds=300, sessions=50, settled=50, a_turn_every_s=1e6, cost_s=ASR_S, loop_share=1e-6)
    assert predicted.most(10_000) < 10 * believing({"asr": cpu("asr", ASR_S)}).most(10_000)


def test_other_work_takes_from_the_room_and_not_from_each_session() -> None:
    """Uploads keep a thread busy while one conversation goes on."""
    predicted = Capacity(500)
    requests = 0
    for _ in range(240):
        requests += 2
        done = {"asr": cpu("asr", ASR_S, requests=requests, busy_s=requests * ASR_S)}
        predicted.learn(done, seconds=0.25, sessions=1, settled=1, loop_busy_s=0.001)
    assert 1 <= predicted.most(256) < believing({"asr": cpu("asr", ASR_S)}).most(256)
    for _ in range(4 * 600):
        predicted.learn(done, seconds=0.25, sessions=0, settled=0, loop_busy_s=0.001)
    assert predicted.most(256) == pytest.approx(believing({"asr": cpu("asr", ASR_S)}).most(256), rel=0.1)


def test_a_model_elsewhere_is_waited_for_and_not_queued_for() -> None:
    near = believing({"asr": cpu("asr", ASR_S)})
    far = believing({"asr": cpu("asr", ASR_S), "chat": StageStats("llm", requests=5, step_p50_ms=200.0)})
    assert far.predict_p90_ms(1) > near.predict_p90_ms(1) + 150
    assert far.most(256) < near.most(256)


def test_a_model_that_hears_spares_the_words() -> None:
    hears = {**embedded(), "speech": StageStats("hears", requests=5, step_p50_ms=100.0)}
    assert believing(hears).predict_p90_ms(1) < believing(embedded()).predict_p90_ms(1)


@given(
    costs=st.fixed_dictionaries({stage: st.floats(0.0, 3.0) for stage in ("vad", "turn", "asr", "chat", "tts")}),
    threads=st.integers(1, 64),
    looks=st.lists(
        st.tuples(st.floats(0.01, 10), st.integers(0, 300), st.integers(0, 300), st.floats(0, 1)), max_size=8
    ),
)
def test_one_more_never_makes_it_better(
    costs: dict[str, float], threads: int, looks: list[tuple[float, int, int, float]]
) -> None:
    predicted = Capacity(500)
    for seconds, sessions, requests, loop_share in looks:
        stats = {
            stage: cpu(stage, cost, threads, requests=requests, busy_s=requests * cost) for stage, cost in costs.items()
        }
        worked_s = seconds * loop_share
        predicted.learn(stats, seconds=seconds, sessions=sessions, settled=sessions // 2, loop_busy_s=worked_s)
    ms = [predicted.predict_p90_ms(sessions) for sessions in range(1, 120, 7)]
    assert not any(math.isnan(each) for each in ms)
    assert all(fewer <= more + 1e-6 for fewer, more in pairwise(ms))
    most = predicted.most(100)
    assert 0 <= most <= 100
    if 0 < most < 100:
        assert predicted.predict_p90_ms(most) <= predicted.predict_p90_ms(most + 1)


# --- the formulas ---------------------------------------------------------------------------------------------


def test_erlang_c_as_in_the_tables() -> None:
    assert queueing.erlang_c(1, 0.7) == pytest.approx(0.7)
    assert queueing.erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert queueing.erlang_c(10, 8.0) == pytest.approx(0.4092, abs=1e-4)


def test_one_server_waits_as_pollaczek_and_khinchine_say() -> None:
    fixed, exponential = queueing.wait(1, 0.8, 1.0, 1.0), queueing.wait(1, 0.8, 1.0, 2.0)
    assert [fixed.mean_s, exponential.mean_s] == pytest.approx([2.0, 4.0])
    # M/M/1: nine of ten wait less than ln(10 * 0.8) / (1 - 0.8).
    assert queueing.percentile_90(exponential) == pytest.approx(math.log(8) / 0.2)


def test_full_servers_are_waited_for_for_ever() -> None:
    assert math.isinf(queueing.percentile_90(queueing.wait(2, 2.0, 1.0, 1.0)))
    assert queueing.percentile_90(queueing.wait(2, 0.0, 1.0, 1.0)) == 0


@given(st.floats(0.01, 10), st.floats(0.01, 10), st.floats(0.001, 0.02))
def test_the_tail_has_no_step_between_its_two_forms(mean_s: float, deviation_s: float, more: float) -> None:
    """A little more of either is never less, nor much more, than before."""
    before = queueing.percentile_90(queueing.Wait(mean_s, deviation_s**2))
    after = queueing.percentile_90(queueing.Wait(mean_s * (1 + more), (deviation_s * (1 + more)) ** 2))
    assert before <= after <= before * (1 + 2 * more) + 1e-9

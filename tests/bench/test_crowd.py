"""Crowds against a stand-in server: in several processes, all at once, beside rude callers; idle sessions; overload."""

from __future__ import annotations

import os

import anyio
import numpy as np
import pytest

from duologue.bench.caller import Voice
from duologue.bench.clips import Clip, make_clip
from duologue.bench.clock import WallClock
from duologue.bench.crowd import Crowd, Target, hold_calls
from duologue.bench.idle import idle_memory
from duologue.bench.person import Habits, Person
from duologue.bench.report import report_run
from duologue.bench.rude import CONDUCTS, Rudeness, be_rude
from duologue.bench.run import Newcomers, call_now_and_then, run_callers
from duologue.bench.talker import Captured
from duologue.bench.timeline import is_answered
from duologue.bench.wire import Refused, dial
from tests.bench.standin import Script, silence, standing_in, tone

pytestmark = pytest.mark.anyio

SPEED = 4.0
QUICK = Habits(turns=1, start_after_s=0.1, gap_s=0.1, answer_timeout_s=3.0)


@pytest.fixture
def clip() -> Clip:
    return make_clip("hello", np.concatenate((silence(0.1), tone(0.3), silence(0.1))), "hello there")


async def test_callers_in_two_processes_are_all_answered(clip: Clip) -> None:
    async with standing_in(Script(silence_s=0.1, reply_delay_s=0.02, answer_s=0.1), WallClock()) as standin:
        crowd = Crowd(target=Target(url=standin.url), clips=[clip], habits=QUICK, callers=3, arrivals="at-once")
        calls = await hold_calls(crowd, clock=WallClock(), processes=2)
    assert len(calls.outcomes) == 3
    assert all(is_answered(log) for outcome in calls.outcomes for log in outcome.turns)
    assert calls.cpu_s > 0


async def test_refusals_are_timed_and_carry_the_servers_word(clip: Clip) -> None:
    async with standing_in(Script(refuses_with=503), WallClock()) as standin:
        with pytest.raises(Refused) as refused:
            async with dial(standin.url):
                pass
        crowd = Crowd(target=Target(url=standin.url), clips=[clip], habits=QUICK, callers=2, arrivals="at-once")
        calls = await hold_calls(crowd, clock=WallClock(SPEED))
    assert (refused.value.status, refused.value.reason) == (503, "queued")
    assert (refused.value.position, refused.value.retry_after_s) == (1, 2.0)
    assert all(outcome.is_queued for outcome in calls.outcomes)
    assert [outcome.refused_as for outcome in calls.outcomes] == ["queued", "queued"]
    assert all(outcome.connect_ms > 0 for outcome in calls.outcomes)


async def test_frames_that_say_the_same_are_made_once(clip: Clip) -> None:
    voice = Voice()
    one, other = Person([clip], QUICK), Person([clip], QUICK, seed=1)
    noisy = Person([clip], Habits(turns=1, noise_dbfs=-50.0))
    quiet = Captured(None, 0, 3)
    assert voice.message(one, quiet) is voice.message(other, Captured(None, 0, 7))
    assert voice.message(one, Captured(clip, 6, 1)) is voice.message(other, Captured(clip, 6, 9))
    assert voice.message(one, Captured(clip, 6, 1)) is not voice.message(one, Captured(clip, 7, 1))
    assert voice.message(noisy, quiet) is not voice.message(noisy, quiet)


async def test_somebody_new_calls_while_the_others_talk() -> None:
    newcomers = Newcomers()
    async with standing_in(Script(), WallClock()) as standin, anyio.create_task_group() as tasks:
        tasks.start_soon(call_now_and_then, Target(url=standin.url), newcomers, 0.01, 0.0)
        while len(newcomers.connect_ms) < 3:
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert all(each > 0 for each in newcomers.connect_ms)
    assert newcomers.refused == 0


@pytest.mark.parametrize("kind", CONDUCTS)
async def test_the_rude_are_rude_until_they_are_told_to_stop(kind: str, clip: Clip) -> None:
    seen, clock = Rudeness(), WallClock(SPEED)
    async with standing_in(Script(), clock) as standin, anyio.create_task_group() as tasks:
        tasks.start_soon(be_rude, Target(url=standin.url), CONDUCTS[kind], [clip], clock, seen)
        while standin.frames < 60 and len(standin.of_type("response.create")) < 2:
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert seen.calls == 1


async def test_the_rude_call_again_when_they_are_hung_up_on(clip: Clip) -> None:
    seen, clock = Rudeness(), WallClock(SPEED)
    async with standing_in(Script(refuses_with=503), clock) as standin, anyio.create_task_group() as tasks:
        tasks.start_soon(be_rude, Target(url=standin.url), next(iter(CONDUCTS.values())), [clip], clock, seen)
        while sum(seen.ended.values()) < 2:
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    [words] = seen.ended
    assert "every place is taken" in words


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads /proc")
async def test_idle_sessions_are_opened_configured_and_weighed() -> None:
    async with standing_in(Script(), WallClock()) as standin:
        idle = await idle_memory(Target(url=standin.url, pid=os.getpid()), 5, settles_s=0.01)
    assert idle is not None
    assert (idle.asked, idle.sessions) == (5, 5)
    assert len(standin.of_type("session.update")) == 15


async def test_a_server_that_cannot_be_seen_is_not_weighed() -> None:
    assert await idle_memory(Target(url="http://127.0.0.1:1"), 5) is None


async def test_what_the_callers_themselves_cost_is_told(clip: Clip) -> None:
    async with standing_in(Script(), WallClock(SPEED)) as standin:
        crowd = Crowd(target=Target(url=standin.url), clips=[clip], habits=QUICK, callers=1)
        report = report_run(await run_callers(crowd, clock=WallClock(SPEED)))
    assert report.callers_cpu_percent is not None
    assert 0 < report.callers_cpu_percent < 100

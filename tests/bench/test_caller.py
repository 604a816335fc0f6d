"""Simulated callers against a stand-in server with known delays, on a clock that runs fast."""

from __future__ import annotations

import numpy as np
import pytest

from duologue.bench.caller import session_update
from duologue.bench.clips import Clip, make_clip
from duologue.bench.clock import WallClock
from duologue.bench.crowd import Crowd, Target
from duologue.bench.person import Habits
from duologue.bench.report import RunReport, faults, report_run
from duologue.bench.run import Run, run_callers, time_connections
from duologue.bench.stats import Summary
from duologue.bench.timeline import is_answered
from duologue.bench.wire import WireError
from tests.bench.standin import Script, StandIn, silence, standing_in, tone

pytestmark = pytest.mark.anyio

SPEED = 4.0
QUICK = Habits(turns=2, start_after_s=0.1, gap_s=0.1, answer_timeout_s=3.0)


@pytest.fixture
def clip() -> Clip:
    return make_clip("hello", np.concatenate((silence(0.1), tone(0.5), silence(0.1))), "hello there")


async def let_them_talk(standin: StandIn, clip: Clip, habits: Habits, callers: int = 1) -> Run:
    crowd = Crowd(target=Target(url=standin.url), clips=[clip], habits=habits, callers=callers)
    return await run_callers(crowd, clock=standin.clock)


async def measure(clip: Clip, script: Script, habits: Habits = QUICK, callers: int = 1) -> RunReport:
    async with standing_in(script, WallClock(SPEED)) as standin:
        return report_run(await let_them_talk(standin, clip, habits, callers))


def p50(summary: Summary) -> float:
    assert summary.p50 is not None
    return summary.p50


async def test_later_answers_measure_later(clip: Clip) -> None:
    quick = await measure(clip, Script(reply_delay_s=0.05))
    slow = await measure(clip, Script(reply_delay_s=0.45))
    assert quick.turns_answered == slow.turns_answered == 2
    assert p50(slow.voice_to_voice_ms) - p50(quick.voice_to_voice_ms) > 200
    assert p50(slow.first_audio_ms) >= 450
    assert p50(quick.endpointing_ms) >= 280


async def test_leading_silence_counts_against_the_answer(clip: Clip) -> None:
    report = await measure(clip, Script(lead_s=0.25))
    assert report.leading_silence_ms.p50 == pytest.approx(250, abs=6)
    [turn, _] = report.turns
    assert turn.waterfall is not None
    stages = (
        (turn.waterfall.endpointing_ms or 0)
        + (turn.waterfall.thinking_ms or 0)
        + turn.waterfall.first_audio_ms
        + turn.waterfall.delivery_ms
        + turn.waterfall.leading_silence_ms
    )
    assert stages == pytest.approx(turn.waterfall.voice_to_voice_ms, abs=0.01)


async def test_words_are_counted(clip: Clip) -> None:
    report = await measure(clip, Script(transcript="Hello, where?"))
    assert report.word_errors.wer == 0.5
    assert report.word_errors.turns == 2


async def test_unanswered_turns_are_counted_and_the_schedule_goes_on(clip: Clip) -> None:
    habits = Habits(turns=2, start_after_s=0.1, gap_s=0.1, answer_timeout_s=0.5)
    report = await measure(clip, Script(answers=False), habits)
    assert report.turns_spoken == 2
    assert report.turns_unanswered == 2
    assert report.voice_to_voice_ms.n == 0
    assert "2 of 2 turns were not answered" in faults(report)


async def test_an_answer_in_a_pause_is_a_false_cut_off() -> None:
    halting = make_clip("halting", np.concatenate((tone(0.5), silence(0.7), tone(0.5), silence(0.1))))
    habits = Habits(turns=1, start_after_s=0.1, gap_s=0.1, answer_timeout_s=3.0)
    report = await measure(halting, Script(silence_s=0.3), habits)
    assert (report.cut_offs.cut, report.cut_offs.pauses, report.cut_offs.pauses_cut) == (1, 1, 1)
    assert report.turns_answered == 1
    patient = await measure(halting, Script(silence_s=0.9), habits)
    assert (patient.cut_offs.cut, patient.cut_offs.pauses_cut) == (0, 0)


async def test_interrupting_stops_the_answer_and_truncates_what_was_not_heard(clip: Clip) -> None:
    habits = Habits(turns=1, start_after_s=0.1, gap_s=0.1, interrupt_share=1.0, interrupt_after_s=0.5)
    async with standing_in(Script(), WallClock(SPEED)) as standin:
        run = await let_them_talk(standin, clip, habits)
    report = report_run(run)
    assert report.interruption_outcomes == {"flushed": 1}
    assert report.interruption_stop_ms.n == 1
    assert report.turns_answered == 1
    [truncate] = standin.of_type("conversation.item.truncate")
    assert truncate["item_id"] == "item_a1"
    # Half a second of listening, up to the clip's onset and the server's notice: far from the 8 s that were sent.
    assert 500 <= truncate["audio_end_ms"] < 3000


async def test_many_callers_each_have_their_own_conversation(clip: Clip) -> None:
    report = await measure(clip, Script(), callers=3)
    assert report.turns_planned == report.turns_answered == 6
    assert sorted({turn.caller for turn in report.turns}) == [0, 1, 2]


async def test_a_dropped_call_is_told_and_its_turns_are_unanswered(clip: Clip) -> None:
    report = await measure(clip, Script(hangs_up_after=1))
    assert report.turns_unanswered == 2
    assert report.dropped == ["1012 restarting"]


async def test_refused_callers_are_counted(clip: Clip) -> None:
    report = await measure(clip, Script(refuses_with=503), callers=2)
    assert len(report.refused) == 2
    assert "503: every place is taken" in report.refused[0]
    assert report.turns_unanswered == 4


async def test_frames_go_on_while_nothing_is_answered(clip: Clip) -> None:
    habits = Habits(turns=1, start_after_s=0.1, gap_s=0.1, answer_timeout_s=0.5)
    async with standing_in(Script(hears=False), WallClock(SPEED)) as standin:
        run = await let_them_talk(standin, clip, habits)
    [outcome] = run.outcomes
    assert not any(is_answered(log) for log in outcome.turns)
    assert len(outcome.call.late_ms) * 0.02 == pytest.approx(outcome.call.duration_s, rel=0.25)


async def test_connections_are_timed() -> None:
    async with standing_in(Script(), WallClock()) as standin:
        times_ms = await time_connections(Target(url=standin.url), 3)
    assert len(times_ms) == 3
    assert all(each > 0 for each in times_ms)


async def test_nobody_at_home_is_one_clear_line() -> None:
    with pytest.raises(WireError, match=r"no server answers at http://127\.0\.0\.1:1"):
        await time_connections(Target(url="http://127.0.0.1:1"), 1)


async def test_turn_detection_is_asked_for() -> None:
    update = session_update('{"type": "server_vad", "silence_duration_ms": 200}')
    assert update["session"]["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 200  # type: ignore[index]
    assert "turn_detection" not in session_update("default")["session"]["audio"]["input"]  # type: ignore[index]

"""What a plan comes to before anything is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from duologue.bench.person import Habits
from duologue.bench.plan import Plan, room_for_all, speech
from duologue.errors import ConfigError
from tests.bench.standin import silence, tone
from tests.bench.test_command import write_wav

pytestmark = pytest.mark.anyio


def test_few_callers_have_more_turns_each_so_that_all_runs_have_enough() -> None:
    plan = Plan(callers=(1, 8, 128), least_turns=30, habits=Habits(turns=3))
    assert [plan.turns(callers) for callers in plan.callers] == [30, 4, 3]
    assert plan.turns_in_all() == 30 + 32 + 384


def test_a_server_of_our_own_has_room_for_everybody() -> None:
    assert int(room_for_all(Plan(callers=(1, 128)))["max_sessions"]) > 128
    assert int(room_for_all(Plan(profile="scripted"))["max_sessions"]) > 100


def test_idle_sessions_are_weighed_where_nothing_else_weighs() -> None:
    assert Plan(profile="scripted").sessions_to_weigh() == 100
    assert Plan(profile="embedded").sessions_to_weigh() == 0
    assert Plan(profile="scripted", url="http://127.0.0.1:1").sessions_to_weigh() == 0
    assert Plan(profile="embedded", idle_sessions=5).sessions_to_weigh() == 5


async def test_on_a_fixed_schedule_clips_that_leave_no_time_for_an_answer_are_left_out(tmp_path: Path) -> None:
    write_wav(tmp_path / "short.wav", np.concatenate((tone(0.5), silence(0.1))))
    write_wav(tmp_path / "long.wav", np.concatenate((tone(3.0), silence(0.1))))
    notes: list[str] = []
    fit = await speech(Plan(clips=tmp_path, habits=Habits(turns_every_s=4.0)), notes)
    assert [clip.name for clip in fit] == ["short"]
    assert notes == ["1 clips were left out: no time for an answer within 4 s"]
    assert len(await speech(Plan(clips=tmp_path), notes)) == 2
    with pytest.raises(ConfigError, match="no clip leaves"):
        await speech(Plan(clips=tmp_path, habits=Habits(turns_every_s=1.0)), notes)

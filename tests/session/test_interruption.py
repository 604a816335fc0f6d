"""Sound over the answer: what it is taken for."""

from __future__ import annotations

import pytest

from duologue.session.interruption import BARGE_IN_MS, Verdict, judge

CASES = [
    # (ms of sound, has it ended, verdict)
    (0, False, Verdict.WAIT),
    (64, False, Verdict.WAIT),
    (BARGE_IN_MS - 1, False, Verdict.WAIT),
    (BARGE_IN_MS, False, Verdict.INTERRUPT),
    (500, False, Verdict.INTERRUPT),
    (0, True, Verdict.FALSE_ALARM),
    (64, True, Verdict.FALSE_ALARM),
    (BARGE_IN_MS - 1, True, Verdict.FALSE_ALARM),
    (BARGE_IN_MS, True, Verdict.INTERRUPT),
    (2_000, True, Verdict.INTERRUPT),
]


@pytest.mark.parametrize(("sound_ms", "has_ended", "verdict"), CASES)
def test_verdicts(sound_ms: float, has_ended: bool, verdict: Verdict) -> None:
    assert judge(sound_ms, has_ended=has_ended) is verdict


def test_doubt_is_over_in_time_for_silence_within_300_ms() -> None:
    # 64 ms to find speech and 20 ms of a frame come on top.
    assert BARGE_IN_MS + 64 + 20 <= 300

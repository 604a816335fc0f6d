"""What was sent, and what of it has been heard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.session.playout import Playout


def _behind(ends_at_s: float) -> Playout:
    """Of an answer that waits for another one to end."""
    before = Playout()
    before.send(1_000, ends_at_s - 1)
    return Playout(before)


def test_sound_is_heard_from_when_it_leaves() -> None:
    playout = Playout()
    playout.send(500, 10.0)
    assert [playout.heard_ms(t) for t in (9.0, 10.0, 10.2, 10.5, 99.0)] == pytest.approx([0, 0, 200, 500, 500])
    assert playout.ends_at_s == pytest.approx(10.5)
    assert playout.lead_ms(10.2) == pytest.approx(300)


def test_more_sound_in_time_follows_without_a_gap() -> None:
    playout = Playout()
    playout.send(500, 10.0)
    playout.send(500, 10.4)
    assert playout.ends_at_s == pytest.approx(11.0)
    assert playout.heard_ms(10.7) == pytest.approx(700)
    assert playout.underruns == 0


def test_a_gap_is_counted_and_not_heard() -> None:
    playout = Playout()
    playout.send(500, 10.0)
    playout.send(500, 12.0)
    assert playout.underruns == 1
    assert [playout.heard_ms(t) for t in (11.0, 12.0, 12.25)] == pytest.approx([500, 500, 750])


def test_behind_an_earlier_answer_it_waits_its_turn() -> None:
    playout = _behind(20.0)
    playout.send(500, 10.0)
    assert playout.heard_ms(20.0) == 0
    assert playout.heard_ms(20.1) == pytest.approx(100)
    assert playout.underruns == 0


def test_silence_comes_after_all_that_was_made() -> None:
    playout = Playout()
    assert playout.silent_at_s(0, 10.0) == 10.0
    assert playout.silent_at_s(1_500, 10.0) == pytest.approx(11.5)
    playout.send(500, 10.0)
    assert playout.began_at_s == 10.0
    assert playout.silent_at_s(500, 10.2) == pytest.approx(10.5)
    assert playout.silent_at_s(1_500, 10.2) == pytest.approx(11.5)
    assert playout.silent_at_s(1_500, 99.0) == pytest.approx(100.0)


def test_silence_comes_no_earlier_than_the_end_of_an_earlier_answer() -> None:
    playout = _behind(20.0)
    assert playout.began_at_s is None
    assert playout.silent_at_s(0, 10.0) == 20.0
    assert playout.silent_at_s(700, 10.0) == pytest.approx(20.7)


sends = st.lists(st.tuples(st.floats(0, 3), st.floats(1, 2_000)), min_size=1, max_size=20)


@given(sends, st.floats(0, 5), st.floats(0, 5))
def test_nothing_is_heard_twice_or_before_it_was_sent(
    sent: list[tuple[float, float]], early_s: float, later_s: float
) -> None:
    playout, now_s, total_ms = Playout(), 0.0, 0.0
    for gap_s, length_ms in sent:
        now_s += gap_s
        playout.send(length_ms, now_s)
        total_ms += length_ms
        assert playout.heard_ms(now_s) <= total_ms - length_ms + 1e-6
    assert playout.sent_ms == pytest.approx(total_ms)
    first, second = playout.heard_ms(now_s + early_s), playout.heard_ms(now_s + early_s + later_s)
    assert 0 <= first <= second <= total_ms + 1e-6
    # Nothing is heard faster than it sounds.
    assert second - first <= later_s * 1000 + 1e-6
    assert playout.heard_ms(playout.ends_at_s) == pytest.approx(total_ms)
    lead_ms = playout.lead_ms(now_s + early_s)
    assert lead_ms == pytest.approx(total_ms - first, abs=1e-6)
    assert playout.silent_at_s(total_ms, now_s + early_s) >= playout.ends_at_s
    assert playout.lead_ms(playout.ends_at_s) == pytest.approx(0, abs=1e-6)


def test_what_is_held_is_heard_later_and_nothing_is_lost() -> None:
    playout = Playout()
    playout.send(1_000, 10.0)
    playout.hold(10.3)
    assert playout.is_held
    assert playout.heard_ms(10.9) == pytest.approx(300)
    assert playout.lead_ms(10.9) == pytest.approx(700)
    playout.resume(10.9)
    assert playout.heard_ms(11.0) == pytest.approx(400)
    assert playout.ends_at_s == pytest.approx(11.6)
    assert playout.heard_ms(20.0) == pytest.approx(1_000)
    assert playout.underruns == 0


def test_what_was_to_follow_what_is_held_follows_it_still() -> None:
    after = _behind(12.0)
    after.hold(10.5)
    after.resume(11.0)
    after.send(500, 11.0)
    assert after.began_at_s == pytest.approx(12.5)


def test_a_listener_says_how_late_it_is_each_time_anew() -> None:
    playout = Playout()
    playout.send(1_000, 10.0)
    playout.correct(300, 10.5)
    assert playout.heard_ms(10.5) == pytest.approx(300)
    assert playout.ends_at_s == pytest.approx(11.2)
    # That report was long on its way; the next was not.
    playout.correct(560, 10.6)
    assert playout.heard_ms(10.6) == pytest.approx(560)
    assert playout.lead_ms(10.6) == pytest.approx(440)
    assert playout.ends_at_s == pytest.approx(11.04)


@pytest.mark.parametrize("heard_ms", [-5, 900, 1_000, 5_000])
def test_nobody_has_heard_more_than_can_be(heard_ms: float) -> None:
    playout = Playout()
    playout.send(1_000, 10.0)
    playout.correct(heard_ms, 10.6)
    assert playout.heard_ms(10.6) == pytest.approx(600)


def test_a_listener_who_is_late_is_held_and_resumed_where_it_is() -> None:
    playout = Playout()
    playout.send(1_000, 10.0)
    playout.correct(300, 10.5)
    playout.hold(10.6)
    assert playout.heard_ms(10.9) == pytest.approx(400)
    playout.resume(11.0)
    assert playout.heard_ms(11.1) == pytest.approx(500)
    playout.send(500, 11.1)
    assert playout.underruns == 0
    assert playout.ends_at_s == pytest.approx(12.1)


def test_reports_leave_nothing_behind() -> None:
    playout = Playout()
    playout.send(60_000, 10.0)
    for i in range(1_000):
        playout.correct(i * 20, 10.1 + i * 0.02)
    assert len(playout._stretches) == 1


def test_where_a_moment_lies_in_the_sound() -> None:
    playout = Playout()
    playout.send(500, 10.0)
    playout.send(500, 12.0)
    assert playout.spans(10.2, 12.25) == [(10.0, 0.0, pytest.approx(500)), (12.0, 500.0, pytest.approx(250))]
    assert playout.spans(10.6, 11.9) == []


@given(
    st.lists(
        st.tuples(st.sampled_from(["send", "hold", "resume", "correct"]), st.floats(0.01, 0.6), st.floats(0, 1)),
        max_size=30,
    )
)
def test_whatever_happens_time_only_goes_forward(acts: list[tuple[str, float, float]]) -> None:
    playout, now_s, heard_ms = Playout(), 100.0, 0.0
    for act, seconds, share in acts:
        now_s += seconds
        before_ms = playout.heard_ms(now_s)
        if act == "send":
            playout.send(seconds * 1000, now_s)
        elif act == "hold":
            playout.hold(now_s)
        elif act == "resume":
            playout.resume(now_s)
        else:
            playout.correct(heard_ms + share * (before_ms - heard_ms), now_s)
        heard_ms_now = playout.heard_ms(now_s)
        assert heard_ms - 0.01 <= heard_ms_now <= playout.sent_ms
        assert heard_ms_now <= before_ms + 0.01 or act == "correct"
        heard_ms = heard_ms_now
    playout.resume(now_s)
    assert playout.heard_ms(max(now_s, playout.ends_at_s) + 0.001) == pytest.approx(playout.sent_ms)

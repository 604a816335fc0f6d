"""False cut-offs against the wait, on points made by hand."""

from __future__ import annotations

import math
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.bench.turns.curve import (
    Curve,
    Setting,
    curves,
    model_curve,
    our_curve,
    setting,
    silence_curve,
    taken_ms,
    what_is_known,
)
from duologue.bench.turns.pauses import Point
from duologue.errors import ConfigError
from duologue.items import TurnDetection
from duologue.session.endpointing import SILENCES, Evidence, wait_ms
from duologue.session.pauses import STRANGER

SEEN_MS, JUDGED_MS, WORDS_MS = 108.0, 200.0, 260.0


def _pause(length_ms: float, prob: float, text: str = "I would like the", speaker: str = "a") -> Point:
    return Point(
        speaker=speaker,
        clip="clip",
        goes_on=True,
        length_ms=length_ms,
        lag_ms=40.0,
        seen_ms=SEEN_MS,
        resumed_ms=length_ms,
        judged=(JUDGED_MS, prob),
        alone=prob,
        words=(WORDS_MS, text),
    )


def _end(prob: float, text: str = "Book a table for two, please.", speaker: str = "a") -> Point:
    return Point(
        speaker=speaker,
        clip="clip",
        goes_on=False,
        lag_ms=40.0,
        seen_ms=SEEN_MS,
        judged=(JUDGED_MS, prob),
        alone=prob,
        words=(WORDS_MS, text),
    )


UNSEEN = Point(speaker="a", clip="clip", goes_on=True, length_ms=220.0)
POINTS = [_pause(700, 0.02), _end(0.9), _pause(400, 0.3), _end(0.05), _pause(1_500, 0.01), _end(0.8)]


# --- when the floor is taken ------------------------------------------------------------------------------------------


def _known(*points: Point) -> list[tuple[float, Evidence]]:
    return what_is_known(points)[-1]


def test_evidence_comes_one_piece_after_the_other() -> None:
    known = _known(_end(0.9, "Yes."))
    assert [at_ms for at_ms, _ in known] == [SEEN_MS, JUDGED_MS, WORDS_MS]
    assert [(e.end_of_turn_prob, e.text) for _, e in known] == [(None, None), (0.9, None), (0.9, "Yes.")]


@pytest.mark.parametrize(
    ("waits_ms", "taken"),
    [
        ((50, 50, 50), SEEN_MS),
        ((150, 900, 900), 150),
        ((900, 50, 50), JUDGED_MS),
        ((900, 230, 50), 230),
        ((900, 900, 50), WORDS_MS),
        ((100, 100, 900), SEEN_MS),
        ((900, 900, 900), 900),
    ],
)
def test_the_wait_is_weighed_anew_and_nothing_is_taken_before_it_is_known(
    waits_ms: tuple[float, float, float], taken: float
) -> None:
    def rule(evidence: Evidence) -> float:
        return waits_ms[(evidence.end_of_turn_prob is not None) + (evidence.text is not None)]

    assert taken_ms(_known(_end(0.9)), rule) == taken


def test_a_pause_that_is_never_seen_is_never_taken() -> None:
    assert taken_ms(_known(UNSEEN), lambda _evidence: 0.0) == math.inf


def test_a_speaker_s_pauses_are_learned_and_forgotten_with_the_speaker() -> None:
    own = _known(_pause(800, 0.1), _end(0.9), _pause(600, 0.1))[0][1].own
    assert own == STRANGER.went_on(800).ended()
    assert _known(_pause(800, 0.1), _end(0.9, speaker="b"))[0][1].own == STRANGER


def _after(silence_ms: float, _evidence: Evidence) -> float:
    return silence_ms


# --- settings and curves ----------------------------------------------------------------------------------------------


def test_a_setting_counts_cuts_and_waits() -> None:
    found = setting("500 ms", [*POINTS, UNSEEN], lambda _evidence: 500.0)
    assert found == Setting("500 ms", 2 / 4, 540.0, 540.0, 540.0)


def test_ours_is_the_product_s_rule() -> None:
    found = setting("ours", POINTS, partial(wait_ms, detection=TurnDetection()))
    assert found.cut_share == 0.0
    assert found.p50_wait_ms >= SILENCES[0][0] + 40.0


@pytest.mark.parametrize("make", [silence_curve, model_curve, our_curve])
def test_a_curve_holds_only_what_nothing_beats(make: object) -> None:
    settings = make(POINTS).settings  # type: ignore[operator]
    waits = [each.mean_wait_ms for each in settings]
    cuts = [each.cut_share for each in settings]
    assert waits == sorted(waits)
    assert cuts == sorted(cuts, reverse=True)
    assert len(set(cuts)) == len(cuts)


def test_the_model_hears_the_sound_as_it_came() -> None:
    told_apart = [_pause(700, 0.01), _end(0.9)]
    misled = [Point(**{**{f: getattr(each, f) for f in each.__struct_fields__}, "alone": 0.5}) for each in told_apart]
    assert model_curve(told_apart).cut_share_at(400.0) == 0.0
    assert model_curve(misled).cut_share_at(400.0) == 1.0


def test_silence_alone_on_pauses_of_known_length() -> None:
    curve = silence_curve([*(_pause(ms, 0.5) for ms in (300, 500, 700, 900)), _end(0.5)])
    assert curve.cut_share_at(340.0) == 0.75
    assert curve.cut_share_at(540.0) == 0.5
    assert curve.cut_share_at(140.0) is None
    assert curve.wait_at(0.25) == pytest.approx(740.0)
    assert curve.wait_at(0.0) == pytest.approx(940.0)


def test_a_curve_without_a_setting_that_spares_enough_has_no_wait() -> None:
    assert Curve("x", [Setting("only", 0.5, 300.0, 300.0, 300.0)]).wait_at(0.1) is None


def test_curves_are_three_on_the_same_points() -> None:
    assert [curve.detector for curve in curves(POINTS)] == ["silence", "model", "ours"]


@pytest.mark.parametrize("points", [[_end(0.5)], [_pause(500, 0.5)], []])
def test_recordings_without_pauses_or_ends_are_refused(points: list[Point]) -> None:
    with pytest.raises(ConfigError, match="pauses and ends"):
        silence_curve(points)


@given(st.lists(st.tuples(st.floats(200, 3_000), st.floats(0, 1)), min_size=1, max_size=8), st.floats(0, 1))
def test_a_longer_silence_never_cuts_more(pauses: list[tuple[float, float]], end: float) -> None:
    points = [*(_pause(length_ms, prob) for length_ms, prob in pauses), _end(end)]
    shares = [setting("", points, partial(_after, ms)).cut_share for ms in (200.0, 500.0, 1_000.0, 2_000.0)]
    assert shares == sorted(shares, reverse=True)

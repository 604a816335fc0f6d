"""What made-up moments mean."""

from __future__ import annotations

import pytest

from duologue.bench.timeline import (
    Answer,
    Interruption,
    Take,
    TurnLog,
    answer_of,
    cut_off,
    is_answered,
    settle,
    waterfall,
)


def take(**moments: float) -> Take:
    return Take(item_id="item_1", **moments)  # type: ignore[arg-type]


def answer(created_at: float, *, first_delta_at: float, audible_at: float | None, ends_at: float = 99.0) -> Answer:
    return Answer(
        response_id="resp_1",
        created_at=created_at,
        first_delta_at=first_delta_at,
        plays_at=first_delta_at,
        audible_at=audible_at,
        play_ends_at=ends_at,
    )


def turn(*, takes: list[Take] | None = None, answers: list[Answer] | None = None) -> TurnLog:
    """Speech from 1.0 to 4.0 with pauses at 2.0-2.3 and 3.0-3.4."""
    return TurnLog(
        clip="made up",
        speech_start_at=1.0,
        speech_end_at=4.0,
        pauses=[(2.0, 2.3), (3.0, 3.4)],
        takes=takes or [],
        answers=answers or [],
    )


def test_the_stages_add_up_to_voice_to_voice() -> None:
    heard = take(speech_started_at=1.1, speech_stopped_at=4.3, committed_at=4.31, transcript_at=4.4)
    fall = waterfall(turn(takes=[heard], answers=[answer(4.35, first_delta_at=4.5, audible_at=4.56)]))
    assert fall is not None
    assert fall.voice_to_voice_ms == pytest.approx(560)
    assert fall.endpointing_ms == pytest.approx(300)
    assert fall.thinking_ms == pytest.approx(50)
    assert fall.first_audio_ms == pytest.approx(150)
    assert fall.leading_silence_ms == pytest.approx(60)
    assert fall.transcript_ms == pytest.approx(400)
    parts = 300 + 50 + fall.first_audio_ms + fall.delivery_ms + fall.leading_silence_ms
    assert parts == pytest.approx(fall.voice_to_voice_ms)


def test_a_silent_answer_is_none() -> None:
    log = turn(takes=[take(speech_stopped_at=4.3)], answers=[answer(4.35, first_delta_at=4.5, audible_at=None)])
    assert waterfall(log) is None
    assert not is_answered(log)


def test_stages_that_a_server_does_not_report_are_none() -> None:
    fall = waterfall(turn(answers=[answer(4.35, first_delta_at=4.5, audible_at=4.5)]))
    assert fall is not None
    assert fall.voice_to_voice_ms == pytest.approx(500)
    assert (fall.endpointing_ms, fall.transcript_ms, fall.thinking_ms) == (None, None, None)


def test_the_answer_to_a_pause_is_not_the_answer_to_the_turn() -> None:
    early = answer(2.2, first_delta_at=2.25, audible_at=2.25, ends_at=2.6)
    late = answer(4.4, first_delta_at=4.5, audible_at=4.5)
    log = turn(answers=[early, late])
    assert answer_of(log) is late
    assert is_answered(log)


def test_an_answer_that_was_cut_short_before_the_end_leaves_the_turn_unanswered() -> None:
    assert not is_answered(turn(answers=[answer(2.2, first_delta_at=2.25, audible_at=2.25, ends_at=2.6)]))


def test_an_answer_that_talks_on_over_the_speaker_is_an_answer_without_a_figure() -> None:
    log = turn(answers=[answer(3.2, first_delta_at=3.25, audible_at=3.25, ends_at=6.0)])
    assert is_answered(log)
    assert waterfall(log) is None
    assert cut_off(log).is_cut_off


@pytest.mark.parametrize(
    ("stopped_at", "is_cut", "pauses_cut"),
    [(2.25, True, 1), (2.5, True, 1), (3.39, True, 1), (1.5, True, 0), (3.95, False, 0), (4.3, False, 0)],
)
def test_false_cut_offs(stopped_at: float, is_cut: bool, pauses_cut: int) -> None:
    seen = cut_off(turn(takes=[take(speech_stopped_at=stopped_at)]))
    assert (seen.is_cut_off, seen.pauses_cut, seen.pauses) == (is_cut, pauses_cut, 2)
    assert seen.early_ms == pytest.approx((4.0 - stopped_at) * 1000 if is_cut else 0)


def test_two_pauses_cut_are_two() -> None:
    seen = cut_off(turn(takes=[take(committed_at=2.2), take(committed_at=3.3)]))
    assert seen.pauses_cut == 2
    assert seen.early_ms == pytest.approx(1800)


def test_a_response_alone_takes_the_floor_too() -> None:
    assert cut_off(turn(answers=[answer(2.1, first_delta_at=2.2, audible_at=2.2)])).is_cut_off


def test_what_was_heard_is_all_takes_in_order() -> None:
    takes = [take(), take(), take()]
    for each, words in zip(takes, ("book a", "", "table"), strict=True):
        each.transcript = words
    assert turn(takes=takes).heard_text == "book a table"


def test_interruption_stop_time() -> None:
    assert Interruption(onset_at=5.0, silent_at=5.25).stop_ms == pytest.approx(250)
    assert Interruption(onset_at=5.0, ended="not heard").stop_ms is None


@pytest.mark.parametrize(
    ("ends_at", "status", "flushed_at", "ended", "stop_ms"),
    [
        (5.25, "completed", 5.25, "flushed", 250),
        (5.4, "cancelled", None, "cancelled", 400),
        (4.9, "completed", None, "answer ended", None),
        (4.9, "completed", 4.9, "answer ended", None),
        (6.0, "completed", None, "answer ended", None),
        (20.0, "completed", None, "not heard", None),
        (6.0, "", None, "not heard", None),
    ],
)
def test_how_a_barge_in_ended(
    ends_at: float, status: str, flushed_at: float | None, ended: str, stop_ms: float | None
) -> None:
    long_answer = answer(1.0, first_delta_at=1.5, audible_at=1.5, ends_at=ends_at)
    long_answer.status, long_answer.done_at = status, 2.0 if status else None
    outcome = Interruption()
    settle(outcome, long_answer, onset_at=5.0, flushed_at=flushed_at, now=8.0)
    assert outcome.ended == ended
    assert outcome.stop_ms == (None if stop_ms is None else pytest.approx(stop_ms))

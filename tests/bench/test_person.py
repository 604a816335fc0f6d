"""A simulated caller in virtual time: hours in milliseconds, no socket."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from duologue.bench.clips import Clip, make_clip
from duologue.bench.energy import speech_span
from duologue.bench.person import Habits, Person
from duologue.bench.wire import FRAME_S, FRAME_SAMPLES, ResponseBody, ServerEvent
from tests.bench.standin import silence, tone

LIMIT_S = 3600.0


@pytest.fixture
def clip() -> Clip:
    return make_clip("hello", np.concatenate((silence(0.1), tone(0.5), silence(0.1))), "hello")


def run(person: Person, events: list[tuple[float, ServerEvent]] | None = None) -> tuple[np.ndarray, float]:
    """Let time pass until the person is done; gives all that was captured, and the moment."""
    heard: list[np.ndarray] = []
    coming = sorted(events or [], key=lambda pair: pair[0])
    frame = 0
    while not person.is_done and frame * FRAME_S < LIMIT_S:
        while coming and coming[0][0] <= frame * FRAME_S:
            at, event = coming.pop(0)
            person.hear(event, at)
        pcm, _ = person.next_frame(frame * FRAME_S)
        heard.append(pcm)
        frame += 1
    return np.concatenate(heard), frame * FRAME_S


def event(kind: str, **fields: object) -> ServerEvent:
    return ServerEvent(type=kind, **fields)  # type: ignore[arg-type]


def answer_events(at: float, *, number: int = 1) -> list[tuple[float, ServerEvent]]:
    """A turn taken at ``at`` and answered with 0.5 s of sound 0.1 s later."""
    item_id, response_id = f"item_u{number}", f"resp_{number}"
    delta = base64.b64encode(tone(0.5).tobytes()).decode()
    return [
        (at - 0.3, event("input_audio_buffer.speech_started", item_id=item_id)),
        (at, event("input_audio_buffer.speech_stopped", item_id=item_id)),
        (at + 0.01, event("response.created", response=ResponseBody(id=response_id))),
        (at + 0.1, event("response.output_audio.delta", item_id="item_a", response_id=response_id, delta=delta)),
        (at + 0.11, event("response.done", response=ResponseBody(id=response_id, status="completed"))),
    ]


def test_the_clip_is_spoken_where_the_log_says(clip: Clip) -> None:
    person = Person([clip], Habits(turns=1, start_after_s=1.0, answer_timeout_s=0.5))
    heard, _ = run(person)
    [log] = person.turns
    assert speech_span(heard) == pytest.approx((log.speech_start_at, log.speech_end_at), abs=0.011)
    assert log.speech_start_at == pytest.approx(1.1, abs=FRAME_S)


def test_silence_forever_does_not_hold_the_schedule_up(clip: Clip) -> None:
    person = Person([clip], Habits(turns=3, start_after_s=0.0, gap_s=1.0, answer_timeout_s=10.0))
    _, ended_s = run(person)
    starts = [log.speech_start_at for log in person.turns]
    assert np.diff(starts) == pytest.approx([11.6, 11.6], abs=2 * FRAME_S)
    assert ended_s < 36


def test_a_turn_follows_the_played_answer_and_a_gap(clip: Clip) -> None:
    person = Person([clip], Habits(turns=2, start_after_s=0.0, gap_s=1.0, answer_timeout_s=3.0))
    run(person, answer_events(at=0.9))
    first, second = person.turns
    assert first.answers[0].audible_at == pytest.approx(1.0)
    # Heard from 1.0 to 1.5, a second of quiet, then the clip's own 0.1 s of silence.
    assert second.speech_start_at == pytest.approx(2.6, abs=2 * FRAME_S)


def test_a_failed_answer_is_not_waited_for(clip: Clip) -> None:
    person = Person([clip], Habits(turns=1, start_after_s=0.0, gap_s=0.5, answer_timeout_s=30.0))
    taken = answer_events(at=0.9)[:3]
    failed = (1.2, event("response.done", response=ResponseBody(id="resp_1", status="failed")))
    _, ended_s = run(person, [*taken, failed])
    assert ended_s < 3
    assert person.turns[0].answers[0].audible_at is None


def test_a_fixed_pace_does_not_wait_for_answers(clip: Clip) -> None:
    person = Person([clip], Habits(turns=4, start_after_s=0.0, turns_every_s=2.0, answer_timeout_s=1.0))
    run(person)
    starts = [log.speech_start_at for log in person.turns]
    assert np.diff(starts) == pytest.approx([2.0, 2.0, 2.0], abs=FRAME_S)


def test_a_pace_faster_than_speech_never_cuts_a_clip(clip: Clip) -> None:
    person = Person([clip], Habits(turns=3, start_after_s=0.0, turns_every_s=0.2, answer_timeout_s=0.5))
    run(person)
    assert all(np.diff([log.speech_start_at for log in person.turns]) >= clip.duration_s - FRAME_S)


def test_a_late_answer_is_not_taken_for_the_next_turns(clip: Clip) -> None:
    person = Person([clip], Habits(turns=2, start_after_s=0.0, gap_s=0.5, answer_timeout_s=1.0))
    late = answer_events(at=0.9)
    created_late = [(2.4, late[2][1]), (2.5, late[3][1]), (2.6, late[4][1])]
    run(person, [*late[:2], *created_late])
    first, second = person.turns
    assert second.speech_start_at < 2.4
    assert len(first.answers) == 1
    assert second.answers == []


def test_clips_come_once_each_before_any_comes_again() -> None:
    clips = [make_clip(name, np.concatenate((tone(0.2), silence(0.05)))) for name in "abcd"]
    person = Person(clips, Habits(turns=8, answer_timeout_s=0.1, gap_s=0.1), seed=3)
    run(person)
    names = [log.clip for log in person.turns]
    assert sorted(names[:4]) == sorted(names[4:]) == ["a", "b", "c", "d"]
    again = Person(clips, Habits(turns=8, answer_timeout_s=0.1, gap_s=0.1), seed=3)
    run(again)
    assert [log.clip for log in again.turns] == names


def test_room_noise_is_there_between_and_under_the_words(clip: Clip) -> None:
    person = Person([clip], Habits(turns=1, noise_dbfs=-50.0, answer_timeout_s=0.5))
    heard, _ = run(person)
    rms = np.sqrt(np.mean(np.square(heard[:4800].astype(float) / 32_768)))
    assert 20 * np.log10(rms) == pytest.approx(-50, abs=1)


def test_no_answer_to_the_long_wish_is_told(clip: Clip) -> None:
    person = Person([clip], Habits(turns=1, interrupt_share=1.0, answer_timeout_s=1.0))
    run(person)
    assert [each.ended for each in person.interruptions] == ["no answer"]


@pytest.mark.parametrize(("share", "times"), [(0.0, 0), (0.25, 2), (0.5, 4), (1.0, 8)])
def test_the_share_of_interruptions_is_kept(clip: Clip, share: float, times: int) -> None:
    for seed in range(5):
        habits = Habits(turns=8, interrupt_share=share, answer_timeout_s=0.1, gap_s=0.1)
        person = Person([clip], habits, seed=seed)
        run(person)
        assert len(person.interruptions) == times


def test_every_frame_is_whole(clip: Clip) -> None:
    person = Person([clip], Habits(turns=1, answer_timeout_s=0.5))
    for frame in range(200):
        pcm, _ = person.next_frame(frame * FRAME_S)
        assert len(pcm) == FRAME_SAMPLES

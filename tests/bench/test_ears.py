"""What a caller hears and does when it is told to lower, hold and resume an answer, event by event."""

from __future__ import annotations

import base64
import math

import pytest

from duologue.bench.ears import REPORT_EVERY_S, Ears
from duologue.bench.turns.listener import Listener
from duologue.bench.wire import ResponseBody, ServerEvent
from tests.bench.standin import tone

PLAYOUT = "duologue.output_audio."


def event(kind: str, **fields: object) -> ServerEvent:
    return ServerEvent(type=kind, **fields)  # type: ignore[arg-type]


def sound(seconds: float) -> ServerEvent:
    delta = base64.b64encode(tone(seconds).tobytes()).decode()
    return event("response.output_audio.delta", item_id="item_a", response_id="resp_1", delta=delta)


def hearing(ears: Ears, *, seconds: float = 2.0) -> Ears:
    """From 1.0 on an answer of so many seconds is heard."""
    ears.expect_long_answer()
    ears.hear(event("response.created", response=ResponseBody(id="resp_1")), 0.9)
    ears.hear(sound(seconds), 1.0)
    return ears


def done(status: str) -> ServerEvent:
    return event("response.done", response=ResponseBody(id="resp_1", status=status))


def test_an_answer_that_was_held_ends_later() -> None:
    ears = hearing(Ears())
    ears.hear(event(PLAYOUT + "held", response_id="resp_1"), 1.5)
    answer = ears.long_answer
    assert answer is not None
    assert answer.play_ends_at == math.inf
    ears.hear(event(PLAYOUT + "resumed", response_id="resp_1"), 2.5)
    assert answer.play_ends_at == pytest.approx(4.0)
    assert [change.what for change in ears.changes] == ["held", "resumed"]


def test_an_answer_that_begins_while_held_is_audible_when_it_is_resumed() -> None:
    ears = Ears()
    ears.expect_long_answer()
    ears.hear(event(PLAYOUT + "held", response_id="resp_1"), 0.5)
    ears.hear(event("response.created", response=ResponseBody(id="resp_1")), 0.9)
    ears.hear(sound(1.0), 1.0)
    ears.hear(event(PLAYOUT + "resumed", response_id="resp_1"), 2.0)
    assert ears.long_answer is not None
    assert ears.long_answer.audible_at == pytest.approx(2.0)
    assert ears.long_answer.play_ends_at == pytest.approx(3.0)


def test_speech_started_silences_what_is_held_and_tells_its_place() -> None:
    ears = hearing(Ears())
    ears.hear(event(PLAYOUT + "lowered", response_id="resp_1", gain=0.2), 1.4)
    ears.hear(event(PLAYOUT + "held", response_id="resp_1"), 1.6)
    [truncate] = ears.hear(event("input_audio_buffer.speech_started", item_id="item_u"), 2.2)
    assert truncate["audio_end_ms"] == pytest.approx(600, abs=1)
    assert [change.what for change in ears.changes] == ["lowered", "held", "flushed"]


def test_an_answer_that_is_cancelled_while_held_is_not_waited_for() -> None:
    ears = hearing(Ears())
    ears.hear(event(PLAYOUT + "held", response_id="resp_1"), 1.5)
    [truncate] = ears.hear(done("cancelled"), 1.7)
    assert truncate["audio_end_ms"] == pytest.approx(500, abs=1)
    assert not ears.speaker.is_playing(1.8)


def test_what_was_played_is_reported_now_and_then_and_only_while_something_is() -> None:
    ears = hearing(Ears(), seconds=0.5)
    [first] = ears.report(1.1)
    assert (first["item_id"], first["audio_end_ms"]) == ("item_a", 100)
    assert ears.report(1.1 + REPORT_EVERY_S / 2) == []
    assert len(ears.report(1.1 + REPORT_EVERY_S)) == 1
    assert ears.report(2.0) == []


def test_a_listener_knows_where_each_phrase_begins_and_whether_all_of_it_came() -> None:
    heard = Listener()
    hearing(heard)
    words = {"item_id": "item_a", "response_id": "resp_1"}
    heard.hear(event("response.output_audio_transcript.delta", delta="And so on. ", **words), 1.1)
    heard.hear(sound(0.5), 1.1)
    said = heard.said["item_a"]
    assert [(phrase.text, phrase.starts_ms) for phrase in said.phrases] == [("And so on. ", 2000.0)]
    heard.hear(event("response.output_audio.done", **words), 1.2)
    heard.hear(done("cancelled"), 1.2)
    assert (said.sent_ms, said.is_whole) == (2500.0, False)
    heard.hear(done("completed"), 1.3)
    assert said.is_whole

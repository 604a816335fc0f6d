"""Speech probabilities into onsets and pauses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from duologue.engines.base import VAD_WINDOW_SAMPLES as WINDOW
from duologue.session.vad import HYSTERESIS, Calmed, Onset, Pause, SpeechGate, Suspected, Suspicion


def _run(probs: list[float], gate: SpeechGate | None = None) -> list[Onset | Pause]:
    gate = gate or SpeechGate()
    events = [gate.push(prob, (i + 1) * WINDOW) for i, prob in enumerate(probs)]
    return [event for event in events if event is not None]


def test_one_loud_window_is_a_click() -> None:
    assert _run([0, 1, 0, 1, 0, 0]) == []


def test_speech_begins_with_the_first_of_two_loud_windows() -> None:
    assert _run([0, 0, 1, 1]) == [Onset(2 * WINDOW)]


def test_speech_ends_where_it_was_last_heard() -> None:
    assert _run([1, 1, 1, 0, 0, 0]) == [Onset(0), Pause(3 * WINDOW)]


def test_two_quiet_windows_are_no_pause() -> None:
    assert _run([1, 1, 0, 0, 1, 1]) == [Onset(0)]


def test_a_voice_that_wavers_about_the_threshold_does_not_flicker() -> None:
    assert _run([0.6, 0.6, *[0.5 - HYSTERESIS + 0.01, 0.51] * 20]) == [Onset(0)]


def test_below_the_threshold_nothing_begins() -> None:
    assert _run([0.49] * 50) == []


def test_the_threshold_can_change_in_mid_stream() -> None:
    gate = SpeechGate(0.9)
    assert _run([0.8] * 4, gate) == []
    gate.threshold = 0.7
    assert _run([0.8] * 2, gate) == [Onset(0)]


@given(st.lists(st.floats(0, 1), max_size=200), st.floats(0.2, 0.9))
def test_onsets_and_pauses_alternate_in_time(probs: list[float], threshold: float) -> None:
    events = _run(probs, SpeechGate(threshold))
    assert [type(event) for event in events] == [Onset, Pause] * (len(events) // 2) + [Onset] * (len(events) % 2)
    moments = [event.at for event in events]
    assert moments == sorted(moments)
    assert all(0 <= at <= len(probs) * WINDOW for at in moments)


def _suspicions(probs: list[float]) -> list[Suspected | Calmed]:
    suspicion = Suspicion()
    found = (suspicion.push(prob, (i + 1) * WINDOW) for i, prob in enumerate(probs))
    return [event for event in found if event is not None]


def test_one_doubtful_window_is_enough_for_a_suspicion() -> None:
    assert _suspicions([0.0, 0.12, 0.3, 0.05]) == [Suspected(512), Calmed(4 * 512)]


def test_false_suspicions_make_it_slower_to_suspect_for_a_while() -> None:
    noise = [0.15, 0.0] * 10
    assert len(_suspicions(noise)) == 2
    calm = [0.0] * 400
    assert len(_suspicions([*noise, *calm, *noise])) == 4
    assert _suspicions([*noise, 0.6])[-1] == Suspected(20 * 512)


def test_a_hum_that_is_never_quite_speech_is_soon_let_be() -> None:
    hum = [0.3] * 300
    found = _suspicions(hum)
    assert len(found) <= 6
    assert isinstance(found[-1], Calmed)
    assert found[-1].at <= 40 * WINDOW

"""One answer at its listener: how loud, from which sample, and what sounded there when."""

from __future__ import annotations

import numpy as np
import pytest

from duologue.audio.frame import VOICE_RATE_HZ, Int16
from duologue.events import Event, PlayoutCleared, PlayoutHeld, PlayoutLowered, PlayoutResumed, PlayoutStarted
from duologue.items import Message, Part
from duologue.session.given import Given
from duologue.session.history import Entry
from duologue.session.listening import LOWERED_GAIN, Listening

pytestmark = pytest.mark.anyio


def _tone(ms: float, hz: float = 400.0) -> Int16:
    time = np.arange(round(ms * VOICE_RATE_HZ / 1000)) / VOICE_RATE_HZ
    return (np.sin(2 * np.pi * hz * time) * 8_000).astype(np.int16)


class _Told(list[Event]):
    def names(self) -> list[str]:
        return [type(event).__name__.removeprefix("Playout") for event in self]


def _listening(told: _Told, before: Listening | None = None, *, holds_sound: bool = True) -> Listening:
    return Listening("resp", told.append, before, holds_sound=holds_sound)


def _given(length_ms: float) -> Given:
    message = Message(id="item", role="assistant", parts=(Part(kind="output_audio", text=""),))
    return Given(Entry(message), 0, None, length_ms=length_ms)


async def test_lowered_held_and_resumed_are_told_once_each() -> None:
    told = _Told()
    listening = _listening(told)
    listening.send(_tone(1_000), 10.0)
    listening.lower(10.1)
    listening.hold(10.2)
    listening.hold(10.3)
    listening.resume(10.5)
    listening.resume(10.6)
    assert told.names() == ["Started", "Lowered", "Held", "Resumed"]
    assert isinstance(told[1], PlayoutLowered)
    assert told[1].gain == LOWERED_GAIN
    assert listening.playout.ends_at_s == pytest.approx(11.3)
    assert listening.heard_out.deadline == pytest.approx(11.3)


async def test_from_held_it_may_be_heard_quietly_again() -> None:
    told = _Told()
    listening = _listening(told)
    listening.send(_tone(1_000), 10.0)
    listening.hold(10.2)
    listening.lower(10.4)
    listening.resume(10.5)
    assert told.names() == ["Started", "Held", "Lowered", "Resumed"]
    assert listening.playout.heard_ms(10.5) == pytest.approx(300)


async def test_what_a_client_holds_itself_goes_on() -> None:
    told = _Told()
    listening = _listening(told, holds_sound=False)
    listening.send(_tone(1_000), 10.0)
    listening.lower(10.1)
    listening.hold(10.2)
    listening.resume(10.5)
    assert told.names() == ["Started"]
    assert listening.playout.heard_ms(10.5) == pytest.approx(500)


async def test_what_has_not_begun_to_sound_is_held_without_a_word() -> None:
    told = _Told()
    first = _listening(told)
    first.send(_tone(1_000), 10.0)
    second = _listening(told, first)
    second.send(_tone(1_000), 10.1)
    for each in (first, second):
        each.hold(10.5)
    for each in (first, second):
        each.resume(10.9)
    assert told.names() == ["Started", "Held", "Resumed"]
    assert second.playout.began_at_s == pytest.approx(11.4)
    first.end([], 11.4)
    assert [type(event) for event in told[-1:]] == [PlayoutStarted]


async def test_cut_off_while_held_it_was_heard_up_to_there() -> None:
    told = _Told()
    listening = _listening(told)
    length_ms = listening.send(_tone(1_000), 10.0)
    listening.hold(10.25)
    listening.note_interruption(10.1, 10.6)
    listening.end([_given(length_ms)], 10.6)
    listening.end([_given(length_ms)], 10.7)
    cleared = told[-1]
    assert isinstance(cleared, PlayoutCleared)
    assert cleared.heard_ms == pytest.approx(250, abs=1)
    assert cleared.stop_ms == pytest.approx(500)
    assert told.names() == ["Started", "Held", "Cleared"]
    assert isinstance(told[1], PlayoutHeld)


async def test_what_sounded_between_two_moments() -> None:
    listening = _listening(_Told())
    listening.send(_tone(500), 10.0)
    listening.send(_tone(500, 800.0), 10.3)
    sound = listening.between(9.9, 10.2)
    assert len(sound) == pytest.approx(4_800, abs=2)
    assert np.abs(sound[:1_500]).max() < 0.01, "nothing sounded yet"
    assert np.abs(sound[1_700:]).max() == pytest.approx(8_000 / 32_768, rel=0.05)
    later = np.fft.rfft(listening.between(10.6, 10.8))
    assert np.abs(later).argmax() * 5 == pytest.approx(800, abs=5)
    assert not listening.between(11.2, 11.4).any()


async def test_what_is_held_did_not_sound_and_what_is_lowered_sounded_quietly() -> None:
    told = _Told()
    listening = _listening(told)
    listening.send(_tone(1_000), 10.0)
    listening.hold(10.3)
    assert not listening.between(10.35, 10.5).any()
    listening.lower(10.6)
    loudest = np.abs(listening.between(10.65, 10.8)).max()
    assert loudest == pytest.approx(LOWERED_GAIN * 8_000 / 32_768, rel=0.05)
    listening.resume(10.8)
    assert isinstance(told[-1], PlayoutResumed)


async def test_only_the_last_seconds_are_kept() -> None:
    listening = _listening(_Told())
    for second in range(60):
        listening.send(_tone(1_000), 10.0 + second)
    assert len(listening._kept) <= 5


async def test_a_listener_who_is_late_is_waited_for() -> None:
    listening = _listening(_Told())
    listening.send(_tone(1_000), 10.0)
    listening.correct(200, 10.5)
    assert listening.heard_out.deadline == pytest.approx(11.3)

"""How far a client has played: told only by those who asked to be obeyed in turn."""

from __future__ import annotations

from typing import Any

import pytest

from duologue.events import PlayoutReached
from duologue.items import SessionConfig
from duologue.protocols.openai_realtime.protocol import RealtimeProtocol
from tests.protocols.exchange import fault, protocol, tell, update

KIND = "duologue.output_audio.played"
PLAYED: dict[str, Any] = {"type": KIND, "event_id": "e1", "item_id": "a1", "audio_end_ms": 1280}


@pytest.fixture
def obeys() -> RealtimeProtocol:
    return RealtimeProtocol("house", SessionConfig(), now_s=0, with_playout=True)


def test_it_is_told_to_the_session(obeys: RealtimeProtocol) -> None:
    assert tell(obeys, PLAYED) == PlayoutReached(item_id="a1", heard_ms=1280, ref="e1")


def test_to_others_it_is_an_event_that_does_not_exist() -> None:
    error = fault(protocol(), PLAYED)
    assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "type", "e1")
    assert KIND not in error["message"].partition("Supported values are:")[2]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"audio_end_ms": -1}, "audio_end_ms"),
        ({"audio_end_ms": 12.5}, "audio_end_ms"),
        ({"audio_end_ms": 10**9}, "audio_end_ms"),
        ({"audio_end_ms": "1280"}, "audio_end_ms"),
        ({"audio_end_ms": None}, "audio_end_ms"),
        ({"item_id": 7}, "item_id"),
        ({"item_id": "a" * 600}, "item_id"),
    ],
)
def test_what_does_not_fit_is_answered(obeys: RealtimeProtocol, change: dict[str, Any], param: str) -> None:
    error = fault(obeys, {**PLAYED, **change})
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", "invalid_value", param)


@pytest.mark.parametrize("absent", ["item_id", "audio_end_ms"])
def test_what_is_missing_is_named(obeys: RealtimeProtocol, absent: str) -> None:
    error = fault(obeys, {key: value for key, value in PLAYED.items() if key != absent})
    assert (error["code"], error["param"]) == ("missing_required_parameter", absent)


def test_whoever_asked_is_told_of_it_among_what_exists(obeys: RealtimeProtocol) -> None:
    assert KIND in fault(obeys, {"type": "nonsense"})["message"]


def test_in_a_transcription_session_nothing_is_played(obeys: RealtimeProtocol) -> None:
    update(obeys, type="transcription")
    assert fault(obeys, PLAYED)["param"] == "type"

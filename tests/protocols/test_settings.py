"""What a ``session.update`` changes, and that it changes nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from duologue.events import Configure
from duologue.items import SessionConfig, TurnDetection
from duologue.protocols.openai_realtime.protocol import RealtimeProtocol
from tests.protocols.exchange import exchange, fault, protocol, update


def _detect(wire: RealtimeProtocol, detection: object) -> dict[str, Any]:
    shown = update(wire, audio={"input": {"turn_detection": detection}})
    return shown["audio"]["input"]["turn_detection"]  # type: ignore[no-any-return]


def test_null_turns_turn_detection_off_and_nothing_else() -> None:
    wire = protocol()
    before = update(wire, audio={"input": {"transcription": {"model": "whisper-1", "language": "en"}}})
    after = update(wire, audio={"input": {"turn_detection": None}})
    assert after["audio"]["input"].pop("turn_detection") is None
    assert before["audio"]["input"].pop("turn_detection") is not None
    assert after == before
    assert wire.config().turn_detection is None
    assert wire.config().show_transcript
    assert wire.config().language == "en"


def test_the_same_kind_keeps_what_was_set() -> None:
    wire = protocol()
    _detect(wire, {"type": "server_vad", "threshold": 0.7, "silence_duration_ms": 300})
    shown = _detect(wire, {"type": "server_vad", "prefix_padding_ms": 100})
    assert (shown["threshold"], shown["silence_duration_ms"], shown["prefix_padding_ms"]) == (0.7, 300, 100)
    turns = wire.config().turn_detection
    assert turns is not None
    assert (turns.threshold, turns.silence_ms, turns.prefix_padding_ms) == (0.7, 300, 100)


def test_without_a_kind_it_is_the_kind_that_was() -> None:
    wire = protocol()
    _detect(wire, {"type": "semantic_vad", "eagerness": "low"})
    shown = _detect(wire, {"create_response": False})
    assert (shown["type"], shown["eagerness"], shown["create_response"]) == ("semantic_vad", "low", False)


@pytest.mark.parametrize("between", [{"type": "semantic_vad"}, None])
def test_another_kind_starts_anew(between: object) -> None:
    wire = protocol()
    first = _detect(wire, {"type": "server_vad"})
    _detect(wire, {"type": "server_vad", "threshold": 0.9, "silence_duration_ms": 1_900, "create_response": False})
    _detect(wire, between)
    assert _detect(wire, {"type": "server_vad"}) == first
    assert wire.config().turn_detection == TurnDetection(silence_ms=None)


def test_semantic_vad_shows_its_defaults() -> None:
    shown = _detect(protocol(), {"type": "semantic_vad"})
    assert shown == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }


@pytest.mark.parametrize(
    ("eagerness", "max_wait_ms"), [("low", 8_000), ("medium", 4_000), ("high", 2_000), ("auto", 4_000)]
)
def test_eagerness_bounds_the_wait(eagerness: str, max_wait_ms: int) -> None:
    wire = protocol()
    _detect(wire, {"type": "semantic_vad", "eagerness": eagerness})
    turns = wire.config().turn_detection
    assert turns is not None
    assert turns.max_wait_ms == max_wait_ms


def test_an_idle_timeout_can_be_taken_back() -> None:
    wire = protocol()
    assert _detect(wire, {"idle_timeout_ms": 6_000})["idle_timeout_ms"] == 6_000
    assert _detect(wire, {"idle_timeout_ms": None})["idle_timeout_ms"] is None


def test_a_silence_is_a_rule_only_when_the_client_asks_for_it() -> None:
    wire = protocol()
    assert wire.config().turn_detection == TurnDetection(silence_ms=None)
    _detect(wire, {"type": "server_vad", "silence_duration_ms": 500})
    assert wire.config().turn_detection == TurnDetection(silence_ms=500)


def test_null_turns_transcripts_off() -> None:
    wire = protocol()
    update(wire, audio={"input": {"transcription": {"model": "gpt-4o-mini-transcribe"}}})
    assert wire.config().show_transcript
    update(wire, audio={"input": {"transcription": None, "noise_reduction": None}})
    assert not wire.config().show_transcript


def test_empty_values_clear() -> None:
    wire = protocol(instructions="be kind")
    tool = {"type": "function", "name": "f", "parameters": {}}
    assert update(wire, tools=[tool])["tools"] == [tool]
    shown = update(wire, instructions="", tools=[])
    assert (shown["instructions"], shown["tools"]) == ("", [])
    assert wire.config().instructions == ""


def test_everything_at_once_reaches_the_session() -> None:
    wire = protocol()
    event = {
        "type": "session.update",
        "event_id": "e1",
        "session": {
            "type": "realtime",
            "instructions": "be brief",
            "output_modalities": ["text"],
            "max_output_tokens": 99,
            "audio": {
                "input": {"transcription": {"model": "x", "language": "en"}, "turn_detection": None},
                "output": {"voice": "ash", "speed": 1.25},
            },
        },
    }
    (told,), _ = exchange(wire, event)
    config = SessionConfig(
        instructions="be brief",
        modality="text",
        max_output_tokens=99,
        show_transcript=True,
        language="en",
        turn_detection=None,
        voice="ash",
        speed=1.25,
    )
    assert told == Configure(config=config, ref="e1")


@pytest.mark.parametrize(
    "change",
    [
        {"tracing": "auto"},
        {"tracing": None},
        {"model": "gpt-realtime-2.1", "tracing": {"workflow_name": "w"}},
        {"prompt": None},
        {"prompt": {"id": "p"}},
        {"truncation": "disabled"},
        {"truncation": {"type": "retention_ratio", "retention_ratio": 0.8}},
        {"include": ["item.input_audio_transcription.logprobs"]},
        {"tool_choice": None},
        {"tools": None},
        {"reasoning": {"effort": "low"}, "parallel_tool_calls": True},
        {"max_output_tokens": "inf"},
        {"something": {"nobody": ["knows"]}},
        {"audio": None},
        {"audio": {"input": None, "output": None, "middle": 5}},
        {"audio": {"input": {"noise_reduction": {"type": "near_field", "strength": 1}}}},
        {"audio": {"input": {"noise_reduction": None, "transcription": None}}},
        {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 24_000}}}},
        {"audio": {"input": {"turn_detection": {"type": "server_vad", "future": 1, "threshold": None}}}},
        {"audio": {"output": {"voice": {"id": "voice_1"}}}},
        {"audio": {"output": {"voice": None, "speed": None, "format": None}}},
    ],
)
def test_what_is_never_an_error(change: dict[str, Any]) -> None:
    shown = update(protocol(), **change)
    assert shown["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}


def test_what_is_only_kept_is_echoed() -> None:
    shown = update(protocol(), tracing="auto", truncation="disabled", tool_choice="none", prompt={"id": "p"})
    assert (shown["tracing"], shown["truncation"], shown["tool_choice"]) == ("auto", "disabled", "none")
    assert shown["prompt"] == {"id": "p"}


def _input(**change: Any) -> dict[str, Any]:
    return {"audio": {"input": change}}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"type": "transcription"}, "session.type"),
        ({"type": []}, "session.type"),
        ({"instructions": 5}, "session.instructions"),
        ({"output_modalities": ["audio", "text"]}, "session.output_modalities"),
        ({"output_modalities": "audio"}, "session.output_modalities"),
        ({"max_output_tokens": 0}, "session.max_output_tokens"),
        ({"max_output_tokens": True}, "session.max_output_tokens"),
        ({"max_output_tokens": 10**30}, "session.max_output_tokens"),
        ({"tools": 5}, "session.tools"),
        ({"audio": 5}, "session.audio"),
        ({"audio": {"input": []}}, "session.audio.input"),
        (_input(transcription=False), "session.audio.input.transcription"),
        (_input(transcription={"language": 5}), "session.audio.input.transcription.language"),
        (_input(noise_reduction="near_field"), "session.audio.input.noise_reduction"),
        (_input(format={"type": "audio/opus"}), "session.audio.input.format"),
        (_input(format={"type": "audio/pcm", "rate": 16_000}), "session.audio.input.format"),
        (_input(turn_detection="server_vad"), "session.audio.input.turn_detection"),
        (_input(turn_detection={"type": "magic"}), "session.audio.input.turn_detection.type"),
        (_input(turn_detection={"type": []}), "session.audio.input.turn_detection.type"),
        (
            _input(turn_detection={"type": "semantic_vad", "eagerness": {}}),
            "session.audio.input.turn_detection.eagerness",
        ),
        (_input(turn_detection={"threshold": 1.5}), "session.audio.input.turn_detection.threshold"),
        (_input(turn_detection={"silence_duration_ms": -1}), "session.audio.input.turn_detection.silence_duration_ms"),
        (_input(turn_detection={"idle_timeout_ms": "soon"}), "session.audio.input.turn_detection.idle_timeout_ms"),
        (_input(turn_detection={"create_response": "yes"}), "session.audio.input.turn_detection.create_response"),
        ({"audio": {"output": {"speed": 9}}}, "session.audio.output.speed"),
        ({"audio": {"output": {"voice": 5}}}, "session.audio.output.voice"),
        ({"audio": {"output": {"voice": {"name": "x"}}}}, "session.audio.output.voice"),
    ],
)
def test_an_update_that_cannot_be_changes_nothing(change: dict[str, Any], param: str) -> None:
    wire = protocol()
    before = update(wire, instructions="before")
    config = wire.config()
    session = {"type": "realtime", "tracing": "auto", "voice": "x", **change}
    session.setdefault("instructions", "after")
    error = fault(wire, {"type": "session.update", "event_id": "e2", "session": session})
    assert (error["param"], error["event_id"], error["code"]) == (param, "e2", "invalid_value")
    assert update(wire) == before
    assert wire.config() == config

"""Addresses and events, without a socket."""

from __future__ import annotations

import base64
import json

import msgspec
import numpy as np
import pytest

from duologue.bench.wire import ServerEvent, WireError, encode_append, realtime_url


@pytest.mark.parametrize(
    ("typed", "dialled"),
    [
        ("localhost:8710", "ws://localhost:8710/v1/realtime?model=m"),
        ("http://localhost:8710/", "ws://localhost:8710/v1/realtime?model=m"),
        ("https://voice.example/v1", "wss://voice.example/v1/realtime?model=m"),
        ("https://voice.example/proxy", "wss://voice.example/proxy/v1/realtime?model=m"),
        ("wss://voice.example/v1/realtime?x=1", "wss://voice.example/v1/realtime?x=1&model=m"),
    ],
)
def test_what_people_type_becomes_the_address(typed: str, dialled: str) -> None:
    assert realtime_url(typed, "m") == dialled


def test_no_model_is_no_parameter() -> None:
    assert realtime_url("localhost:1", None) == "ws://localhost:1/v1/realtime"


@pytest.mark.parametrize("typed", ["ftp://host", "http://", ""])
def test_other_addresses_are_refused(typed: str) -> None:
    with pytest.raises(WireError, match="no address of a server"):
        realtime_url(typed, None)


def test_sound_goes_there_and_back() -> None:
    pcm = np.array([0, 1, -1, 32_767, -32_768], dtype=np.int16)
    sent = json.loads(encode_append(pcm))
    assert sent["type"] == "input_audio_buffer.append"
    event = ServerEvent(type="response.output_audio.delta", delta=sent["audio"])
    assert event.audio().tolist() == pcm.tolist()


def test_half_a_sample_is_dropped_and_nonsense_is_told() -> None:
    odd = base64.b64encode(b"\x01\x00\x02").decode()
    assert ServerEvent(type="x", delta=odd).audio().tolist() == [1]
    with pytest.raises(WireError, match="not base64"):
        ServerEvent(type="x", delta="a").audio()


def test_unknown_events_and_fields_are_no_trouble() -> None:
    event = msgspec.json.decode(b'{"type":"rate_limits.updated","rate_limits":[{}],"item":{}}', type=ServerEvent)
    assert event.type == "rate_limits.updated"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b'{"type":"error","error":{"code":"invalid_value","message":"no"}}', "invalid_value: no"),
        (b'{"type":"error","error":"boom"}', "boom"),
        (
            b'{"type":"response.done","response":{"id":"r","status":"failed",'
            b'"status_details":{"error":{"code":"engine_lost","message":"gone"}}}}',
            "engine_lost: gone",
        ),
    ],
)
def test_complaints_in_words(raw: bytes, words: str) -> None:
    assert msgspec.json.decode(raw, type=ServerEvent).complaint() == words

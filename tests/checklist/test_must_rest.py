"""MUST 22: the REST endpoints."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from duologue.audio.codec import encode_pcm16
from duologue.engines.wav import to_wav
from tests.checklist.house import WORD_S, House, housing, sound_of
from tests.server.asking import KEY, bearer
from tests.server.rest.house import events, hum

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def house(anyio_backend: str) -> AsyncIterator[House]:
    async with housing(api_key=KEY) as shared:
        yield shared


@pytest.fixture
async def http(house: House) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=house.server.http, headers=bearer(KEY), timeout=10.0) as client:
        yield client


# --- 22 ---------------------------------------------------------------------------------------------------------------


async def test_must_22_transcriptions_in_every_format(http: httpx2.AsyncClient) -> None:
    async def post(**form: Any) -> httpx2.Response:
        file = {"file": ("a.wav", io.BytesIO(to_wav(hum(1.0))), "audio/wav")}
        found = await http.post("/v1/audio/transcriptions", files=file, data={"model": "whisper-1", **form})
        assert found.status_code == 200, found.text
        return found

    # The hum of these tests is nearest to the voice that says this.
    text = (await post()).json()["text"]
    assert text
    assert (await post(response_format="json")).json()["text"] == text
    assert (await post(response_format="text")).text == f"{text}\n"
    assert (await post(response_format="srt")).text.startswith("1\n00:00:00,000 --> 00:00:01,000\n")
    assert (await post(response_format="vtt")).text.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n")
    words_too = await post(**{"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]})
    verbose = words_too.json()
    assert {"duration", "language", "text", "words", "segments"} <= verbose.keys()
    assert (verbose["text"], verbose["duration"], len(verbose["words"])) == (text, 1.0, len(text.split()))
    streamed = await post(stream="true")
    assert streamed.headers["content-type"].startswith("text/event-stream")
    *deltas, done = events(streamed.text)
    assert {event["type"] for event in deltas} == {"transcript.text.delta"}
    assert (done["type"], done["text"]) == ("transcript.text.done", text)
    assert "".join(event["delta"] for event in deltas) == text


async def test_must_22_speech_in_every_format(http: httpx2.AsyncClient) -> None:
    async def post(**more: Any) -> httpx2.Response:
        body = {"model": "tts-1", "voice": "alloy", "input": "Good morning to you.", **more}
        found = await http.post("/v1/audio/speech", json=body)
        assert found.status_code == 200, found.text
        return found

    assert (await post()).headers["content-type"] == "audio/mpeg"
    begins = {"wav": b"RIFF", "flac": b"fLaC", "opus": b"OggS", "aac": b"\xff\xf1", "mp3": b""}
    for kind, begin in begins.items():
        assert (await post(response_format=kind)).content.startswith(begin), kind
    pcm = encode_pcm16(sound_of(4 * WORD_S))
    spoken = await post(response_format="pcm")
    assert spoken.content == pcm
    assert "content-length" not in spoken.headers, "it is streamed"
    assert (await post(response_format="pcm", voice={"id": "tone"}, speed=4, instructions="Softly.")).content
    streamed = await post(response_format="pcm", stream_format="sse")
    *deltas, done = events(streamed.text)
    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    assert (done["type"], "usage" in done) == ("speech.audio.done", True)


async def test_must_22_models_are_listed(http: httpx2.AsyncClient) -> None:
    listed = (await http.get("/v1/models")).json()
    assert (listed["object"], len(listed["data"]) > 0) == ("list", True)
    for model in listed["data"]:
        assert (model["object"], type(model["id"]), type(model["created"])) == ("model", str, int)
        assert isinstance(model["owned_by"], str)
        assert (await http.get(f"/v1/models/{model['id']}")).json() == model


async def test_must_22_a_key_is_wanted_there_too(house: House) -> None:
    async with httpx2.AsyncClient(base_url=house.server.http) as stranger:
        for answered in (
            await stranger.get("/v1/models"),
            await stranger.post("/v1/audio/speech", json={"input": "Hello."}),
            await stranger.post("/v1/audio/transcriptions"),
            await stranger.post("/v1/realtime/client_secrets"),
            await stranger.post("/v1/realtime/calls"),
        ):
            assert (answered.status_code, answered.json()["error"]["code"]) == (401, "invalid_api_key")

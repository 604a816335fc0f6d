"""``/v1/audio/speech`` and ``/v1/models`` from a client's side."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import numpy as np
import pytest
from httpx2 import AsyncClient

from duologue.audio.codec import encode_pcm16
from duologue.engines.base import SpeakRequest, SpeechChunk
from duologue.engines.scripted import ScriptedSynthesizer, tone
from duologue.engines.speech.sound_input import sound_of
from duologue.engines.wav import WavReader
from duologue.errors import EngineError, EngineLost
from duologue.server.rest import work
from duologue.server.rest.encode import FORMATS, MEDIA_TYPES, encoder
from duologue.server.rest.speech import phrases_of
from tests.server.rest.house import engines, events, house

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_blocked_rest")]

PATH = "/audio/speech"
TWO = "Good morning to you all. This is the second sentence of it."


class _Voice(ScriptedSynthesizer):
    """Remembers what it was asked for. Loses its ``lost`` first phrases, and every one from ``fails_from`` on."""

    voices = ("anna", "bert", "carl:not", "en-us+f3")

    def __init__(self, lost: int = 0, fails_from: int = 1000) -> None:
        super().__init__(phrase_s=0.3)
        self.asked: list[SpeakRequest] = []
        self._lost, self._fails_from = lost, fails_from

    @asynccontextmanager
    async def stream(self, request: SpeakRequest) -> AsyncIterator[AsyncIterator[SpeechChunk]]:
        self.asked.append(request)
        if len(self.asked) <= self._lost:
            raise EngineLost("The process has gone.")
        if len(self.asked) > self._fails_from:
            raise EngineError("It failed.")
        async with super().stream(request) as chunks:
            yield chunks


def _house(voice: ScriptedSynthesizer, **more: Any) -> Any:
    client: Any = engines(tts=voice)
    client.voices = voice.voices
    return house(client, **more)


async def _error(response: httpx2.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    return error


@pytest.mark.parametrize("kind", FORMATS)
async def test_every_format(kind: str, http: AsyncClient) -> None:
    found = await http.post(PATH, json={"input": TWO, "voice": "alloy", "response_format": kind})
    assert found.headers["content-type"] == MEDIA_TYPES[kind]
    assert "content-length" not in found.headers
    if kind == "pcm":
        assert found.content == encode_pcm16(tone(0.3)) * 2
    else:
        sound = sound_of(found.content)
        # Codecs add up to 85 ms of silence at the ends.
        assert 0.59 < len(sound) / 16_000 < 0.7
        assert abs(int(np.argmax(np.abs(np.fft.rfft(sound, 16_000)))) - 440) <= 3


async def test_mp3_is_the_default(http: AsyncClient) -> None:
    assert (await http.post(PATH, json={"input": "Hello."})).headers["content-type"] == "audio/mpeg"


async def test_wav_of_unknown_length_is_read_to_its_end(http: AsyncClient) -> None:
    found = await http.post(PATH, json={"input": TWO, "response_format": "wav"})
    reader = WavReader()
    assert reader.feed(found.content) == encode_pcm16(tone(0.3)) * 2
    assert reader.rate_hz == 24_000


async def test_events(http: AsyncClient) -> None:
    found = await http.post(PATH, json={"input": TWO, "response_format": "pcm", "stream_format": "sse"})
    assert found.headers["content-type"].startswith("text/event-stream")
    *deltas, done = events(found.text)
    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    assert b"".join(base64.b64decode(event["audio"]) for event in deltas) == encode_pcm16(tone(0.3)) * 2
    assert (done["type"], set(done["usage"])) == (
        "speech.audio.done",
        {"input_tokens", "output_tokens", "total_tokens"},
    )


async def test_the_first_phrase_is_sent_before_the_second_is_made() -> None:
    class Halting(ScriptedSynthesizer):
        may_go_on = anyio.Event()
        phrases = 0

        @asynccontextmanager
        async def stream(self, request: SpeakRequest) -> AsyncIterator[AsyncIterator[SpeechChunk]]:
            self.phrases += 1
            if self.phrases == 2:
                await self.may_go_on.wait()
            async with super().stream(request) as chunks:
                yield chunks

    voice = Halting(phrase_s=0.5)
    async with _house(voice) as http:
        for kind in ("pcm", "mp3", "opus"):
            voice.phrases, voice.may_go_on = 0, anyio.Event()
            body = {"input": TWO, "response_format": kind}
            with anyio.fail_after(5):
                async with http.stream("POST", PATH, json=body) as response:
                    pieces = response.aiter_bytes()
                    assert await anext(pieces)
                    voice.may_go_on.set()
                    assert [piece async for piece in pieces]


async def test_phrases_voice_and_speed_reach_the_synthesizer() -> None:
    voice = _Voice()
    async with _house(voice) as http:
        await http.post(PATH, json={"input": TWO, "voice": "bert", "speed": 2, "model": "tts-1", "instructions": "x"})
    assert "".join(request.text for request in voice.asked) == TWO
    assert len(voice.asked) == 2
    assert {(request.voice, request.speed) for request in voice.asked} == {("bert", 2.0)}


@pytest.mark.parametrize(
    ("speed", "asked", "length_s"), [(0.25, 0.5, 1.2), (0.4, 0.5, 0.75), (0.5, 0.5, 0.6), (4, 4, 0.6)]
)
async def test_what_no_synthesizer_says_so_slowly_is_drawn_out(speed: float, asked: float, length_s: float) -> None:
    voice = _Voice()
    async with _house(voice) as http:
        body = {"input": TWO, "speed": speed, "response_format": "pcm"}
        found = await http.post(PATH, json=body)
    assert {request.speed for request in voice.asked} == {asked}
    sound = np.frombuffer(found.content, "<i2")
    assert len(sound) / 24_000 == pytest.approx(length_s, rel=0.02)
    # Not any deeper.
    assert abs(int(np.argmax(np.abs(np.fft.rfft(sound, 24_000)))) - 440) <= 3


@pytest.mark.parametrize(
    ("given", "spoken"),
    [
        ("", ""),
        ("anna", "anna"),
        ("alloy", ""),
        ("Marin", ""),
        ({"id": "bert"}, "bert"),
        ("en-us+f3", "en-us+f3"),
        ("anna:0.3+bert:0.7", "anna:0.3+bert:0.7"),
    ],
)
async def test_which_voice_speaks(given: Any, spoken: str) -> None:
    voice = _Voice()
    async with _house(voice) as http:
        assert (await http.post(PATH, json={"input": "Hello.", "voice": given})).status_code == 200
    assert voice.asked[0].voice == spoken


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        ({}, "input", "Missing required parameter: 'input'"),
        ({"input": "Hi", "voice": {}}, "voice.id", "Missing"),
        ({"input": ""}, "input", "nothing"),
        ({"input": " ... \n\x00"}, "input", "nothing"),
        ({"input": 7}, "input", "str"),
        ({"input": None}, "input", "str"),
        ({"input": "a" * 4097}, "input", "4096 are taken"),
        ({"input": "Hi", "voice": "dora"}, "voice", "anna, bert, carl:not"),
        ({"input": "Hi", "voice": "anna+dora"}, "voice", "there is no voice"),
        ({"input": "Hi", "voice": "../../etc/passwd"}, "voice", "there is no voice"),
        ({"input": "Hi", "voice": "x" * 100_000}, "voice", "there is no voice"),
        ({"input": "Hi", "voice": 3}, "voice", "Expected"),
        ({"input": "Hi", "response_format": "midi"}, "response_format", "mp3, opus"),
        ({"input": "Hi", "speed": 0.2}, "speed", "0.25 to 4"),
        ({"input": "Hi", "speed": 5}, "speed", "0.25 to 4"),
        ({"input": "Hi", "speed": "fast"}, "speed", "float"),
        ({"input": "Hi", "stream_format": "tape"}, "stream_format", "tape"),
    ],
)
async def test_what_cannot_be_spoken(body: dict[str, Any], param: str, said: str) -> None:
    async with _house(_Voice()) as http:
        error = await _error(await http.post(PATH, json=body), 400)
    assert (error["param"] or "") == param
    assert said in error["message"]
    assert len(error["message"]) < 300


@pytest.mark.parametrize("content", [b"", b"[]", b"nan", b'{"input": "a", "speed": NaN}', b"\xff", b"[" * 100_000])
async def test_bodies_that_are_none(content: bytes, http: AsyncClient) -> None:
    await _error(await http.post(PATH, content=content), 400)
    await _error(await http.post(PATH, content=b" " * 200_000), 413)


async def test_a_synthesizer_lost_before_its_first_sound_is_asked_again() -> None:
    voice = _Voice(lost=1)
    async with _house(voice) as http:
        found = await http.post(PATH, json={"input": "Hello.", "response_format": "pcm"})
    assert found.content == encode_pcm16(tone(0.3))


async def test_a_synthesizer_that_fails() -> None:
    async with _house(_Voice(lost=2)) as http:
        assert (await _error(await http.post(PATH, json={"input": "Hello."}), 502))["code"] == "engine_lost"
    async with _house(_Voice(fails_from=1)) as http:
        with pytest.raises(httpx2.RemoteProtocolError):
            await http.post(PATH, json={"input": TWO, "response_format": "pcm"})


async def test_a_client_that_hangs_up_is_not_spoken_to() -> None:
    class Endless(ScriptedSynthesizer):
        open = 0

        @asynccontextmanager
        async def stream(self, request: SpeakRequest) -> AsyncIterator[AsyncIterator[SpeechChunk]]:
            self.open += 1
            try:
                yield self._drip()
            finally:
                self.open -= 1

        async def _drip(self) -> AsyncIterator[SpeechChunk]:
            while True:
                yield SpeechChunk(tone(0.1))
                await anyio.sleep(0.01)

    voice = Endless()
    async with _house(voice) as http:
        async with http.stream("POST", PATH, json={"input": "Hello.", "response_format": "pcm"}) as response:
            await anext(response.aiter_bytes())
            assert voice.open == 1
        with anyio.fail_after(5):
            while voice.open:
                await anyio.sleep(0.01)


async def test_a_client_that_takes_nothing_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_UNREAD_S", 0.2)
    async with _house(ScriptedSynthesizer(phrase_s=60.0)) as http:
        port = http.base_url.port
        assert port is not None
        async with await anyio.connect_tcp("127.0.0.1", port) as raw:
            body = json.dumps({"input": TWO, "response_format": "pcm"})
            head = f"POST /v1{PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
            await raw.send((head + body).encode())
            with anyio.fail_after(5):
                while not getattr(http.app.state, "rooms", {}):  # type: ignore[attr-defined]
                    await anyio.sleep(0.01)
                while http.app.state.rooms["speech"].taken:  # type: ignore[attr-defined]
                    await anyio.sleep(0.01)


async def test_while_the_models_are_being_loaded() -> None:
    async with house(is_ready=False) as http:
        assert (await _error(await http.post(PATH, json={"input": "Hello."}), 503))["code"] == "warming_up"


def test_phrases_are_the_text() -> None:
    text = "Well, this is, as you know, the first sentence. " + "And another one of them. " * 100
    phrases = phrases_of(text)
    assert "".join(phrases).split() == text.split()
    assert len(phrases[0]) < 50
    assert max(map(len, phrases)) <= 250
    assert phrases_of("one\ttwo\x1b[31m") == ["one two [31m"]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_without_sound_is_a_file(kind: Any) -> None:
    file = encoder(kind)
    data = file.push(np.zeros(0, np.int16)) + file.finish()
    file.close()
    if kind in {"wav", "flac"}:
        assert len(sound_of(io.BytesIO(data).getvalue())) == 0


# --- models ---------------------------------------------------------------------------------------------------


async def test_models(http: AsyncClient) -> None:
    found = (await http.get("/models")).json()
    assert found["object"] == "list"
    assert [model["id"] for model in found["data"]] == ["duologue", "scripted-asr", "scripted-tts"]
    for model in found["data"]:
        assert (await http.get(f"/models/{model['id']}")).json() == model
        assert (model["object"], model["owned_by"], type(model["created"])) == ("model", "duologue", int)
    error = await _error(await http.get("/models/gpt-9/..%2Fx"), 404)
    assert error["code"] == "model_not_found"

"""MUST 1, 20, 22 and 23: who gets in and how, secrets for browsers, the REST endpoints, what a connection leaves."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import random
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidMessage, InvalidStatus

from duologue.audio.codec import encode_pcm16
from duologue.config import Settings
from duologue.engines.local import LocalEngines
from duologue.engines.scripted import (
    ScriptedChat,
    ScriptedSynthesizer,
    ScriptedTranscriber,
    ScriptedTurn,
    ScriptedVad,
)
from duologue.engines.wav import to_wav
from duologue.server import run
from duologue.session.session import Session
from tests.checklist.house import TRANSCRIPT, WORD_S, House, answer, ask, housing, sound_of, words
from tests.server.asking import KEY, bearer, offer
from tests.server.caller import Caller, calling, silence, voice
from tests.server.rest.house import events, hum
from tests.server.serving import until
from tests.server.webrtc.phone import Phone, listening

pytestmark = pytest.mark.anyio

WRONG = "wrong-key-77aa01"


@pytest.fixture(scope="module")
async def house(anyio_backend: str) -> AsyncIterator[House]:
    async with housing(api_key=KEY) as shared:
        yield shared


@pytest.fixture
async def http(house: House) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=house.server.http, headers=bearer(KEY), timeout=10.0) as client:
        yield client


# --- 1 ----------------------------------------------------------------------------------------------------------------


async def test_must_01_a_key_in_the_header_opens(house: House) -> None:
    async with calling(house.ws, additional_headers=bearer(KEY)) as caller:
        assert caller.socket.subprotocol is None
        assert caller.frames[0]["session"]["model"] == "gpt-realtime"
        assert (await answer(caller, "Hello."))["response"]["status"] == "completed"


async def test_must_01_a_key_as_subprotocol_opens_and_is_not_answered(house: House) -> None:
    for offered in (offer(KEY), offer(KEY)[::-1]):
        async with calling(house.ws, subprotocols=offered) as caller:
            assert caller.socket.subprotocol == "realtime"
            response = caller.socket.response
            assert response is not None
            assert KEY not in str(list(response.headers.raw_items()))
            assert response.headers.get_all("Sec-WebSocket-Protocol") == ["realtime"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"additional_headers": bearer(WRONG)},
        {"subprotocols": ["realtime"]},
        {"subprotocols": offer(WRONG)},
    ],
    ids=["none", "header", "subprotocol without key", "subprotocol"],
)
async def test_must_01_a_bad_key_is_refused_in_json_before_the_upgrade(house: House, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(house.ws, **options):
            pass
    response = caught.value.response
    assert response.status_code == 401
    assert response.headers["Content-Type"].startswith("application/json")
    error = json.loads(response.body)["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")
    assert error["message"]
    assert WRONG not in f"{response.body!r} {list(response.headers.raw_items())}"


# --- 20 ---------------------------------------------------------------------------------------------------------------

BOUND = {
    "type": "realtime",
    "model": "gpt-realtime-2.1",
    "instructions": "Speak of ships.",
    "audio": {"input": {"turn_detection": {"type": "semantic_vad"}}, "output": {"voice": "marin"}},
}


async def _secret(http: httpx2.AsyncClient, **more: Any) -> dict[str, Any]:
    made = await http.post("/v1/realtime/client_secrets", json={"session": BOUND, **more})
    assert made.status_code == 200, made.text
    body: dict[str, Any] = made.json()
    assert body["value"].startswith("ek_")
    assert isinstance(body["expires_at"], int)
    _check_bound(body["session"])
    return body


def _check_bound(session: dict[str, Any]) -> None:
    assert (session["object"], session["type"]) == ("realtime.session", "realtime")
    assert (session["instructions"], session["audio"]["output"]["voice"]) == ("Speak of ships.", "marin")
    assert session["audio"]["input"]["turn_detection"]["type"] == "semantic_vad"
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}


async def test_must_20_a_secret_opens_a_socket_with_its_session_several_times(
    house: House, http: httpx2.AsyncClient
) -> None:
    value = (await _secret(http))["value"]
    no_model = house.ws.partition("?")[0]
    ways: list[dict[str, Any]] = [{"additional_headers": bearer(value)}, {"subprotocols": offer(value)}]
    for options in ways:
        async with calling(no_model, **options) as caller:
            session = caller.frames[0]["session"]
            _check_bound(session)
            assert session["model"] == "gpt-realtime-2.1"
            assert (await answer(caller, "Hello."))["response"]["status"] == "completed"
            assert house.model.asked[-1].messages[0].content.startswith("Speak of ships.")
            # The client may change what it was given.
            assert (await caller.update(instructions="Speak of trains."))["instructions"] == "Speak of trains."


async def test_must_20_a_secret_opens_a_call_with_its_session(house: House, http: httpx2.AsyncClient) -> None:
    value = (await _secret(http))["value"]
    phone = Phone()
    phone.open_channel()
    headers = {**bearer(value), "Content-Type": "application/sdp"}
    answered = await http.post("/v1/realtime/calls", content=await phone.offer(), headers=headers)
    assert answered.status_code == 201, answered.text
    await phone.accept(answered.text)
    async with listening(phone):
        _check_bound((await phone.wait("session.created"))["session"])


async def test_must_20_an_expired_secret_opens_nothing(
    house: House, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await _secret(http, expires_after={"anchor": "created_at", "seconds": 10})
    secrets = house.server.state.secrets
    now_s = secrets._clock
    async with calling(house.ws, additional_headers=bearer(made["value"])) as caller:
        monkeypatch.setattr(secrets, "_clock", lambda: now_s() + 11)
        ways: list[dict[str, Any]] = [
            {"additional_headers": bearer(made["value"])},
            {"subprotocols": offer(made["value"])},
        ]
        for options in ways:
            with pytest.raises(InvalidStatus, match="401"):
                async with connect(house.ws, **options):
                    pass
        refused = await http.post("/v1/realtime/calls", content="v=0", headers=bearer(made["value"]))
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
        # A session that it has opened goes on.
        assert (await answer(caller, "Hello."))["response"]["status"] == "completed"


@pytest.mark.parametrize("seconds", [9, 7_201])
async def test_must_20_a_life_of_10_to_7200_seconds(http: httpx2.AsyncClient, seconds: int) -> None:
    refused = await http.post("/v1/realtime/client_secrets", json={"expires_after": {"seconds": seconds}})
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "expires_after.seconds"


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
        assert {"id", "object", "created", "owned_by"} <= model.keys()
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


# --- 23 ---------------------------------------------------------------------------------------------------------------


class SlowToLoad(ScriptedTranscriber):
    """Takes its time, in the way of models: it blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.may_end = threading.Event(), threading.Event()

    def load(self) -> None:
        self.is_asked.set()
        assert self.may_end.wait(10)


class SlowToWarmUp(ScriptedChat):
    """A chat server that loads its model at the first question."""

    def __init__(self) -> None:
        super().__init__()
        self.is_warming, self.may_end = anyio.Event(), anyio.Event()

    async def warm_up(self) -> None:
        self.is_warming.set()
        await self.may_end.wait()


@asynccontextmanager
async def _process(monkeypatch: pytest.MonkeyPatch, **parts: Any) -> AsyncIterator[tuple[int, anyio.Event]]:
    """``duologue serve`` in this loop: its port, and the event of being ready. ``parts``: stages and settings."""
    stages: dict[str, Any] = {
        "vad": ScriptedVad(),
        "turn": ScriptedTurn(),
        "asr": parts.pop("asr", ScriptedTranscriber()),
        "chat": parts.pop("chat", ScriptedChat()),
        "tts": ScriptedSynthesizer(phrase_s=0.3),
    }
    listener, is_ready = run.listen("127.0.0.1", 0), anyio.Event()

    async def assemble(_setup: object) -> LocalEngines:
        return LocalEngines(stages)

    servers: list[uvicorn.Server] = []

    class Server(uvicorn.Server):
        def __init__(self, config: uvicorn.Config) -> None:
            super().__init__(config)
            servers.append(self)

    monkeypatch.setattr(run, "assemble", assemble)
    monkeypatch.setattr(run, "listen", lambda *_: listener)
    monkeypatch.setattr(uvicorn, "Server", Server)
    settings = Settings(profile="scripted", **parts)
    with listener:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run.serve, settings, lambda *_: is_ready.set())
            await until(lambda: bool(servers) and servers[0].started)
            yield listener.getsockname()[1], is_ready
            servers[0].should_exit = True


async def test_must_23_tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    async with _process(monkeypatch, tls_self_signed=True) as (port, is_ready):
        await is_ready.wait()
        trusted = ssl.create_default_context(cafile=tmp_path / "duologue" / "certificate.pem")
        url = f"wss://localhost:{port}/v1/realtime?model=gpt-realtime"
        async with calling(url, ssl=trusted) as caller:
            assert (await answer(caller, "Hello."))["response"]["status"] == "completed"
        with pytest.raises(ssl.SSLCertVerificationError):
            async with connect(url):
                pass
        with pytest.raises((InvalidMessage, OSError)):
            async with connect(url.replace("wss", "ws")):
                pass


async def test_must_23_while_models_load_the_server_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    asr, chat = SlowToLoad(), SlowToWarmUp()
    async with _process(monkeypatch, asr=asr, chat=chat) as (port, is_ready):
        await until(asr.is_asked.is_set)
        url = f"ws://127.0.0.1:{port}/v1/realtime?model=gpt-realtime"
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5.0) as http:
            assert (await http.get("/healthz")).status_code == 200
            assert (await http.get("/readyz")).status_code == 503
        with pytest.raises(InvalidStatus) as caught:
            async with connect(url):
                pass
        assert caught.value.response.status_code == 503
        assert json.loads(caught.value.response.body)["error"]["code"] == "warming_up"
        assert not is_ready.is_set()
        asr.may_end.set()
        await is_ready.wait()
        # A chat server may load its model for minutes yet.
        await chat.is_warming.wait()
        async with calling(url) as caller:
            with anyio.fail_after(5):
                await (await caller.socket.ping())
            assert (await answer(caller, "Hello."))["response"]["status"] == "completed"
        chat.may_end.set()


async def test_must_23_a_socket_is_pinged_back_while_it_speaks(house: House) -> None:
    async with calling(house.ws, additional_headers=bearer(KEY)) as caller:
        await ask(caller, "Tell me a story.")
        await caller.wait("response.output_audio.delta", 2)
        with anyio.fail_after(5):
            await (await caller.socket.ping(b"are you there"))


def _reset(client: ClientConnection) -> None:
    """Vanish: no close frame, no FIN, a TCP reset."""
    raw = client.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.transport.abort()


async def _nothing(_caller: Caller) -> None:
    return


async def _configuring(caller: Caller) -> None:
    await caller.send("session.update", session={"type": "realtime", "instructions": "Be brief."})


async def _speaking(caller: Caller) -> None:
    await caller.append(voice(0.5))
    await caller.wait("input_audio_buffer.speech_started")


async def _pausing(caller: Caller) -> None:
    await caller.append(voice(0.5) + silence(0.15))


async def _waiting(caller: Caller) -> None:
    await caller.append(voice(0.5) + silence(0.6))
    await caller.wait("input_audio_buffer.committed")


async def _listening(caller: Caller) -> None:
    await ask(caller, "Tell me a story.")
    await caller.wait("response.output_audio.delta")


async def _interrupting(caller: Caller) -> None:
    await _listening(caller)
    await caller.append(voice(0.5))


async def _aside(caller: Caller) -> None:
    await caller.send("response.create", response={"conversation": "none"})


async def _by_hand(caller: Caller) -> None:
    await caller.detect(None)
    await caller.append(voice(0.5))
    await caller.send("input_audio_buffer.commit")


STATES = [_nothing, _configuring, _speaking, _pausing, _waiting, _listening, _interrupting, _aside, _by_hand]


async def test_must_23_200_connections_closed_in_any_state_leave_nothing(house: House) -> None:
    dice = random.Random(23)
    room = anyio.Semaphore(10)

    async def come_and_go(number: int) -> None:
        async with (
            room,
            calling(house.ws, allows_aside=True, additional_headers=bearer(KEY), close_timeout=1) as caller,
        ):
            await STATES[number % len(STATES)](caller)
            if dice.random() < 0.5:
                _reset(caller.socket)

    await until(lambda: house.server.state.slots.taken == 0)
    tasks, sessions = len(asyncio.all_tasks()), _sessions()
    async with anyio.create_task_group() as crowd:
        for number in range(200):
            crowd.start_soon(come_and_go, number)
    await until(lambda: house.server.state.slots.taken == 0)
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
    assert house.model.running == 0
    assert _sessions() <= sessions
    async with calling(house.ws, additional_headers=bearer(KEY)) as caller:
        assert words(await answer(caller, "Hello."))


def _sessions() -> int:
    gc.collect()
    return sum(type(thing) is Session for thing in gc.get_objects())


async def test_must_23_a_turn_of_voice_after_all(house: House) -> None:
    async with calling(house.ws, additional_headers=bearer(KEY)) as caller:
        await caller.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
        await caller.say()
        heard = await caller.wait("conversation.item.input_audio_transcription.completed")
        assert heard["transcript"] == TRANSCRIPT
        assert (await caller.wait("response.done"))["response"]["status"] == "completed"

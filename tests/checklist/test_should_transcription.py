"""The checklist's SHOULD items of sessions that only write down what is said: captions while speaking, no answers."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import AsyncIterator
from itertools import groupby
from typing import Any

import anyio
import httpx2
import numpy as np
import pytest

from duologue.audio.g711 import encode_g711
from duologue.engines.base import TimedWord, TranscribeRequest, TranscribeResult
from duologue.engines.scripted import TRANSCRIPT, ScriptedTranscriber
from tests.server.caller import Caller, calling, silence, voice
from tests.server.serving import Serving, engines, serving
from tests.wire_checker import Frame

pytestmark = pytest.mark.anyio

DELTA = "conversation.item.input_audio_transcription.delta"
COMPLETED = "conversation.item.input_audio_transcription.completed"
RULE = {"type": "server_vad", "silence_duration_ms": 500}
INPUT = {"transcription": {"model": "gpt-4o-transcribe", "language": "en"}, "turn_detection": RULE}
WORD_S = 0.5
# Each word is a tone of its own.
LOWEST_HZ, STEP_HZ = 300.0, 40.0


def words(first: int, last: int) -> bytes:
    """The words ``first`` to ``last``, 0.5 s each."""
    return b"".join(voice(WORD_S, pitch_hz=LOWEST_HZ + STEP_HZ * number) for number in range(first, last + 1))


def _hear(request: TranscribeRequest) -> str:
    """The words of the request's sound, wherever it begins: one look each 100 ms."""
    frames = request.audio[: len(request.audio) // 1_600 * 1_600].reshape(-1, 1_600)
    loud = frames[np.sqrt(np.mean(np.square(frames), axis=1)) > 0.1]
    pitches_hz = np.argmax(np.abs(np.fft.rfft(loud, axis=1)), axis=1) * 10.0 if len(loud) else []
    numbers = [round((pitch_hz - LOWEST_HZ) / STEP_HZ) for pitch_hz in pitches_hz]
    return " ".join(f"w{number}" for number, _ in groupby(numbers))


class Transcriber(ScriptedTranscriber):
    """Tells how sure it is of each word, if it is asked for words: of the n-th, 1/n."""

    def step(self, requests: list[TranscribeRequest]) -> list[TranscribeResult]:  # type: ignore[override]
        return [_sure(request, result) for request, result in zip(requests, super().step(requests), strict=True)]


def _sure(request: TranscribeRequest, result: TranscribeResult) -> TranscribeResult:
    if not request.wants_words:
        return result
    spoken = enumerate(result.text.split(), start=1)
    timed = tuple(TimedWord(word, n * WORD_S, (n + 1) * WORD_S, prob=1 / n) for n, word in spoken)
    return TranscribeResult(result.text, result.language, timed)


@pytest.fixture(scope="module")
async def house(anyio_backend: str) -> AsyncIterator[Serving]:
    async with serving(engines(asr=Transcriber(hear=_hear)), speculates=True) as shared:
        yield shared


def _intent(server: Serving) -> str:
    return f"ws://127.0.0.1:{server.port}/v1/realtime?intent=transcription"


async def _configure(caller: Caller, **session: Any) -> Frame:
    count = caller.count("session.updated")
    await caller.send("session.update", session={"type": "transcription", "audio": {"input": INPUT}, **session})
    shown: Frame = (await caller.wait("session.updated", count + 1))["session"]
    return shown


async def _turn(caller: Caller) -> None:
    """One turn: its words with what they are to be counted as, under one id, and no answer."""
    count = caller.count(COMPLETED)
    await caller.append(voice(0.6) + silence(1.0))
    completed = await caller.wait(COMPLETED, count + 1)
    assert completed["transcript"] == TRANSCRIPT
    assert completed["usage"]["type"] == "duration"
    assert 0.5 < completed["usage"]["seconds"] < 1.5
    turn = [frame["type"] for frame in caller.frames if completed["item_id"] in str(frame) and frame["type"] != DELTA]
    assert turn == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        COMPLETED,
    ]
    await caller.settled()
    assert not [kind for kind in caller.types() if kind.startswith(("response.", "output_audio", "rate_limits"))]
    caller.checker.rest()


def _is_of_transcription(shown: Frame) -> None:
    assert shown["type"] == "transcription"
    assert shown["object"] == "realtime.transcription_session"
    assert shown["id"].startswith("sess_")
    assert shown["audio"].keys() == {"input"}
    assert not shown.keys() & {"instructions", "tools", "output_modalities", "max_output_tokens", "model"}


async def test_should_transcription_session_by_intent(server: Serving) -> None:
    async with calling(_intent(server)) as caller:
        _is_of_transcription(caller.frames[0]["session"])
        await _turn(caller)
        shown = await _configure(caller)
        _is_of_transcription(shown)
        assert shown["audio"]["input"]["transcription"] == INPUT["transcription"]
        await _turn(caller)


async def test_should_transcription_session_by_type(server: Serving) -> None:
    """A first update of the type makes it one, whatever the connection asked for."""
    async with calling(server.ws) as caller:
        assert caller.frames[0]["session"]["type"] == "realtime"
        _is_of_transcription(await _configure(caller))
        await _turn(caller)
        await _turn(caller)


async def test_should_transcription_session_by_client_secret(server: Serving) -> None:
    async with httpx2.AsyncClient(base_url=server.http) as client:
        session = {"type": "transcription", "audio": {"input": INPUT}}
        made = (await client.post("/v1/realtime/client_secrets", json={"session": session})).json()
    _is_of_transcription(made["session"])
    headers = {"Authorization": f"Bearer {made['value']}"}
    async with calling(f"ws://127.0.0.1:{server.port}/v1/realtime", additional_headers=headers) as caller:
        shown = caller.frames[0]["session"]
        _is_of_transcription(shown)
        assert shown["audio"]["input"]["transcription"] == INPUT["transcription"]
        await _turn(caller)


async def test_should_transcription_session_by_hand(server: Serving) -> None:
    """Without voice activity detection the client says where a turn ends."""
    async with calling(_intent(server)) as caller:
        await _configure(caller, audio={"input": {**INPUT, "turn_detection": None}})
        for number in (1, 2):
            await caller.append(voice(0.6))
            await caller.send("input_audio_buffer.commit")
            committed = await caller.wait("input_audio_buffer.committed", number)
            completed = await caller.wait(COMPLETED, number)
            assert (completed["item_id"], completed["transcript"]) == (committed["item_id"], TRANSCRIPT)
        await caller.settled()
        assert not [kind for kind in caller.types() if kind.startswith("response.")]


async def test_should_transcription_delta_while_speaking(house: Serving) -> None:
    """Words come under the id of ``speech_started`` before the turn is over, and together are the transcript."""
    async with calling(_intent(house)) as caller:
        await _configure(caller)
        await _read_on(caller, words(0, 20), "w1")
        assert caller.count("input_audio_buffer.speech_stopped") == 0, "the words came while somebody spoke"
        await caller.append(silence(1.2))
        completed = await caller.wait(COMPLETED)
        deltas = caller.of(DELTA)
        assert {frame["item_id"] for frame in deltas} == {completed["item_id"]}
        assert completed["item_id"] == caller.of("input_audio_buffer.speech_started")[0]["item_id"]
        assert "".join(frame["delta"] for frame in deltas) == completed["transcript"]
        assert completed["transcript"].startswith("w0 w1 w2 ")


async def test_should_transcription_delta_beyond_12_s_of_one_turn(house: Serving) -> None:
    """Somebody speaks for 18 s, with pauses for breath that do not end the turn: no words are late by more than the
    stretch since the last pause."""
    async with calling(_intent(house)) as caller:
        await _configure(caller, audio={"input": {**INPUT, "turn_detection": {**RULE, "silence_duration_ms": 900}}})
        for first in range(0, 36, 6):
            await caller.append(words(first, first + 5) + silence(0.4))
            with anyio.fail_after(10):
                while f"w{first + 5}" not in _so_far(caller).split():
                    await anyio.sleep(0.05)
        await _read_on(caller, words(36, 66), "w37")
        assert caller.count("input_audio_buffer.speech_started") == 1
        assert caller.count("input_audio_buffer.speech_stopped") == 0
        await caller.append(silence(1.5))
        completed = await caller.wait(COMPLETED)
        assert completed["transcript"].split()[:38] == [f"w{number}" for number in range(38)]
        assert _so_far(caller).split() == completed["transcript"].split()
        assert {frame["item_id"] for frame in caller.of(DELTA)} == {completed["item_id"]}


async def _read_on(caller: Caller, speech: bytes, word: str) -> None:
    """Speak without a pause, at twice the pace of speech, until there is the caption ``word``."""
    with anyio.fail_after(12):
        for start in range(0, len(speech), 9_600):
            await caller.append(speech[start : start + 9_600])
            await anyio.sleep(0.1)
            if word in _so_far(caller).split():
                return
    assert word in _so_far(caller).split(), f"only {_so_far(caller)!r} while speaking"


def _so_far(caller: Caller) -> str:
    return "".join(frame["delta"] for frame in caller.of(DELTA))


LOGPROBS = ["item.input_audio_transcription.logprobs"]


@pytest.mark.parametrize("kind", ["transcription", "realtime"])
async def test_should_logprobs_when_included(house: Serving, kind: str) -> None:
    """Of each token its text, its bytes and the logarithm of its probability, where the transcriber knows them; not
    unless asked for."""
    async with calling(house.ws) as caller:
        detection = {**RULE, "create_response": False}
        session = {"type": kind, "audio": {"input": {**INPUT, "turn_detection": detection}}}
        for number, include in enumerate((None, LOGPROBS), start=1):
            await caller.send("session.update", session={**session, "include": include})
            assert (await caller.wait("session.updated", number))["session"]["include"] == include
            await caller.append(words(0, 3) + silence(1.2))
            completed = await caller.wait(COMPLETED, number)
            if include is None:
                assert completed.get("logprobs") is None
                continue
            logprobs = completed["logprobs"]
            assert "".join(each["token"] for each in logprobs) == completed["transcript"] == "w0 w1 w2 w3"
            assert [each["logprob"] for each in logprobs] == pytest.approx(
                [-math.log(n) for n in range(1, 5)], abs=0.001
            )
            assert [bytes(each["bytes"]).decode() for each in logprobs] == [each["token"] for each in logprobs]


async def test_should_logprobs_be_no_error_where_there_are_none(server: Serving) -> None:
    async with calling(_intent(server)) as caller:
        await _configure(caller, include=LOGPROBS)
        await _turn(caller)
        assert caller.of(COMPLETED)[0].get("logprobs") is None


async def test_should_transcription_take_g711(house: Serving) -> None:
    async with calling(_intent(house)) as caller:
        await _configure(caller, audio={"input": {**INPUT, "format": {"type": "audio/pcmu"}}})
        sound = encode_g711(np.frombuffer(words(0, 3) + silence(1.2), "<i2")[::3], "mulaw")
        for start in range(0, len(sound), 800):
            audio = base64.b64encode(sound[start : start + 800]).decode()
            await caller.socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        assert (await caller.wait(COMPLETED))["transcript"] == "w0 w1 w2 w3"

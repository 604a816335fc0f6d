"""A sound over an answer, over a WebSocket: who asked is told what to do with the sound it holds, others nothing."""

from __future__ import annotations

import json

import anyio
import numpy as np
import pytest
from websockets.asyncio.client import connect

from duologue.engines.base import TranscribeRequest
from duologue.engines.scripted import TRANSCRIPT, ScriptedChat, ScriptedSynthesizer, ScriptedTranscriber
from tests.server.caller import Caller, silence, voice
from tests.server.serving import Serving, engines, serving
from tests.wire_checker import WireChecker

pytestmark = pytest.mark.anyio

STEP_S = 0.02


def _cough(request: TranscribeRequest) -> str:
    """What lasts less than 350 ms has no words."""
    return TRANSCRIPT if np.count_nonzero(np.abs(request.audio) > 0.01) > 0.35 * 16_000 else ""


def _talkers() -> dict[str, object]:
    words = " ".join(f"word{i}" for i in range(10))
    return {
        "asr": ScriptedTranscriber(hear=_cough),
        "chat": ScriptedChat(words),
        "tts": ScriptedSynthesizer(word_s=0.2),
    }


async def _say_as_it_is_spoken(caller: Caller, pcm: bytes) -> None:
    """The answer is played at the pace of time, so what sounds over it has to come at that pace."""
    step = round(2 * 24_000 * STEP_S)
    for start in range(0, len(pcm), step):
        await caller.append(pcm[start : start + step])
        await anyio.sleep(STEP_S)


async def _cough_over_an_answer(server: Serving, **asked: str) -> Caller:
    query = "".join(f"&{name}={value}" for name, value in asked.items())
    async with connect(f"{server.ws}{query}", compression=None) as socket, anyio.create_task_group() as tg:
        caller = Caller(socket, WireChecker(takes_own=bool(asked)))
        tg.start_soon(caller.listen)
        await caller.say(0.6)
        await caller.wait("response.output_audio.delta")
        await _say_as_it_is_spoken(caller, silence(0.2) + voice(0.25) + silence(1.0))
        await caller.settled()
        tg.cancel_scope.cancel()
    return caller


async def test_who_promised_to_obey_is_told() -> None:
    async with serving(engines(**_talkers())) as server:
        caller = await _cough_over_an_answer(server, x_playout="1")
    ours = [frame for frame in caller.frames if frame["type"].startswith("duologue.")]
    kinds = [frame["type"].removeprefix("duologue.output_audio.") for frame in ours]
    assert (kinds[0], kinds[-1]) == ("lowered", "resumed"), json.dumps(ours)
    assert kinds.count("held") == 1
    (answer,) = caller.of("response.created")
    assert {frame["response_id"] for frame in ours} == {answer["response"]["id"]}
    assert caller.count("input_audio_buffer.speech_started") == 1


async def test_others_are_told_nothing_and_are_not_cut_off() -> None:
    async with serving(engines(**_talkers())) as server:
        caller = await _cough_over_an_answer(server)
    assert caller.count("input_audio_buffer.speech_started") == 1
    assert caller.of("response.done")[0]["response"]["status"] == "completed"

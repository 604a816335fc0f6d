"""A conversation server on Pipecat's public parts, for `duologue bench` to measure beside Duologue.

One process, one Pipecat pipeline for each connection, as Pipecat's own examples have it. `--engines scripted`: real
voice activity (Silero), 500 ms of silence end a turn, the other engines answer at once. `--engines embedded`: Silero,
Smart Turn (Pipecat's defaults), Moonshine tiny, a fixed answer, espeak-ng.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
from collections.abc import Callable
from typing import NamedTuple

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner
from wire import CLIENT_RATE_HZ, ENGINE_RATE_HZ, Conversation, RealtimeWire, TellsTurns, TellsWords

import engines

SILENCE_S = 0.5


class Setup(NamedTuple):
    """How each session is put together."""

    turns: Callable[[], LLMUserAggregatorParams]
    transcriber: Callable[[], FrameProcessor]
    voice: Callable[[], FrameProcessor]


def scripted() -> Setup:
    """500 ms of silence, and nothing but: the voice activity waits that long, nobody waits any longer.

    Silero alone says what is silence, at its own threshold, as with Duologue; Pipecat's gate by loudness is off.
    """

    def turns() -> LLMUserAggregatorParams:
        stop = SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.0)
        return LLMUserAggregatorParams(
            vad_analyzer=SileroVADAnalyzer(params=VADParams(stop_secs=SILENCE_S, confidence=0.5, min_volume=0.0)),
            user_turn_strategies=UserTurnStrategies(start=[VADUserTurnStartStrategy()], stop=[stop]),
        )

    return Setup(turns, engines.ScriptedTranscriber, engines.ScriptedVoice)


def embedded() -> Setup:
    """Pipecat's own defaults for turns: 200 ms of silence, then Smart Turn decides."""
    ears, mouth = engines.Ears(), engines.Mouth()
    return Setup(
        lambda: LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer()),
        lambda: engines.MoonshineTranscriber(ears),
        lambda: engines.EspeakVoice(mouth),
    )


async def converse(client: WebSocket, setup: Setup) -> None:
    """One session, until the client hangs up."""
    await client.accept()
    conversation = Conversation()
    params = FastAPIWebsocketParams(
        audio_in_enabled=True, audio_out_enabled=True, serializer=RealtimeWire(conversation)
    )
    transport = FastAPIWebsocketTransport(websocket=client, params=params)
    context = LLMContextAggregatorPair(LLMContext(), user_params=setup.turns())
    steps = [
        transport.input(),
        setup.transcriber(),
        TellsWords(conversation),
        context.user(),
        engines.ScriptedAnswers(),
        setup.voice(),
        TellsTurns(conversation),
        transport.output(),
        context.assistant(),
    ]
    rates = PipelineParams(audio_in_sample_rate=ENGINE_RATE_HZ, audio_out_sample_rate=CLIENT_RATE_HZ)
    worker = PipelineWorker(Pipeline(steps), params=rates, enable_rtvi=False, cancel_on_idle_timeout=False)

    @worker.event_handler("on_pipeline_started")
    async def _ready(_worker: object, _frame: object) -> None:
        await client.send_text(json.dumps({"type": "session.created", "session": {"type": "realtime"}}))

    @transport.event_handler("on_client_disconnected")
    async def _gone(_transport: object, _client: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False, check_dangling_tasks=False)
    await runner.add_workers(worker)
    await runner.run()


def app(setup: Setup) -> FastAPI:
    """The routes that the bench knows."""
    served = FastAPI()

    @served.get("/readyz")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    @served.websocket("/v1/realtime")
    async def realtime(client: WebSocket) -> None:
        await converse(client, setup)

    return served


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--engines", choices=("scripted", "embedded"), default="scripted")
    words.add_argument("--port", type=int, default=0, help="0 takes a free one")
    given = words.parse_args()
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    setup = scripted() if given.engines == "scripted" else embedded()
    door = socket.create_server(("127.0.0.1", given.port), backlog=512)
    print(f"Pipecat is ready: http://127.0.0.1:{door.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app(setup), log_level="warning")).run(sockets=[door])


if __name__ == "__main__":
    main()

"""Pipecat in conversation with a server: three short talks, each a pipeline of its own.

    python client_pipecat.py http://127.0.0.1:8710 speech.pcm

The server's chat model is the scripted one with tools. Pipecat comes with the extra ``turn``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import ErrorFrame, Frame, InputAudioRawFrame, LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.openai.realtime import events
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.workers.runner import WorkerRunner

PATIENCE_S = 15.0
RATE_HZ = 24_000
APPEND_BYTES = 4_800
SILENCE = bytes(96_000)
HEARD_S = 0.3
WEATHER = FunctionSchema(
    name="get_weather",
    description="The weather in a city.",
    properties={"city": {"type": "string"}},
    required=["city"],
)


class Listener(FrameProcessor):
    """At the end of the pipeline: what came out of the service."""

    def __init__(self) -> None:
        super().__init__()
        self._frames: asyncio.Queue[Frame] = asyncio.Queue()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self._frames.put_nowait(frame)
        await self.push_frame(frame, direction)

    async def until(self, kind: str) -> None:
        """Read on to a frame of this class. An error ends the conversation."""
        while True:
            frame = await asyncio.wait_for(self._frames.get(), PATIENCE_S)
            if isinstance(frame, ErrorFrame):
                sys.exit(f"error while waiting for {kind}: {frame.error}")
            if type(frame).__name__ == kind:
                return

    async def answer(self) -> None:
        await self.until("TTSAudioRawFrame")
        await self.until("LLMFullResponseEndFrame")


Say = Callable[[bytes], Awaitable[None]]
Part = Callable[[Listener, Say, bytes], Awaitable[None]]


def _service(url: str) -> OpenAIRealtimeLLMService:
    heard = events.AudioInput(
        transcription=events.InputAudioTranscription(),
        turn_detection=events.SemanticTurnDetection(),
        noise_reduction=events.InputAudioNoiseReduction(type="near_field"),
    )
    service = OpenAIRealtimeLLMService(
        api_key="x",
        base_url=f"{url.replace('http', 'ws', 1)}/v1/realtime",
        settings=OpenAIRealtimeLLMService.Settings(
            model="gpt-realtime",
            system_instruction="Be brief.",
            session_properties=events.SessionProperties(audio=events.AudioConfiguration(input=heard)),
        ),
    )

    async def get_weather(call: Any) -> None:
        await call.result_callback(f"nine degrees in {call.arguments['city']}")

    service.register_function("get_weather", get_weather)
    return service


async def talk(url: str, speech: bytes, first: str, part: Part) -> str:
    """Begin with the written turn ``first``, go on with ``part`` -> the last words of the context."""
    context = LLMContext([{"role": "user", "content": first}], tools=ToolsSchema(standard_tools=[WEATHER]))
    aggregators, listener = LLMContextAggregatorPair(context), Listener()
    pipeline = Pipeline([aggregators.user(), _service(url), listener, aggregators.assistant()])
    worker = PipelineWorker(
        pipeline, params=PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ)
    )

    async def say(pcm: bytes) -> None:
        for start in range(0, len(pcm), APPEND_BYTES):
            piece = pcm[start : start + APPEND_BYTES]
            await worker.queue_frame(InputAudioRawFrame(audio=piece, sample_rate=RATE_HZ, num_channels=1))

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await worker.queue_frames([LLMRunFrame()])
    await part(listener, say, speech)
    await listener.until("LLMContextAssistantTurnFrame")
    words = str(context.get_messages()[-1]["content"])
    await worker.cancel()
    await running
    return words


async def spoken_turn(listener: Listener, say: Say, speech: bytes) -> None:
    await listener.answer()
    await say(speech + SILENCE)
    await listener.answer()


async def interruption(listener: Listener, say: Say, speech: bytes) -> None:
    await listener.until("TTSAudioRawFrame")
    await asyncio.sleep(HEARD_S)
    await say(speech)
    await listener.until("InterruptionFrame")
    await say(SILENCE)
    await listener.answer()


async def tool_call(listener: Listener, _say: Say, _speech: bytes) -> None:
    await listener.until("FunctionCallResultFrame")
    await listener.answer()


async def converse(url: str, speech: bytes) -> None:
    print("spoken turn:", await talk(url, speech, "Good morning.", spoken_turn))
    print("interruption:", await talk(url, speech, "Tell me a story.", interruption))
    print("tool call:", await talk(url, speech, "What is the weather in Oslo?", tool_call))


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    asyncio.run(converse(sys.argv[1], Path(sys.argv[2]).read_bytes()))

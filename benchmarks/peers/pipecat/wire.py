"""The part of the OpenAI Realtime protocol that `duologue bench` reads, as a Pipecat serializer and two processors.

Sound goes both ways as base64 in JSON, as it does with Duologue, so both servers do the same work for it.
"""

from __future__ import annotations

import base64
import json

import numpy as np
import soxr
from pipecat.frames.frames import (
    BotStoppedSpeakingFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    TranscriptionFrame,
    TTSStartedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.base_serializer import FrameSerializer

CLIENT_RATE_HZ = 24_000
ENGINE_RATE_HZ = 16_000


class Conversation:
    """What one connection has come to: which turn it is, and which answer sounds."""

    def __init__(self) -> None:
        self.turn = 0
        self.words: list[str] = []
        self.answers = 0
        self.is_answering = False

    @property
    def item_id(self) -> str:
        return f"item_u{self.turn}"

    @property
    def answer(self) -> dict[str, str]:
        return {"response_id": f"resp_{self.answers}", "item_id": f"item_a{self.answers}"}


class RealtimeWire(FrameSerializer):
    """Frames <-> events. Sound comes at 24 kHz, Pipecat's engines want 16: a serializer resamples, here with the same
    library and quality as Duologue (Pipecat's own resampler is the best of soxr, some 70 ms late)."""

    def __init__(self, conversation: Conversation) -> None:
        super().__init__()
        self._conversation = conversation
        self._resampler = soxr.ResampleStream(CLIENT_RATE_HZ, ENGINE_RATE_HZ, 1, dtype="int16", quality="LQ")

    async def serialize(self, frame: Frame) -> str | bytes | None:
        if isinstance(frame, OutputAudioRawFrame):
            sound = base64.b64encode(frame.audio).decode()
            return json.dumps({"type": "response.output_audio.delta", "delta": sound, **self._conversation.answer})
        if isinstance(frame, OutputTransportMessageFrame | OutputTransportMessageUrgentFrame):
            return None if self.should_ignore_frame(frame) else json.dumps(frame.message)
        return None

    async def deserialize(self, data: str | bytes) -> Frame | None:
        event = json.loads(data)
        if event["type"] != "input_audio_buffer.append":
            return None
        sound = self._resampler.resample_chunk(np.frombuffer(base64.b64decode(event["audio"]), dtype="<i2"))
        return InputAudioRawFrame(audio=sound.tobytes(), sample_rate=ENGINE_RATE_HZ, num_channels=1)


class Teller(FrameProcessor):
    """Tells the client what passes by."""

    def __init__(self, conversation: Conversation) -> None:
        super().__init__()
        self._conversation = conversation

    async def tell(self, kind: str, **fields: object) -> None:
        await self.push_frame(OutputTransportMessageUrgentFrame(message={"type": kind, **fields}))


class TellsWords(Teller):
    """After the transcriber: all words of the turn so far, each time that some come."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame):
            self._conversation.words.append(frame.text)
            await self.tell(
                "conversation.item.input_audio_transcription.completed",
                item_id=self._conversation.item_id,
                transcript=" ".join(self._conversation.words),
            )


class TellsTurns(Teller):
    """Before the output: turns and answers."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        it = self._conversation
        if isinstance(frame, UserStartedSpeakingFrame):
            it.turn += 1
            it.words = []
            await self.tell("input_audio_buffer.speech_started", item_id=it.item_id)
        elif isinstance(frame, UserStoppedSpeakingFrame):
            await self.tell("input_audio_buffer.speech_stopped", item_id=it.item_id)
            await self.tell("input_audio_buffer.committed", item_id=it.item_id)
        elif isinstance(frame, InterruptionFrame):
            await self._end_answer("cancelled")
        elif isinstance(frame, TTSStartedFrame) and not it.is_answering:
            it.answers, it.is_answering = it.answers + 1, True
            await self.tell("response.created", response={"id": it.answer["response_id"], "status": "in_progress"})
        elif isinstance(frame, BotStoppedSpeakingFrame):
            await self._end_answer("completed")
        await self.push_frame(frame, direction)

    async def _end_answer(self, status: str) -> None:
        if self._conversation.is_answering:
            self._conversation.is_answering = False
            body = {"id": self._conversation.answer["response_id"], "status": status}
            await self.tell("response.done", response=body)

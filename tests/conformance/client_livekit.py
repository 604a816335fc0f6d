"""LiveKit Agents in conversation with a server: run by the SDKs' environment, not by the tests'.

    python client_livekit.py http://127.0.0.1:8710 speech.pcm

A session without a room: its microphone is a queue, its loudspeaker plays into the void, at the pace of hearing. The
server's chat model is the scripted one with tools.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from livekit import rtc
from livekit.agents import Agent, AgentSession, function_tool
from livekit.agents.voice import io
from livekit.plugins import openai

PATIENCE_S = 15.0
RATE_HZ = 24_000
APPEND_BYTES = 4_800
SILENCE = bytes(96_000)
HEARD_S = 0.3


class Microphone(io.AudioInput):
    def __init__(self) -> None:
        super().__init__(label="microphone")
        self._frames: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue()

    async def __anext__(self) -> rtc.AudioFrame:
        return await self._frames.get()

    def say(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), APPEND_BYTES):
            piece = pcm[start : start + APPEND_BYTES]
            self._frames.put_nowait(rtc.AudioFrame(piece, RATE_HZ, 1, len(piece) // 2))


class Loudspeaker(io.AudioOutput):
    """Tells when what it was given has been played, or how much of it when it is cleared."""

    def __init__(self) -> None:
        capabilities = io.AudioOutputCapabilities(pause=False)
        super().__init__(label="loudspeaker", capabilities=capabilities, sample_rate=RATE_HZ)
        self._began_s: float | None = None
        self._length_s = 0.0
        self._end: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if self._began_s is None:
            self._began_s = time.time()
            self.on_playback_started(created_at=self._began_s)
        self._length_s += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._began_s is not None:
            left_s = max(0.0, self._began_s + self._length_s - time.time())
            self._end = asyncio.get_running_loop().call_later(left_s, self._finish, False)

    def clear_buffer(self) -> None:
        self._finish(True)

    def _finish(self, is_cut: bool) -> None:
        if self._began_s is None:
            return
        if self._end is not None:
            self._end.cancel()
        played_s = min(self._length_s, time.time() - self._began_s) if is_cut else self._length_s
        self._began_s, self._length_s, self._end = None, 0.0, None
        self.on_playback_finished(playback_position=played_s, interrupted=is_cut)


class Tester(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")

    @function_tool
    async def get_weather(self, city: str) -> str:
        """The weather in a city."""
        return f"nine degrees in {city}"


class Talk:
    """A session and what it has told its application."""

    def __init__(self, session: AgentSession[None]) -> None:
        self._events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        for kind in ("conversation_item_added", "agent_state_changed", "error"):
            session.on(kind, lambda event, kind=kind: self._events.put_nowait((kind, event)))

    async def until(self, kind: str, suits: Callable[[Any], bool]) -> None:
        """Read on to an event of ``kind`` that suits. An error ends the conversation."""
        while True:
            came, event = await asyncio.wait_for(self._events.get(), PATIENCE_S)
            if came == "error":
                sys.exit(f"error while waiting for {kind}: {event.error}")
            if came == kind and suits(event):
                return

    async def answer(self, words: str) -> None:
        """Until the assistant has said this, as the chat context has it."""
        await self.until("conversation_item_added", lambda event: words in _said(event.item))


def _said(item: Any) -> str:
    return str(item.text_content or "") if getattr(item, "role", "") == "assistant" else ""


async def converse(url: str, speech: bytes) -> None:
    model = openai.realtime.RealtimeModel(base_url=f"{url}/v1", api_key="x", model="gpt-realtime")
    # Nothing here has an echo that would have to be learnt before a user may interrupt.
    session: AgentSession[None] = AgentSession(llm=model, aec_warmup_duration=None)
    microphone = Microphone()
    session.input.audio, session.output.audio = microphone, Loudspeaker()
    talk = Talk(session)
    await session.start(Tester())
    microphone.say(speech + SILENCE)
    await talk.answer("here is an answer")
    print("spoken turn: here is an answer")
    story = session.generate_reply(user_input="Tell me a story.")
    await talk.until("agent_state_changed", lambda event: event.new_state == "speaking")
    await asyncio.sleep(HEARD_S)
    microphone.say(speech)
    await asyncio.wait_for(story.wait_for_playout(), PATIENCE_S)
    assert story.interrupted
    microphone.say(SILENCE)
    await talk.answer("here is an answer")
    print("interruption: the story ended")
    session.generate_reply(user_input="What is the weather in Oslo?")
    await talk.answer("nine degrees in Oslo")
    print("tool call: nine degrees in Oslo")
    await session.aclose()
    await model.aclose()


if __name__ == "__main__":
    asyncio.run(converse(sys.argv[1], Path(sys.argv[2]).read_bytes()))

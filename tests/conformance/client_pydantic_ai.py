"""Pydantic AI in conversation with a server: run by the SDKs' environment, not by the tests'.

    python client_pydantic_ai.py http://127.0.0.1:8710 speech.pcm

The server's chat model is the scripted one with tools.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.realtime import RealtimeSession
from pydantic_ai.realtime.openai import OpenAIRealtimeModel

PATIENCE_S = 15.0
APPEND_BYTES = 4_800
SILENCE = bytes(96_000)
HEARD_S = 0.3

agent = Agent(instructions="Be brief.")


@agent.tool_plain
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"nine degrees in {city}"


class Talk:
    """A session and what it has told its application."""

    def __init__(self, session: RealtimeSession) -> None:
        self.session = session
        self._events = aiter(session)

    async def until(self, kind: str, suits: Callable[[Any], bool] = lambda _event: True) -> Any:
        """Read on to an event of this class. An error ends the conversation."""
        while True:
            event = await asyncio.wait_for(anext(self._events), PATIENCE_S)
            name = type(event).__name__
            if "Error" in name:
                sys.exit(f"error while waiting for {kind}: {event}")
            if name == kind and suits(event):
                return event

    async def turn(self) -> None:
        await self.until("RealtimeTurnCompleteEvent")

    async def say(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), APPEND_BYTES):
            await self.session.send_audio(pcm[start : start + APPEND_BYTES])

    def last_words(self) -> str:
        return str(getattr(self.session.all_messages()[-1].parts[-1], "transcript", ""))


async def converse(url: str, speech: bytes) -> None:
    model = OpenAIRealtimeModel("gpt-realtime", provider=OpenAIProvider(base_url=f"{url}/v1", api_key="x"))
    async with agent.realtime(model).session() as session:
        talk = Talk(session)
        await talk.say(speech + SILENCE)
        await talk.turn()
        print(f"spoken turn: {talk.last_words()}")
        await session.send("Tell me a story.")
        await talk.until("PartStartEvent", lambda event: getattr(event.part, "speaker", "") == "assistant")
        await asyncio.sleep(HEARD_S)
        await talk.say(speech)
        await talk.until("RealtimeInputSpeechStartEvent")
        await talk.turn()
        await talk.say(SILENCE)
        await talk.turn()
        assert talk.last_words().startswith("here is an answer"), talk.last_words()
        print("interruption: the story ended")
        await session.send("What is the weather in Oslo?")
        await talk.until("FunctionToolResultEvent")
        await talk.turn()
        print(f"tool call: {talk.last_words()}")


if __name__ == "__main__":
    asyncio.run(converse(sys.argv[1], Path(sys.argv[2]).read_bytes()))

"""The OpenAI Agents SDK (Python) in conversation with a server: run by its own environment, not by the tests'.

    python client_agents.py http://127.0.0.1:8710 speech.pcm

The SDK validates every event: one of an unknown type or without a required field reaches the application as an
``error`` and fails this script. The server's chat model is the scripted one with tools.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner, RealtimeSession

PATIENCE_S = 15.0
APPEND_BYTES = 4_800
SILENCE = bytes(144_000)


@function_tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"nine degrees in {city}"


class Talk:
    """A session and what it has told its application."""

    def __init__(self, session: RealtimeSession) -> None:
        self.session = session
        self._events = aiter(session)

    async def until(self, kind: str, suits: Callable[[Any], bool] = lambda _event: True) -> list[Any]:
        """Read on to an event of ``kind`` -> all that came, it last. An ``error`` ends the conversation."""
        seen: list[Any] = []
        while True:
            event = await asyncio.wait_for(anext(self._events), PATIENCE_S)
            seen.append(event)
            if event.type == "error":
                sys.exit(f"error while waiting for {kind}: {event.error}")
            if event.type == kind and suits(event):
                return seen

    async def say(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), APPEND_BYTES):
            await self.session.send_audio(pcm[start : start + APPEND_BYTES])

    def history(self) -> list[str]:
        """Who said what, as the SDK keeps it."""
        lines = []
        for item in self.session._history:
            content = getattr(item, "content", [])
            text = " ".join(part.transcript or "" if "audio" in part.type else part.text or "" for part in content)
            lines.append(f"{getattr(item, 'role', item.type)}: {text}")
        return lines


def heard(events: list[Any]) -> int:
    """How many bytes of sound were among them."""
    return sum(len(event.audio.data) for event in events if event.type == "audio")


async def spoken_turn(talk: Talk, speech: bytes) -> None:
    await talk.say(speech + SILENCE)
    sound = heard(await talk.until("agent_end"))
    assert sound > 24_000, "half a second of sound at least"
    print(f"spoken turn: {sound} bytes of sound")


async def interruption(talk: Talk, speech: bytes) -> None:
    """Speak over a story: the SDK says so to its application, and the next answer comes."""
    await talk.session.send_message("Tell me a story.")
    await talk.until("audio")
    await talk.say(speech)
    await talk.until("audio_interrupted")
    await talk.until("agent_end")
    await talk.say(SILENCE)
    assert heard(await talk.until("agent_end")) > 24_000
    print("interruption: the story ended")


async def tool_call(talk: Talk) -> None:
    await talk.session.send_message("What is the weather in Oslo?")
    used = (await talk.until("tool_end"))[-1]
    assert used.output == "nine degrees in Oslo", used.output
    told = await talk.until("history_updated", lambda event: "nine degrees" in str(event.history[-1]))
    if not any(event.type == "agent_end" for event in told):
        await talk.until("agent_end")
    print(f"tool call: {used.output}")


async def converse(url: str, speech: bytes) -> None:
    agent = RealtimeAgent(name="Tester", instructions="Be brief.", tools=[get_weather])
    address = f"{url.replace('http', 'ws', 1)}/v1/realtime?model=gpt-realtime"
    async with await RealtimeRunner(agent).run(model_config={"url": address, "api_key": "x"}) as session:
        talk = Talk(session)
        await session.send_message("Good morning.")
        print(f"written turn: {heard(await talk.until('agent_end'))} bytes of sound")
        await spoken_turn(talk, speech)
        await interruption(talk, speech)
        await tool_call(talk)
        for line in talk.history():
            print(line)


if __name__ == "__main__":
    asyncio.run(converse(sys.argv[1], Path(sys.argv[2]).read_bytes()))

"""The OpenAI Agents SDK (Python) in conversation with a server: run by its own environment, not by the tests'.

    python client_agents.py http://127.0.0.1:8710 speech.pcm

The SDK validates every event: one of an unknown type or without a required field reaches the application as an
``error`` and fails this script.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from agents.realtime import RealtimeAgent, RealtimeRunner, RealtimeSession

PATIENCE_S = 15.0
APPEND_BYTES = 4_800
SILENCE = bytes(48_000)


async def _answer(session: RealtimeSession) -> int:
    """Read on to the end of the answer -> how many bytes of sound it had."""
    heard = 0
    async for event in session:
        if event.type == "error":
            sys.exit(f"error: {event.error}")
        if event.type == "audio":
            heard += len(event.audio.data)
        if event.type == "agent_end":
            return heard
    sys.exit("the session ended before the answer")


def _words(session: RealtimeSession) -> list[str]:
    """Who said what, from the history that the SDK keeps."""
    lines = []
    for item in session._history:
        content = getattr(item, "content", [])
        text = " ".join(part.transcript or "" if "audio" in part.type else part.text or "" for part in content)
        lines.append(f"{item.role}: {text}")
    return lines


async def converse(url: str, speech: bytes) -> None:
    runner = RealtimeRunner(RealtimeAgent(name="Tester", instructions="Be brief."))
    address = f"{url.replace('http', 'ws', 1)}/v1/realtime?model=gpt-realtime"
    async with await runner.run(model_config={"url": address, "api_key": "x"}) as session:
        await session.send_message("Good morning.")
        heard = await asyncio.wait_for(_answer(session), PATIENCE_S)
        print(f"written turn: {heard} bytes of sound")
        await asyncio.sleep(1.2)
        sound = speech + SILENCE * 3
        for start in range(0, len(sound), APPEND_BYTES):
            await session.send_audio(sound[start : start + APPEND_BYTES])
        spoken = await asyncio.wait_for(_answer(session), PATIENCE_S)
        assert min(heard, spoken) > 24_000, "half a second of sound at least"
        print(f"spoken turn: {spoken} bytes of sound")
        for line in _words(session):
            print(line)


if __name__ == "__main__":
    asyncio.run(converse(sys.argv[1], Path(sys.argv[2]).read_bytes()))

"""A scripted talk: a person with a microphone and a loudspeaker on the virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
import numpy as np
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from duologue.engines.client import EngineClient
from duologue.engines.scripted import (
    InlineEngines,
    ScriptedChat,
    ScriptedSynthesizer,
    ScriptedTranscriber,
    ScriptedTurn,
    ScriptedVad,
)
from duologue.events import AppendAudio, Event, ReplyAudio, SessionConfig, Told
from duologue.session.session import Session

FRAME_S = 0.02
_SILENCE = bytes(960)
_VOICE = (np.sin(np.arange(480) * 0.2) * 8000).astype("<i2").tobytes()

E = TypeVar("E", bound=Event)


def engines(**parts: Any) -> InlineEngines:
    """Scripted engines; any stage replaced by name, ``delays_s`` by stage."""
    delays_s = parts.pop("delays_s", {})
    stages = {
        "vad": ScriptedVad(),
        "turn": ScriptedTurn(),
        "asr": ScriptedTranscriber(),
        "chat": ScriptedChat(),
        "tts": ScriptedSynthesizer(),
    }
    return InlineEngines(stages | parts, delays_s)


@dataclass
class Person:
    """Speaks into the session and hears it, frame by frame, in the loop's time.

    ``log``: (second, event) of all that the session said. A person whose client plays as a browser does: sound is
    queued and flushed when speech starts.
    """

    told: MemoryObjectSendStream[Told]
    said: MemoryObjectReceiveStream[Event]
    log: list[tuple[float, Event]] = field(default_factory=list)
    voice: bytes = _SILENCE
    is_sending: bool = True

    async def run(self) -> None:
        async with anyio.create_task_group() as tg:
            tg.start_soon(self._listen)
            while True:
                if self.is_sending:
                    await self.told.send(AppendAudio(pcm=self.voice))
                await anyio.sleep(FRAME_S)

    async def _listen(self) -> None:
        async for event in self.said:
            self.log.append((anyio.current_time(), event))

    async def speak(self, seconds: float) -> None:
        """Be loud for ``seconds``, then silent."""
        self.voice = _VOICE
        await anyio.sleep(seconds)
        self.voice = _SILENCE

    async def tell(self, event: Told) -> None:
        await self.told.send(event)

    def heard(self, kind: type[E]) -> list[E]:
        return [event for _, event in self.log if isinstance(event, kind)]

    def times(self, kind: type[Event]) -> list[float]:
        return [at for at, event in self.log if isinstance(event, kind)]

    def names(self) -> list[str]:
        """The events in order, runs of sound as one."""
        names: list[str] = []
        for _, event in self.log:
            name = type(event).__name__
            if not (names and name == names[-1] == ReplyAudio.__name__):
                names.append(name)
        return names

    async def until(self, kind: type[Event], count: int = 1, within_s: float = 30) -> None:
        """Wait until ``count`` events of ``kind`` have been said."""
        with anyio.fail_after(within_s):
            while len(self.heard(kind)) < count:
                await anyio.sleep(FRAME_S)


@asynccontextmanager
async def talk(
    client: EngineClient | None = None, config: SessionConfig | None = None, *, speculates: bool = True
) -> AsyncIterator[tuple[Person, Session]]:
    """A session and a person in front of it."""
    told_in, told = anyio.create_memory_object_stream[Told](256)
    outbox, said = anyio.create_memory_object_stream[Event](4_096)
    session = Session(
        client or engines(), config or SessionConfig(show_transcript=True), outbox, speculates=speculates
    )
    person = Person(told_in, said)
    async with anyio.create_task_group() as tg:
        tg.start_soon(session.run, told)
        tg.start_soon(person.run)
        with told_in, said:
            yield person, session
            tg.cancel_scope.cancel()

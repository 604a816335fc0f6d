"""A scripted talk: a person with a microphone and a loudspeaker on the virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
import numpy as np
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from duologue.engines.base import ChatMessage, ChatRequest, TranscribeRequest, VadRequest, VadResult
from duologue.engines.client import EngineClient
from duologue.engines.scripted import (
    TRANSCRIPT,
    InlineEngines,
    ScriptedChat,
    ScriptedSynthesizer,
    ScriptedTranscriber,
    ScriptedTurn,
    ScriptedVad,
)
from duologue.engines.tools import ToolServers
from duologue.errors import SlowClient
from duologue.events import (
    AppendAudio,
    AttemptEnded,
    Event,
    OverlapJudged,
    PlayoutCleared,
    PlayoutHeld,
    PlayoutLowered,
    PlayoutResumed,
    PlayoutStarted,
    PlayoutStopped,
    ReplyAudio,
    SpeechStarted,
    Told,
)
from duologue.items import SessionConfig
from duologue.session.history import Entry
from duologue.session.replies import IN_STAGES, Ways
from duologue.session.session import Session
from duologue.session.voice_prompt import VOICE_MANNER
from tests.conversations.checker import check

FRAME_S = 0.02
PCM_BYTES_PER_MS = 48
RATE_HZ = 24_000
# -12 dB.
ECHO_GAIN = 0.25


def _frame(level: int) -> bytes:
    return bytes((np.sin(np.arange(480) * 0.2) * level).astype("<i2").tobytes())


SILENCE = bytes(960)
VOICE = _frame(8_000)
# So loud that a window of the VAD counts when three quarters of it are noise, and quieter than ``hear_voices`` takes
# for words. 80 ms of it, wherever they begin, are two windows: a cough.
NOISE = _frame(535)
COUGH_S = 0.08
# Words in a low voice, by which ``hear_voices`` can tell them.
MURMUR = _frame(5_500)
_MURMUR_PEAK, _VOICE_PEAK = 0.15, 0.22

ENDS_OF_LOWERING = PlayoutResumed | PlayoutCleared | PlayoutStopped
ENDS_OF_HOLDING = PlayoutLowered | ENDS_OF_LOWERING
LOUDNESS: dict[type[Event], str] = {
    PlayoutStarted: "full", PlayoutResumed: "full", PlayoutLowered: "lowered", PlayoutHeld: "held",
    PlayoutCleared: "over", PlayoutStopped: "over",
}  # fmt: skip
# What the wire of a plain client has no word for.
UNSPOKEN = PlayoutStarted | PlayoutHeld | ENDS_OF_HOLDING | OverlapJudged | AttemptEnded

E = TypeVar("E", bound=Event)
Prompts = list[list[tuple[str, str]]]


def engines(**parts: Any) -> InlineEngines:
    """Scripted engines; any stage replaced by name, ``delays_s`` by stage."""
    delays_s = parts.pop("delays_s", {})
    stages: dict[str, Any] = {
        "vad": ScriptedVad(),
        "turn": ScriptedTurn(),
        "asr": ScriptedTranscriber(),
        "chat": ScriptedChat(),
        "tts": ScriptedSynthesizer(),
    }
    return InlineEngines(stages | parts, delays_s)


def hear_voices(text: str = TRANSCRIPT, murmured: str | None = None) -> ScriptedTranscriber:
    """Hears ``text`` where somebody spoke, ``murmured`` (None: ``text`` as well) where it was in a low voice only, and
    no words where there was only ``NOISE``."""

    def hear(request: TranscribeRequest) -> str:
        peak = float(np.abs(request.audio).max()) if len(request.audio) else 0.0
        if peak > _VOICE_PEAK or (peak > _MURMUR_PEAK and murmured is None):
            return text
        return murmured or "" if peak > _MURMUR_PEAK else ""

    return ScriptedTranscriber(hear=hear)


def words_of_any_length() -> ScriptedTranscriber:
    """Hears more words the longer somebody speaks."""
    return ScriptedTranscriber(hear=lambda request: "more " * (len(request.audio) // 4_000))


class UnsureVad(ScriptedVad):
    """Takes ``NOISE`` for a voice with probability 0.3."""

    def step(self, requests: Sequence[VadRequest]) -> list[VadResult]:
        results = super().step(requests)
        return [_unsure(request, result) for request, result in zip(requests, results, strict=True)]


def _unsure(request: VadRequest, result: VadResult) -> VadResult:
    is_faint = np.abs(request.windows).max(axis=1) < 0.1
    return VadResult(np.where(is_faint, 0.3 * result.speech_probs, result.speech_probs).astype(np.float32), None)


def as_told(messages: Iterable[ChatMessage]) -> list[tuple[str, str]]:
    """Role and words of each message, without what every spoken answer is told besides."""
    told = [(message.role, message.content.replace(VOICE_MANNER, "").rstrip("\n")) for message in messages]
    return [(role, words) for role, words in told if words or role != "system"]


def remembering(
    prompts: Prompts, text: str | Callable[[int], str], first_s: float = 0.0, word_s: float = 0.0
) -> ScriptedChat:
    """A chat model that notes what it is asked. ``text``: its answer, or what it answers to the n-th prompt."""

    def answer(request: ChatRequest) -> str:
        prompts.append(as_told(request.messages))
        return text if isinstance(text, str) else text(len(prompts))

    return ScriptedChat(answer=answer, first_s=first_s, word_s=word_s)


@dataclass
class Person:
    """Speaks into the session and hears it, frame by frame, in the loop's time.

    ``log``: (second, event) of all that the session said. A person whose client plays as a browser does: sound is
    queued and flushed when speech starts. ``holds_sound``: it is held and goes on as well, when it is told so.
    ``lag_s``: how late its loudspeaker is. ``echo_s``: how late the microphone hears it at -12 dB; None: not at all.
    ``frames``: so many are sent at a time.
    """

    told: MemoryObjectSendStream[Told]
    said: MemoryObjectReceiveStream[Event]
    log: list[tuple[float, Event]] = field(default_factory=list)
    voice: bytes = SILENCE
    is_sending: bool = True
    holds_sound: bool = False
    lag_s: float = 0.0
    echo_s: float | None = None
    frames: int = 1

    async def run(self) -> None:
        async with anyio.create_task_group() as tg:
            tg.start_soon(self._listen)
            while True:
                if self.is_sending:
                    pcm = self.voice if self.echo_s is None else self._with_echo()
                    await self.told.send(AppendAudio(pcm=pcm * self.frames))
                await anyio.sleep(FRAME_S * self.frames)

    async def _listen(self) -> None:
        async for event in self.said:
            self.log.append((anyio.current_time(), event))

    async def speak(self, seconds: float) -> None:
        """Be loud for ``seconds``, then silent."""
        await self._sound(VOICE, seconds)

    async def murmur(self, seconds: float) -> None:
        """Say something in a low voice."""
        await self._sound(MURMUR, seconds)

    async def make_noise(self, seconds: float) -> None:
        """A sound without words."""
        await self._sound(NOISE, seconds)

    async def _sound(self, frame: bytes, seconds: float) -> None:
        self.voice = frame
        await anyio.sleep(seconds)
        self.voice = SILENCE

    async def tell(self, event: Told) -> None:
        await self.told.send(event)

    def _with_echo(self) -> bytes:
        """What the microphone has heard in the last frame."""
        assert self.echo_s is not None
        end_s = anyio.current_time() - self.echo_s
        mixed = np.frombuffer(self.voice, "<i2").astype(np.float64)
        for sound, from_s, start_s, length_s in self.playing(end_s):
            if start_s + length_s <= end_s - FRAME_S:
                continue
            skipped_s = max(0.0, end_s - FRAME_S - start_s)
            first = round((from_s + skipped_s) * RATE_HZ)
            part = np.frombuffer(sound.pcm, "<i2")[first : first + round((length_s - skipped_s) * RATE_HZ)]
            at = round((start_s + skipped_s - end_s + FRAME_S) * RATE_HZ)
            part = part[: max(0, len(mixed) - at)]
            mixed[at : at + len(part)] += ECHO_GAIN * self._gain(start_s + skipped_s) * part
        return np.clip(mixed, -32_768, 32_767).astype("<i2").tobytes()

    def _gain(self, at_s: float) -> float:
        """By how much the loudspeaker multiplies what it plays."""
        told = [event for at, event in self.log if at <= at_s and isinstance(event, PlayoutLowered | ENDS_OF_LOWERING)]
        return told[-1].gain if told and isinstance(told[-1], PlayoutLowered) else 1.0

    def loudness(self) -> str | None:
        """How the loudspeaker was told to be last: "full", "lowered", "held", "over"; None where nothing sounded."""
        return next((LOUDNESS[type(event)] for _, event in reversed(self.log) if type(event) in LOUDNESS), None)

    def heard(self, kind: type[E]) -> list[E]:
        return [event for _, event in self.log if isinstance(event, kind)]

    def times(self, kind: type[Event]) -> list[float]:
        return [at for at, event in self.log if isinstance(event, kind)]

    def names(self) -> list[str]:
        """The events in order, runs of sound as one, without those of the loudspeaker, of verdicts and of attempts."""
        names: list[str] = []
        for _, event in self.log:
            name = type(event).__name__
            if isinstance(event, UNSPOKEN):
                continue
            if not (names and name == names[-1] == ReplyAudio.__name__):
                names.append(name)
        return names

    def sound(self, index: int = 0) -> bytes:
        """All the sound of the ``index``-th reply that had any."""
        sounds: dict[str, bytes] = {}
        for event in self.heard(ReplyAudio):
            sounds[event.reply_id] = sounds.get(event.reply_id, b"") + event.pcm
        return list(sounds.values())[index]

    def played_ms(self, item_id: str, until_s: float) -> float:
        """How much of an item the loudspeaker has played by ``until_s``."""
        heard = self.playing(until_s)
        return 1000 * sum(length_s for sound, _, _, length_s in heard if sound.item_id == item_id)

    def playing(self, until_s: float) -> list[tuple[ReplyAudio, float, float, float]]:
        """What the loudspeaker has played by ``until_s``: of which sound, from which second of it, when, how long."""
        flushes_s = [at for at, event in self.log if self._flushes(event)]
        holds_s = self._holds_s() if self.holds_sound else []
        heard: list[tuple[ReplyAudio, float, float, float]] = []
        free_s = 0.0
        for at, event in self.log:
            if not isinstance(event, ReplyAudio) or at > until_s:
                continue
            stop_s = min(next((f for f in flushes_s if f >= at), until_s), until_s)
            stretches = _stretches(max(at + self.lag_s, free_s), pcm_s(event.pcm), stop_s, holds_s)
            from_s = 0.0
            for start_s, length_s in stretches:
                heard.append((event, from_s, start_s, length_s))
                from_s, free_s = from_s + length_s, start_s + length_s
        return heard

    def _flushes(self, event: Event) -> bool:
        return isinstance(event, SpeechStarted) or (self.holds_sound and isinstance(event, PlayoutCleared))

    def _holds_s(self) -> list[tuple[float, float]]:
        """When the loudspeaker was held, in order."""
        holds_s: list[tuple[float, float]] = []
        for at, event in self.log:
            if isinstance(event, PlayoutHeld):
                holds_s.append((at, float("inf")))
            elif isinstance(event, ENDS_OF_HOLDING) and holds_s and holds_s[-1][1] > at:
                holds_s[-1] = (holds_s[-1][0], at)
        return holds_s

    async def until(self, kind: type[Event], count: int = 1, within_s: float = 30) -> None:
        """Wait until ``count`` events of ``kind`` have been said."""
        with anyio.fail_after(within_s):
            while len(self.heard(kind)) < count:
                await anyio.sleep(FRAME_S)


def pcm_s(pcm: bytes) -> float:
    return len(pcm) / PCM_BYTES_PER_MS / 1000


def _stretches(
    start_s: float, length_s: float, stop_s: float, holds_s: list[tuple[float, float]]
) -> list[tuple[float, float]]:
    """When sound of ``length_s`` is heard that is to begin at ``start_s``, if nothing is while held or after
    ``stop_s``: beginnings and lengths."""
    heard: list[tuple[float, float]] = []
    for held_s, resumed_s in [*holds_s, (float("inf"), float("inf"))]:
        if resumed_s <= start_s and resumed_s < float("inf"):
            continue
        here_s = min(length_s, max(0.0, min(held_s, stop_s) - start_s))
        if here_s > 0:
            heard.append((start_s, here_s))
        length_s -= here_s
        if length_s <= 0 or held_s >= stop_s:
            break
        start_s = max(start_s, resumed_s)
    return heard


def saying(outbox: MemoryObjectSendStream[Event]) -> Callable[[Event], None]:
    """What a session says, into ``outbox``; SlowClient when that is full."""

    def say(event: Event) -> None:
        try:
            outbox.send_nowait(event)
        except anyio.WouldBlock:
            raise SlowClient from None

    return say


async def tell_all(session: Session, told: MemoryObjectReceiveStream[Told]) -> None:
    """All that comes through ``told``, no faster than it is looked at; then hang up."""
    with told:
        async for event in told:
            session.tell(event)
            await session.caught_up()
    session.hang_up()


@asynccontextmanager
async def talk(
    client: EngineClient | None = None,
    config: SessionConfig | None = None,
    *,
    ways: Ways = IN_STAGES,
    outbox_events: int = 4_096,
    servers: ToolServers | None = None,
    entries: Collection[Entry] = (),
) -> AsyncIterator[tuple[Person, Session]]:
    """A session, ``entries`` said before it, and a person in front of it. At the end the log is checked, and that no
    task is left."""
    others = asyncio.all_tasks()
    told_in, told = anyio.create_memory_object_stream[Told](256)
    outbox, said = anyio.create_memory_object_stream[Event](outbox_events)
    config, before = config or SessionConfig(show_transcript=True), [entry.item.id for entry in entries]
    session = Session(client or engines(), config, saying(outbox), ways, servers, entries)
    person = Person(told_in, said, holds_sound=ways.holds_sound)
    with told_in, said, outbox:
        async with anyio.create_task_group() as tg:
            tg.start_soon(session.run)
            tg.start_soon(tell_all, session, told)
            tg.start_soon(person.run)
            yield person, session
            tg.cancel_scope.cancel()
    await anyio.sleep(0.001)
    assert not asyncio.all_tasks() - others, "the session left tasks behind"
    check(person.log, before)

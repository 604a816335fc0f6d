"""Microphone and loudspeaker of this machine through PortAudio: 24 kHz mono int16, for ``duologue talk``.

PortAudio calls back on a thread of its own; sound crosses over in a queue guarded by a lock, and what was heard is
counted in the samples that the callback gave out, less the card's own delay.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

import msgspec
import numpy as np

from duologue.audio.frame import VOICE_RATE_HZ, Int16
from duologue.bench.speaker import Flushed
from duologue.bench.wire import FRAME_SAMPLES
from duologue.errors import ConfigError

WITHOUT_A_CARD = "use --in question.wav --out answer.wav to talk without one"


class PlayQueue:
    """Sound to be played, item by item. Called from two threads."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[str, Int16]] = deque()
        self._given: dict[str, int] = {}
        self._lock = threading.Lock()

    def play(self, item_id: str, pcm: Int16) -> None:
        """Add int16 [n] of an item to the end."""
        with self._lock:
            self._pieces.append((item_id, pcm))

    def take(self, samples: int) -> Int16:
        """The next ``samples``, silence where there is none: int16 [samples]."""
        out = np.zeros(samples, dtype=np.int16)
        at = 0
        with self._lock:
            while self._pieces and at < samples:
                item_id, pcm = self._pieces.popleft()
                part = pcm[: samples - at]
                out[at : at + len(part)] = part
                at += len(part)
                self._given[item_id] = self._given.get(item_id, 0) + len(part)
                if len(part) < len(pcm):
                    self._pieces.appendleft((item_id, pcm[len(part) :]))
        return out

    def flush(self, delay_s: float = 0.0) -> Flushed | None:
        """Drop what was not played; ``delay_s`` is how long the card takes from here to the ear. None when
        nothing was waiting."""
        with self._lock:
            if not self._pieces:
                return None
            item_id = self._pieces[0][0]
            self._pieces.clear()
            heard_s = self._given.get(item_id, 0) / VOICE_RATE_HZ - delay_s
        return Flushed(item_id, max(0, int(heard_s * 1000)))


class SoundCard(msgspec.Struct, frozen=True, kw_only=True):
    """An open card. ``microphone``: frames of int16 [480] as they are captured."""

    microphone: AsyncIterator[Int16]
    queue: PlayQueue
    delay_s: float

    def flush(self) -> Flushed | None:
        """Silence the loudspeaker now; what had been heard of the item that was playing."""
        return self.queue.flush(self.delay_s)


@contextmanager
def open_sound_card() -> Iterator[SoundCard]:
    """The default microphone and loudspeaker until the block ends. Raises ConfigError where there is none."""
    sounddevice = _sounddevice()
    loop = asyncio.get_running_loop()
    captured: asyncio.Queue[Int16] = asyncio.Queue()
    queue = PlayQueue()

    def capture(sound: Any, frames: int, when: Any, status: Any) -> None:
        loop.call_soon_threadsafe(captured.put_nowait, np.frombuffer(bytes(sound), dtype=np.int16))

    def fill(sound: Any, frames: int, when: Any, status: Any) -> None:
        sound[:] = queue.take(frames).tobytes()

    kind = {"samplerate": VOICE_RATE_HZ, "channels": 1, "dtype": "int16", "blocksize": FRAME_SAMPLES}
    with ExitStack() as streams:
        try:
            streams.enter_context(sounddevice.RawInputStream(callback=capture, **kind))
            speaker = streams.enter_context(sounddevice.RawOutputStream(callback=fill, **kind))
        except sounddevice.PortAudioError as error:
            raise ConfigError(f"the sound card cannot be used ({error}): {WITHOUT_A_CARD}") from None
        yield SoundCard(microphone=_frames(captured), queue=queue, delay_s=float(speaker.latency))


def _sounddevice() -> ModuleType:
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        # Its Linux wheels carry no PortAudio; importing them raises OSError then.
        raise ConfigError(
            f"no sound card can be used here ({error}): install PortAudio (Debian: apt install libportaudio2), "
            f"or {WITHOUT_A_CARD}"
        ) from None
    module: ModuleType = sounddevice
    return module


async def _frames(captured: asyncio.Queue[Int16]) -> AsyncIterator[Int16]:
    while True:
        yield await captured.get()

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
from duologue.bench.echo_canceller import EchoCanceller, open_echo_canceller
from duologue.bench.speaker import Flushed
from duologue.bench.wire import FRAME_S, FRAME_SAMPLES
from duologue.errors import ConfigError

WITHOUT_A_CARD = "use --in question.wav --out answer.wav to talk without one"
# Sound that ends, begins or changes its loudness within 5 ms does not click.
FADE_SAMPLES = VOICE_RATE_HZ * 5 // 1000


class PlayQueue:
    """Sound to be played, item by item; it can be lowered, and held at its place. Called from two threads."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[str, Int16]] = deque()
        self._given: dict[str, int] = {}
        self._lock = threading.Lock()
        # What sounds: its item, its last 5 ms as they were given, and the silence since.
        self._item_id = ""
        self._past = np.zeros(0, np.int16)
        self._silence = 0
        # A fade that is heard before what waits, and is none of it.
        self._fade = np.zeros(0, np.int16)
        self._gain = self._goal = 1.0
        self._lowered_id = ""
        self._is_held = False

    def play(self, item_id: str, pcm: Int16) -> None:
        """Add int16 [n] of an item to the end."""
        with self._lock:
            self._pieces.append((item_id, pcm))

    def take(self, samples: int) -> Int16:
        """The next ``samples``, silence where there is none: int16 [samples]."""
        out = np.zeros(samples, dtype=np.int16)
        with self._lock:
            at = min(samples, len(self._fade))
            out[:at], self._fade = self._fade[:at], self._fade[at:]
            # A fade takes time and is none of what was to be played.
            self._silence += at
            while self._pieces and at < samples and not self._is_held:
                part = self._next(samples - at)
                out[at : at + len(part)] = self._louder_or_lower(part)
                at += len(part)
            if at < samples and not self._is_held:
                # It waits for more, and begins anew with that.
                self._past = self._past[:0]
            self._silence += samples - at
        return out

    def lower(self, gain: float) -> None:
        """From here on, within 5 ms, samples are multiplied by ``gain``; of what sounds, not of another item."""
        with self._lock:
            self._goal = gain
            self._lowered_id = self._item_id

    def hold(self) -> None:
        """Silence from here on; what waits stays. Its next 5 ms fade out, and are still to be played."""
        with self._lock:
            if not self._is_held:
                # What does not sound has nothing to fade.
                is_sounding = len(self._past) > 0 and not self._silence
                self._fade = self._faded(self._ahead(), self._gain, 0.0) if is_sounding else self._fade[:0]
                self._is_held = True

    def resume(self) -> None:
        """As loud as ever, from the very sample that was next. Behind a silence the 5 ms before it fade in."""
        with self._lock:
            if self._is_held:
                is_silent = len(self._past) > 0 and self._silence > 0
                self._fade = self._faded(self._past, 0.0, 1.0) if is_silent else self._fade[:0]
                self._gain = 1.0 if is_silent else self._gain
            self._is_held, self._goal = False, 1.0

    def reached(self, delay_s: float = 0.0) -> Flushed | None:
        """The item that is being heard, and how much of it was; ``delay_s`` is how long the card takes from here to
        the ear. None before the first."""
        with self._lock:
            return self._heard(self._item_id, delay_s) if self._item_id else None

    def flush(self, delay_s: float = 0.0) -> Flushed | None:
        """Drop what was not played, and be as loud as ever. None when nothing was waiting."""
        with self._lock:
            item_id = self._pieces[0][0] if self._pieces else ""
            self._pieces.clear()
            self._fade = self._past = np.zeros(0, np.int16)
            self._gain = self._goal = 1.0
            self._is_held = False
            return self._heard(item_id, delay_s) if item_id else None

    def _heard(self, item_id: str, delay_s: float) -> Flushed:
        on_its_way = max(0, delay_s * VOICE_RATE_HZ - self._silence)
        return Flushed(item_id, max(0, int((self._given.get(item_id, 0) - on_its_way) * 1000 / VOICE_RATE_HZ)))

    def _next(self, most: int) -> Int16:
        item_id, pcm = self._pieces.popleft()
        if item_id != self._lowered_id:
            # What was lowered ended so.
            self._goal = 1.0
        part = pcm[:most]
        if len(part) < len(pcm):
            self._pieces.appendleft((item_id, pcm[len(part) :]))
        self._given[item_id] = self._given.get(item_id, 0) + len(part)
        self._past = np.concatenate([self._past if item_id == self._item_id else part[:0], part])[-FADE_SAMPLES:]
        self._item_id, self._silence = item_id, 0
        return part

    def _ahead(self) -> Int16:
        """The next 5 ms, which stay."""
        return self._pieces[0][1][:FADE_SAMPLES] if self._pieces else np.zeros(0, np.int16)

    def _louder_or_lower(self, part: Int16) -> Int16:
        if self._gain == self._goal == 1.0 or not len(part):
            return part
        steps = np.minimum(1.0, np.arange(1, len(part) + 1) / FADE_SAMPLES)
        gains = self._gain + (self._goal - self._gain) * steps
        self._gain = float(gains[-1])
        return np.rint(part * gains).astype(np.int16)

    def _faded(self, part: Int16, start: float, end: float) -> Int16:
        return np.rint(part * np.linspace(start, end, len(part))).astype(np.int16)


class SoundCard(msgspec.Struct, frozen=True, kw_only=True):
    """An open card. ``microphone``: frames of int16 [480] as they are captured. ``cancels_echo``: without the answer
    in them."""

    microphone: AsyncIterator[Int16]
    queue: PlayQueue
    delay_s: float
    cancels_echo: bool

    def flush(self) -> Flushed | None:
        """Silence the loudspeaker now; what had been heard of the item that was playing."""
        return self.queue.flush(self.delay_s)

    def reached(self) -> Flushed | None:
        """The item that is being heard, and how much of it was."""
        return self.queue.reached(self.delay_s)


@contextmanager
def open_sound_card(*, cancel_echo: bool = True) -> Iterator[SoundCard]:
    """The default microphone and loudspeaker until the block ends. ``cancel_echo``: where that can be done. Raises
    ConfigError where there is no card."""
    sounddevice = _sounddevice()
    loop = asyncio.get_running_loop()
    captured: asyncio.Queue[Int16] = asyncio.Queue()
    queue = PlayQueue()
    canceller: EchoCanceller | None = None

    def capture(sound: Any, frames: int, when: Any, status: Any) -> None:
        pcm = np.frombuffer(bytes(sound), dtype=np.int16)
        loop.call_soon_threadsafe(captured.put_nowait, pcm if canceller is None else canceller.clean(pcm))

    def fill(sound: Any, frames: int, when: Any, status: Any) -> None:
        pcm = queue.take(frames)
        if canceller is not None:
            canceller.play(pcm)
        sound[:] = pcm.tobytes()

    kind = {"samplerate": VOICE_RATE_HZ, "channels": 1, "dtype": "int16", "blocksize": FRAME_SAMPLES}
    with ExitStack() as streams:
        try:
            microphone = streams.enter_context(sounddevice.RawInputStream(callback=capture, **kind))
            speaker = streams.enter_context(sounddevice.RawOutputStream(callback=fill, **kind))
        except sounddevice.PortAudioError as error:
            raise ConfigError(f"the sound card cannot be used ({error}): {WITHOUT_A_CARD}") from None
        delay_s = float(speaker.latency)
        if cancel_echo:
            canceller = open_echo_canceller(delay_s + float(microphone.latency), FRAME_S)
        yield SoundCard(microphone=_frames(captured), queue=queue, delay_s=delay_s, cancels_echo=canceller is not None)


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

"""Somebody on the telephone, advanced one frame of 20 ms at a time by a script. Pure: no clock, no socket.

The script is a generator: each ``yield`` lets 20 ms pass. Who talks, `Person` and those of the benchmark of
conversation, only writes the script; here are the microphone and the way in and out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from duologue.audio.frame import Int16
from duologue.bench.clips import Clip
from duologue.bench.ears import Ears
from duologue.bench.timeline import TurnLog
from duologue.bench.wire import FRAME_S, FRAME_SAMPLES, ServerEvent


class Captured(NamedTuple):
    """What the microphone hears in 20 ms: frame ``at`` of ``clip``, or no voice, over frame ``tone`` of the room."""

    clip: Clip | None
    at: int
    tone: int


class Talker:
    """``is_done`` once the call is over. ``room``: what the microphone hears without a voice, int16 [n] at 24 kHz,
    again and again; None is digital silence. With ``reports`` what was played is told to the server."""

    def __init__(self, ears: Ears, *, room: Int16 | None = None, reports: bool = False) -> None:
        self._is_in_silence = room is None
        self._room = np.zeros(round(1 / FRAME_S) * FRAME_SAMPLES, np.int16) if room is None else room
        self._saying: Clip | None = None
        self._said = 0
        self._outbox: list[dict[str, object]] = []
        self._now = 0.0
        self._began_at = 0.0
        self._frames = 0
        self._script = self._converse()
        self._reports = reports
        self.ears = ears
        self.is_done = False

    @property
    def turns(self) -> list[TurnLog]:
        """The turns so far, in order."""
        return self.ears.turns

    @property
    def is_in_silence(self) -> bool:
        """True where there is digital silence between the words: frames can be told apart by clip and place."""
        return self._is_in_silence

    def next_frame(self, starts_at: float) -> tuple[Int16, list[dict[str, object]]]:
        """The sound that the microphone captures in the 20 ms from ``starts_at``, int16 [480], and what else to
        send before it."""
        captured, events = self.capture(starts_at)
        return self.sound(captured), events

    def capture(self, starts_at: float) -> tuple[Captured, list[dict[str, object]]]:
        """`next_frame`, its sound by name: a frame that was made before need not be made again."""
        self._now = starts_at
        if self._frames == 0:
            self._began_at = starts_at
        self._frames += 1
        if next(self._script, "over") == "over":
            self.is_done = True
        events, self._outbox = self._outbox, []
        if self._reports:
            events += self.ears.report(starts_at)
        return self._next(), events

    def sound(self, captured: Captured) -> Int16:
        """The clip over the tone of the room: int16 [480]."""
        start = captured.tone * FRAME_SAMPLES
        room = self._room[start : start + FRAME_SAMPLES]
        if captured.clip is None:
            return room
        start = captured.at * FRAME_SAMPLES
        said = captured.clip.samples[start : start + FRAME_SAMPLES]
        frame = room.astype(np.int32)
        frame[: len(said)] += said
        return np.clip(frame, -32_768, 32_767).astype(np.int16)

    def hear(self, event: ServerEvent, at: float) -> list[dict[str, object]]:
        """Take in one event of the server; gives what a client sends in reply (``truncate`` when cut off)."""
        return self.ears.hear(event, at)

    def _converse(self) -> Iterator[None]:
        """The script."""
        raise NotImplementedError

    def _utter(self, clip: Clip) -> tuple[float, float]:
        """Begin a clip with the frame that is being captured now; when its speech begins and ends."""
        self._saying, self._said = clip, 0
        return self._now + clip.speech_start_s, self._now + clip.speech_end_s

    def _wish(self, words: str) -> None:
        """Ask in writing for an answer."""
        content = [{"type": "input_text", "text": words}]
        item = {"type": "message", "role": "user", "content": content}
        self._outbox += [{"type": "conversation.item.create", "item": item}, {"type": "response.create"}]

    def _pause_until(self, moment: float) -> Iterator[None]:
        while self._now < moment - FRAME_S / 2:
            yield

    def _next(self) -> Captured:
        """The next 20 ms of the clip that is being spoken, if any."""
        tone = self._frames % (len(self._room) // FRAME_SAMPLES)
        clip, at = self._saying, self._said
        if clip is None:
            return Captured(None, 0, tone)
        self._said += 1
        if self._said * FRAME_SAMPLES >= len(clip.samples):
            self._saying = None
        return Captured(clip, at, tone)

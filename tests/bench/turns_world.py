"""A server and the time, for simulated callers in virtual time: no socket, no sound card, hours in milliseconds.

It answers every wish with a tone that goes on for ``answer_s`` in phrases of five words a second, and does ``on_sound``
when the microphone gets loud over an answer: [(seconds later, what)].
"""

from __future__ import annotations

import base64
import heapq
from itertools import count
from typing import Any

import numpy as np

from duologue.bench.energy import levels_dbfs
from duologue.bench.talker import Talker
from duologue.bench.wire import FRAME_S, FRAME_SAMPLES, ContentBody, ItemBody, ResponseBody, ServerEvent
from tests.bench.standin import tone

LOUD_DBFS = -45.0
AHEAD_S = 1.0
WORDS = "one two three four five "
LIMIT_S = 600.0

Reaction = tuple[float, str]


class World:
    """``client``: all that the client sent but its sound. ``remembers``: words of an item, where it is asked."""

    def __init__(
        self, on_sound: list[Reaction], *, answer_s: float = 20.0, remembers: str = "", hears_words: str = ""
    ) -> None:
        self.client: list[dict[str, Any]] = []
        self.mic: list[np.ndarray] = []
        self.now = 0.0
        self._on_sound, self._answer_s = on_sound, answer_s
        self._remembers, self._hears_words = remembers, hears_words
        self._coming: list[tuple[float, int, ServerEvent]] = []
        self._order = count()
        self._responses = 0
        self._quiet_at = 0.0
        self._was_loud = False

    def run(self, talker: Talker) -> None:
        """Let time pass until the talker is done."""
        frame = 0
        while not talker.is_done:
            assert frame * FRAME_S < LIMIT_S, "the talker never ends"
            self.now = frame * FRAME_S
            while self._coming and self._coming[0][0] <= self.now:
                at, _, event = heapq.heappop(self._coming)
                self.take(talker.hear(event, at))
            pcm, events = talker.next_frame(self.now)
            assert len(pcm) == FRAME_SAMPLES
            self.mic.append(pcm)
            self.take(events)
            self._listen(pcm)
            frame += 1

    def take(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            self.client.append(event)
            if event["type"] == "response.create":
                self._answer(self.now, self._answer_s)
            elif event["type"] == "response.cancel":
                self._forget_sound()
                self.say(0.0, "response.done", response=ResponseBody(id=self.response_id, status="cancelled"))
            elif event["type"] == "conversation.item.retrieve":
                body = ItemBody(id=event["item_id"], content=[ContentBody(transcript=self._remembers)])
                self.say(0.02, "conversation.item.retrieved", item=body)

    @property
    def response_id(self) -> str:
        return f"resp_{self._responses}"

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """The client's events of one type, in order."""
        return [event for event in self.client if event["type"] == kind]

    def say(self, later_s: float, kind: str, **fields: Any) -> None:
        heapq.heappush(self._coming, (self.now + later_s, next(self._order), ServerEvent(type=kind, **fields)))

    def _answer(self, at: float, length_s: float, words: str = WORDS) -> None:
        self._responses += 1
        response_id, place = self.response_id, {"item_id": f"item_{self._responses}", "response_id": self.response_id}
        self.say(0.01, "response.created", response=ResponseBody(id=response_id, status="in_progress"))
        for second in range(round(length_s)):
            later_s = max(0.05, second - AHEAD_S)
            self.say(later_s, "response.output_audio_transcript.delta", delta=words, **place)
            delta = base64.b64encode(tone(1.0).tobytes()).decode()
            self.say(later_s, "response.output_audio.delta", delta=delta, **place)
        done = ResponseBody(id=response_id, status="completed")
        self.say(max(0.06, length_s - AHEAD_S), "response.done", response=done)

    def _forget_sound(self) -> None:
        self._coming = [entry for entry in self._coming if not entry[2].type.startswith("response.")]
        heapq.heapify(self._coming)

    def _listen(self, pcm: np.ndarray) -> None:
        is_loud = bool(levels_dbfs(pcm, FRAME_SAMPLES).max() > LOUD_DBFS)
        if is_loud and self.now > self._quiet_at + 1.0:
            for later_s, what in self._on_sound:
                self._do(later_s, what)
        if is_loud:
            self._quiet_at = self.now

    def _do(self, later_s: float, what: str) -> None:
        playout = "duologue.output_audio."
        match what:
            case "lowered":
                self.say(later_s, playout + what, response_id=self.response_id, gain=0.2)
            case "held" | "resumed":
                self.say(later_s, playout + what, response_id=self.response_id)
            case "stopped":
                self._forget_sound()
                self.say(later_s, "input_audio_buffer.speech_started", item_id="item_u")
                self.say(later_s, "response.done", response=ResponseBody(id=self.response_id, status="cancelled"))
            case "committed":
                self.say(later_s, "input_audio_buffer.committed", item_id="item_u")
                heard = {"item_id": "item_u", "transcript": self._hears_words}
                self.say(later_s, "conversation.item.input_audio_transcription.completed", **heard)
            case "goes on":
                before, self.now = self.now, self.now + later_s
                self._answer(self.now, 6.0)
                self.now = before
            case verdict:
                self.say(later_s, "duologue.overlap.judged", verdict=verdict, took_ms=later_s * 1000)

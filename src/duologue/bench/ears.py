"""What a caller hears: the server's events, sorted into turns, and the sound, played on a simulated speaker.

An answer belongs to the turn that the server had last taken as finished when the answer was created; a transcript
to the turn of its item. So an answer after its deadline is not taken for the answer to the next turn.

Whoever dials with ``OBEYS_PLAYOUT`` also hears the server lower, hold and resume an answer, obeys, and reports what was
played. ``speech_started`` silences the speaker all the same.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from duologue.audio.frame import VOICE_RATE_HZ
from duologue.bench.energy import AudibleFinder
from duologue.bench.speaker import Speaker
from duologue.bench.timeline import Answer, Take, TurnLog
from duologue.bench.wire import ServerEvent

# Longest list of complaints kept: a broken server sends one a frame.
MOST_COMPLAINTS = 50
# How often what was played is reported, as our page does it.
REPORT_EVERY_S = 0.25

PLAYOUT = "duologue.output_audio."


class Change(NamedTuple):
    """Something was done to what is heard."""

    at: float
    what: Literal["lowered", "held", "resumed", "flushed"]


class Ears:
    """``long_answer``: the answer asked for in writing, for a barge-in. ``flushed_at``: the first time
    after that wish that the speaker was cut off. ``complaints``: error events and failed responses, in words.
    ``changes``: all that was done to the speaker, in order; a flush only where it cut something off."""

    def __init__(self, *, keeps_audio: bool = False) -> None:
        self.speaker = Speaker(keeps_audio=keeps_audio)
        self.turns: list[TurnLog] = []
        self.long_answer: Answer | None = None
        self.flushed_at: float | None = None
        self.complaints: list[str] = []
        self.changes: list[Change] = []
        self._takes: dict[str, Take] = {}
        self._turn_of: dict[str, TurnLog] = {}
        self._current: TurnLog | None = None
        self._answers: dict[str, Answer] = {}
        self._finders: dict[str, AudibleFinder] = {}
        self._item_of: dict[str, str] = {}
        self._awaits_long_answer = False
        self._reported_at = -math.inf

    def expect_long_answer(self) -> None:
        """The next response is the one asked for in writing, and belongs to no turn."""
        self._awaits_long_answer, self.long_answer, self.flushed_at = True, None, None

    def owes_transcript(self) -> bool:
        """True while a committed take has no transcript."""
        return any(t.committed_at is not None and t.transcript_at is None for t in self._takes.values())

    def hear(self, event: ServerEvent, at: float) -> list[dict[str, object]]:
        """Take in one event that arrived at ``at``; gives what a client sends in reply."""
        match event.type:
            case "input_audio_buffer.speech_started":
                self._take(event).speech_started_at = at
                return self._cut(at)
            case "input_audio_buffer.speech_stopped":
                self._take(event).speech_stopped_at = at
                self._current = self._turn_of.get(event.item_id or "")
            case "input_audio_buffer.committed":
                self._take(event).committed_at = at
                self._current = self._turn_of.get(event.item_id or "")
            case "conversation.item.input_audio_transcription.delta":
                self._take(event).deltas.append((at, event.delta or ""))
            case "conversation.item.input_audio_transcription.completed":
                take = self._take(event)
                take.transcript_at, take.transcript = at, event.transcript or ""
            case "conversation.item.input_audio_transcription.failed":
                self._take(event).transcript_at = at
                self._complain(event)
            case "response.created":
                self._begin_answer(event, at)
            case "response.output_audio.delta":
                self._play(event, at)
            case "response.done":
                self._end_answer(event, at)
                if event.response is not None and event.response.status == "cancelled" and self.speaker.is_held:
                    return self._cut(at)
            case "error":
                self._complain(event)
            case kind if kind.startswith(PLAYOUT):
                self._obey(kind.removeprefix(PLAYOUT), event, at)
        return []

    def report(self, at: float) -> list[dict[str, object]]:
        """What a client that obeys tells of its playing, four times a second: nothing, or one event."""
        if at - self._reported_at < REPORT_EVERY_S or (playing := self.speaker.current(at)) is None:
            return []
        self._reported_at = at
        return [{"type": f"{PLAYOUT}played", "item_id": playing.item_id, "audio_end_ms": playing.heard_ms}]

    def _obey(self, what: str, event: ServerEvent, at: float) -> None:
        """Lower, hold or resume. An answer that is held ends nobody knows when."""
        reply_id = event.response_id or ""
        match what:
            case "lowered":
                self.speaker.lower(at, 1.0 if event.gain is None else event.gain, reply_id)
                self.changes.append(Change(at, "lowered"))
            case "held":
                self.speaker.hold(at, reply_id)
                self.changes.append(Change(at, "held"))
            case "resumed":
                self.speaker.resume(at, reply_id)
                self.changes.append(Change(at, "resumed"))
        for answer in self._answers.values():
            ends_at = self.speaker.ends_of(self._item_of.get(answer.response_id, ""))
            if ends_at is not None and answer.play_ends_at is not None and answer.play_ends_at > at:
                answer.play_ends_at = ends_at
            if what in {"resumed", "lowered"} and answer.audible_at == math.inf:
                answer.plays_at = answer.audible_at = at

    def _take(self, event: ServerEvent) -> Take:
        """The take of the event's item; a new one belongs to the turn that was begun last."""
        item_id = event.item_id or ""
        if item_id not in self._takes:
            self._takes[item_id] = Take(item_id=item_id)
            if self.turns:
                self._turn_of[item_id] = self.turns[-1]
                self.turns[-1].takes.append(self._takes[item_id])
        return self._takes[item_id]

    def _begin_answer(self, event: ServerEvent, at: float) -> None:
        response_id = (event.response.id if event.response else None) or ""
        answer = self._answers[response_id] = Answer(response_id=response_id, created_at=at)
        self._finders[response_id] = AudibleFinder()
        if self._awaits_long_answer:
            self._awaits_long_answer, self.long_answer = False, answer
        elif self._current is not None:
            self._current.answers.append(answer)

    def _play(self, event: ServerEvent, at: float) -> None:
        """Queue the sound and note when it will sound; a cut-off takes that back."""
        answer = self._answers.get(event.response_id or "")
        finder = self._finders[answer.response_id] if answer is not None else None
        if self.speaker.keeps_audio or (finder is not None and not finder.is_found):
            pcm = event.audio()
            plays_at = self.speaker.play(event.item_id or "", pcm, at, event.response_id or "")
        else:
            pcm, samples = None, event.audio_samples()
            plays_at = self.speaker.queue(event.item_id or "", samples, at, reply_id=event.response_id or "")
        self._item_of[event.response_id or ""] = event.item_id or ""
        if answer is None or finder is None:
            return
        if answer.first_delta_at is None:
            answer.first_delta_at, answer.plays_at = at, plays_at
        answer.play_ends_at = self.speaker.ends_at
        offset = finder.feed(pcm) if pcm is not None else None
        if offset is not None:
            answer.audible_at = plays_at + offset / VOICE_RATE_HZ

    def _cut(self, at: float) -> list[dict[str, object]]:
        """The user speaks: silence the speaker, and tell the server what was heard, as a browser does."""
        flushed = self.speaker.flush(at)
        if flushed is None:
            return []
        self.changes.append(Change(at, "flushed"))
        self.flushed_at = at if self.flushed_at is None else self.flushed_at
        for answer in self._answers.values():
            if answer.play_ends_at is not None and answer.play_ends_at > at:
                answer.play_ends_at = at
            if answer.audible_at is not None and answer.audible_at > at:
                answer.audible_at = None
        return [
            {
                "type": "conversation.item.truncate",
                "item_id": flushed.item_id,
                "content_index": 0,
                "audio_end_ms": flushed.heard_ms,
            }
        ]

    def _end_answer(self, event: ServerEvent, at: float) -> None:
        body = event.response
        answer = self._answers.get((body.id if body else None) or "")
        if answer is None or body is None:
            return
        answer.done_at, answer.status = at, body.status or ""
        if body.status == "failed":
            self._complain(event)

    def _complain(self, event: ServerEvent) -> None:
        if len(self.complaints) < MOST_COMPLAINTS:
            self.complaints.append(event.complaint())

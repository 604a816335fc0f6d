"""What one conversation adds to the metrics and the traces. It is given every event that the session says."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from duologue import telemetry
from duologue.engines.client import EngineClient
from duologue.events import (
    AttemptEnded,
    Event,
    OverlapJudged,
    PlayoutCleared,
    PlayoutStopped,
    ReplyDone,
    ReplyStarted,
    ReplyTimed,
)
from duologue.server.metrics import Metrics
from duologue.server.traces import Stretch, Traces

Take = Callable[[Any, Any], None]


class Watch:
    """A watcher of one session: one look in a table for the many events that carry sound or words, which it leaves
    alone. ``traces`` None: no turn is traced."""

    def __init__(self, session_id: str, metrics: Metrics, traces: Traces | None, engines: EngineClient) -> None:
        self._session_id = session_id
        self._metrics = metrics
        self._traces = traces
        self._engines = engines
        self._names: Mapping[str, str] = {}
        self._began_s = time.monotonic()
        # Turns whose answer is not over yet, and the moment (of the calendar, in ns) that their times count from.
        self._open: dict[str, tuple[ReplyTimed, int]] = {}

    def __call__(self, event: Event) -> None:
        take = self._TAKES.get(type(event))
        if take is not None:
            take(self, event)

    def end(self) -> None:
        """The conversation is over."""
        self._metrics.observe(telemetry.SESSION_SECONDS, time.monotonic() - self._began_s)
        for reply_id in list(self._open):
            self._trace(reply_id, "unfinished")

    def _timed(self, timed: ReplyTimed) -> None:
        tell = self._metrics.observe
        tell(telemetry.ENDPOINTING, timed.committed_ms / 1000)
        tell(telemetry.VOICE_TO_VOICE, timed.given_ms / 1000)
        if timed.words_ms is not None:
            tell(telemetry.TRANSCRIPTION, timed.words_ms / 1000)
        if timed.text_ms is not None:
            tell(telemetry.FIRST_TOKEN, max(0.0, timed.text_ms - (timed.words_ms or 0.0)) / 1000)
        if timed.phrase_ms is not None and timed.spoken_ms is not None:
            tell(telemetry.FIRST_AUDIO, max(0.0, timed.spoken_ms - timed.phrase_ms) / 1000)
        if self._traces is not None:
            self._open[timed.reply_id] = (timed, time.time_ns() - round(timed.given_ms * 1_000_000))

    def _started(self, started: ReplyStarted) -> None:
        if started.is_rest:
            self._metrics.count(telemetry.FALSE_INTERRUPTIONS)

    def _fell_silent(self, ended: PlayoutStopped | PlayoutCleared) -> None:
        if ended.underruns:
            self._metrics.count(telemetry.PLAYOUT_UNDERRUNS, by=ended.underruns)
        if isinstance(ended, PlayoutCleared) and ended.stop_ms is not None:
            self._metrics.count(telemetry.INTERRUPTIONS)
            self._metrics.observe(telemetry.INTERRUPTION_STOP, ended.stop_ms / 1000)

    def _judged(self, judged: OverlapJudged) -> None:
        self._metrics.count(telemetry.OVERLAPS, judged.verdict)
        self._metrics.observe(telemetry.OVERLAP_VERDICT, judged.took_ms / 1000)

    def _attempted(self, attempt: AttemptEnded) -> None:
        result = "kept" if attempt.is_kept else "dropped"
        self._metrics.count(telemetry.ATTEMPTS, result, attempt.level)
        self._metrics.count(telemetry.ATTEMPT_COMPUTE, result, by=attempt.compute_s)

    def _done(self, done: ReplyDone) -> None:
        count = self._metrics.count
        count(telemetry.REPLIES, done.status)
        count(telemetry.TOKENS, "input", by=done.usage.input_text_tokens)
        count(telemetry.TOKENS, "cached", by=done.usage.cached_tokens)
        count(telemetry.TOKENS, "output", by=done.usage.output_text_tokens)
        if done.reply_id in self._open:
            self._trace(done.reply_id, done.status)

    def _trace(self, reply_id: str, status: str) -> None:
        timed, ended_ns = self._open.pop(reply_id)
        if self._traces is None:
            return
        self._names = self._names or {stage: stats.engine for stage, stats in self._engines.stats().items()}
        labels = {
            telemetry.SESSION_ATTRIBUTE: self._session_id,
            telemetry.REPLY_ATTRIBUTE: reply_id,
            telemetry.STATUS_ATTRIBUTE: status,
        }
        stages = stretches(timed, self._names)
        self._traces.turn(stages, ended_ns=ended_ns, took_ms=timed.given_ms, labels=labels)

    _TAKES: ClassVar[Mapping[type[Event], Take]] = {
        ReplyStarted: _started,
        ReplyTimed: _timed,
        ReplyDone: _done,
        PlayoutStopped: _fell_silent,
        PlayoutCleared: _fell_silent,
        OverlapJudged: _judged,
        AttemptEnded: _attempted,
    }


def stretches(timed: ReplyTimed, engines: Mapping[str, str]) -> list[Stretch]:
    """The stages of a turn, in the order in which they end. Those that are not known, or not needed, are absent."""
    hears = timed.words_ms is None
    made = [Stretch(telemetry.ENDPOINTING_SPAN, 0.0, timed.committed_ms, engines.get("turn", ""))]
    before_ms = 0.0
    for name, at_ms, stage in (
        (telemetry.TRANSCRIPTION_SPAN, timed.words_ms, "asr"),
        (telemetry.FIRST_TOKEN_SPAN, timed.text_ms, "speech" if hears and "speech" in engines else "chat"),
        (telemetry.FIRST_PHRASE_SPAN, timed.phrase_ms, ""),
        (telemetry.FIRST_AUDIO_SPAN, timed.spoken_ms, "tts"),
        (telemetry.DELIVERY_SPAN, timed.given_ms, ""),
    ):
        if at_ms is not None:
            made.append(Stretch(name, before_ms, max(before_ms, at_ms), engines.get(stage, "")))
            before_ms = max(before_ms, at_ms)
    return made

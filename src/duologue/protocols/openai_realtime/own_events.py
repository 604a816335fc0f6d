"""Frames that OpenAI's protocol has no word for, for clients that ask for them: what was measured, what is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from duologue.events import AttemptEnded, ContextTrimmed, Event, OverlapJudged, ReplyTimed

Frame = dict[str, Any]


def opened(conversation_id: str, *, is_kept: bool, items: int, title: str) -> Frame:
    """Which conversation this is."""
    frame = {"type": "duologue.conversation.opened", "conversation_id": conversation_id}
    return {**frame, "kept": is_kept, "items": items, "title": title}


def _reply_timed(e: ReplyTimed) -> Frame:
    since = {
        "committed": e.committed_ms,
        "transcript": e.words_ms,
        "first_text": e.text_ms,
        "first_phrase": e.phrase_ms,
        "first_sound": e.spoken_ms,
        "first_sent": e.given_ms,
    }
    frame = {"type": "duologue.response.timing", "response_id": e.reply_id, "item_id": e.item_id}
    return {**frame, "audio_end_ms": e.audio_end_ms, "ms_since_speech_end": since}


def _overlap_judged(e: OverlapJudged) -> Frame:
    frame = {"type": "duologue.overlap.judged", "verdict": e.verdict}
    return {**frame, "audio_start_ms": e.at_ms, "took_ms": round(e.took_ms, 1)}


def _attempt_ended(e: AttemptEnded) -> Frame:
    frame = {"type": "duologue.attempt.ended", "kept": e.is_kept, "level": e.level}
    return {**frame, "compute_ms": round(e.compute_s * 1000, 1)}


def _context_trimmed(e: ContextTrimmed) -> Frame:
    return {"type": "duologue.context.trimmed", "first_item_id": e.first_item_id}


MEASURED: Mapping[type[Event], Callable[[Any], Frame]] = {
    ReplyTimed: _reply_timed,
    OverlapJudged: _overlap_judged,
    AttemptEnded: _attempt_ended,
    ContextTrimmed: _context_trimmed,
}

"""When each word was said, from the decoder's attention on the sound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from duologue.engines.asr.whisper_sound import Stretch
from duologue.engines.base import TimedWord

# Signs that stick to the word after them, and to the word before.
_OPENING = "\"'“¿([{-"
_CLOSING = "\"'.。,，!！?？:：”)]}、"


def timed_words(alignment: Sequence[dict[str, Any]], stretch: Stretch) -> tuple[TimedWord, ...]:
    """faster-whisper's alignment of one stretch (``word``, ``start``, ``end``, ``probability``; seconds within
    it) as words within the turn, punctuation at its word, nothing beyond the sound's end."""
    from faster_whisper.transcribe import merge_punctuations

    merged = [dict(word) for word in alignment]
    merge_punctuations(merged, _OPENING, _CLOSING)
    return tuple(_timed(word, stretch) for word in merged if word["word"].strip())


def _timed(word: dict[str, Any], stretch: Stretch) -> TimedWord:
    end_s = min(float(word["end"]), stretch.sound_s)
    start_s = min(float(word["start"]), end_s)
    return TimedWord(
        text=word["word"].strip(),
        start_s=round(stretch.start_s + start_s, 3),
        end_s=round(stretch.start_s + end_s, 3),
        prob=float(word["probability"]),
    )

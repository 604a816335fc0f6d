"""Passages -> the forms in which OpenAI's API gives a transcription."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Literal, get_args

from duologue.server.rest.long_audio import Passage
from duologue.server.rest.subtitles import srt, vtt

TranscriptFormat = Literal["json", "text", "srt", "vtt", "verbose_json"]
FORMATS: tuple[str, ...] = get_args(TranscriptFormat)
# ISO 639-2 for "undetermined".
_NO_LANGUAGE = "und"
_DIGITS = 3


def text_of(passages: Sequence[Passage]) -> str:
    """All that was said, in one line."""
    return " ".join(passage.text for passage in passages)


def usage(duration_s: float) -> dict[str, Any]:
    """What is counted: seconds of sound."""
    return {"type": "duration", "seconds": round(duration_s, _DIGITS)}


def as_json(passages: Sequence[Passage], duration_s: float) -> dict[str, Any]:
    return {"text": text_of(passages), "usage": usage(duration_s)}


def as_verbose_json(
    passages: Sequence[Passage], duration_s: float, language: str | None, *, words: bool, segments: bool
) -> dict[str, Any]:
    """``language``: as asked for; else what was heard most, else "und"."""
    found: dict[str, Any] = {
        "task": "transcribe",
        "language": language or _language_of(passages) or _NO_LANGUAGE,
        "duration": round(duration_s, _DIGITS),
        "text": text_of(passages),
        "usage": usage(duration_s),
    }
    if segments:
        found["segments"] = [_segment(number, passage) for number, passage in enumerate(passages)]
    if words:
        found["words"] = [
            {"word": word.text, "start": word.start_s, "end": word.end_s} for p in passages for word in p.words
        ]
    return found


def as_text(passages: Sequence[Passage], kind: Literal["text", "srt", "vtt"]) -> str:
    """As a text file, with the end of its last line."""
    return {"srt": srt, "vtt": vtt}[kind](passages) if kind != "text" else f"{text_of(passages)}\n"


def _language_of(passages: Sequence[Passage]) -> str | None:
    heard: dict[str, float] = {}
    for passage in passages:
        if passage.language:
            heard[passage.language] = heard.get(passage.language, 0.0) + passage.end_s - passage.start_s
    return max(heard, key=lambda language: heard[language], default=None)


def _segment(number: int, passage: Passage) -> dict[str, Any]:
    """What no engine here tells is 0 and empty: the clients' types insist on the fields."""
    written = passage.text.encode()
    return {
        "id": number,
        "seek": 0,
        "start": passage.start_s,
        "end": passage.end_s,
        "text": passage.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": 0.0,
        "compression_ratio": round(len(written) / len(zlib.compress(written)), _DIGITS),
        "no_speech_prob": 0.0,
    }

"""Server-sent events as OpenAI's clients read them: one JSON object each, its kind in ``type``."""

from __future__ import annotations

from typing import Any

import msgspec

MEDIA_TYPE = "text/event-stream"


def event(kind: str, **fields: Any) -> bytes:
    """One event."""
    return b"data: " + msgspec.json.encode({"type": kind, **fields}) + b"\n\n"

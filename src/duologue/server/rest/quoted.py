"""What a client sent, as an error message quotes it."""

from __future__ import annotations


def quoted(text: str, chars: int = 40) -> str:
    """In quotation marks, without control characters, and never long."""
    return repr(text if len(text) <= chars else f"{text[: chars - 3]}...")

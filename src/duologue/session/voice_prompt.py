"""What tells a chat model that it is being heard.

A client's own instructions say who the assistant is; few say that it speaks. So this is added to them for every
answer that is spoken, and to none that is written. It stands last, where small models heed it best, and never changes,
so that a server's prompt cache holds.
"""

from __future__ import annotations

VOICE_MANNER = (
    "You are speaking with the user. Your reply is read out by a voice, and heard, not seen: answer in one to three "
    "short sentences of plain speech, unless more is asked for. Use no lists, headings, markup, code, links or emoji, "
    "and write symbols and abbreviations as words. What the user says was transcribed and may contain mistakes: take "
    "it in the likeliest sense, and ask where that matters. A reply of yours that ends in ... was interrupted there, "
    "and the user heard nothing after it."
)


def for_voice(instructions: str) -> str:
    """``instructions`` for an answer that will be spoken. Adding it twice changes nothing."""
    if VOICE_MANNER in instructions:
        return instructions
    return f"{instructions.rstrip()}\n\n{VOICE_MANNER}".lstrip()

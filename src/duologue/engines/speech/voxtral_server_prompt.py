"""A conversation -> the messages that a Voxtral on vLLM takes.

Its limits, as a real vLLM (0.32, mistral-common 1.13) was seen to hold them: a system message beside sound is refused
with status 400, and so are more than five sounds in one prompt. So the instructions open the first user message as
text, before any sound, and older turns go as their words.

vLLM keeps what it has computed of a prompt's beginning. A turn that becomes text changes the prompt from there on, so
turns are converted a whole block at a time: with blocks of four, turns 1-4 stay sound while they are spoken, and all
four become text as the fifth comes. In between every request only adds to the one before it. A sound takes 379
tokens, its words some 20.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from duologue.audio.frame import Float32
from duologue.engines.base import ChatMessage
from duologue.engines.wav import to_wav

MAX_SOUNDS = 5
UNKNOWN_WORDS = "(The words of this turn are not known.)"
# The model's template begins and ends with the user.
_OPENING = "Hello."
_PROMPTING = "Go on."

Words = Callable[[Float32], str | None]
Part = str | Float32


class _Turn(msgspec.Struct):
    """One message that goes out: text, or sound among text."""

    is_user: bool
    parts: list[Part]


def chat_messages(messages: Sequence[ChatMessage], sound_turns: int, words: Words) -> list[dict[str, Any]]:
    """``messages`` in the form of the chat completions API.

    At most ``sound_turns`` of the user's turns go as sound. ``words`` gives what was said in a sound, None where that
    is not known: such a turn stays sound while there is room for it.
    """
    sounds = _sounds_kept(messages, sound_turns, words)
    turns: list[_Turn] = []
    for index, message in enumerate(messages):
        parts = _parts(message, keeps_sound=index in sounds, words=words)
        if not parts:
            continue
        is_user = message.role != "assistant"
        if turns and turns[-1].is_user == is_user:
            turns[-1].parts += parts
        else:
            turns.append(_Turn(is_user, parts))
    if not turns or not turns[0].is_user:
        turns.insert(0, _Turn(True, [_OPENING]))
    if not turns[-1].is_user:
        turns.append(_Turn(True, [_PROMPTING]))
    return [{"role": "user" if turn.is_user else "assistant", "content": _content(turn.parts)} for turn in turns]


def _sounds_kept(messages: Sequence[ChatMessage], sound_turns: int, words: Words) -> set[int]:
    """Indices of the messages that stay sound: those of the present block, and those whose words nobody knows."""
    users = [index for index, message in enumerate(messages) if message.role == "user"]
    block_start = max(0, len(users) - 1) // sound_turns * sound_turns
    present = set(users[block_start:])
    wanted = [
        index
        for index, message in enumerate(messages)
        if message.audio is not None and (index in present or not (message.content or words(message.audio) is not None))
    ]
    return set(wanted[-MAX_SOUNDS:])


def _parts(message: ChatMessage, *, keeps_sound: bool, words: Words) -> list[Part]:
    if message.audio is not None:
        if keeps_sound:
            return [message.audio]
        said = message.content or words(message.audio)
        # Nothing at all was said: a message must not be empty.
        return [UNKNOWN_WORDS if said is None else said or "..."]
    if not message.content:
        return []
    return [f"(Result: {message.content})" if message.role == "tool" else message.content]


def _content(parts: Sequence[Part]) -> str | list[dict[str, Any]]:
    merged: list[Part] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, str) and isinstance(last, str):
            merged[-1] = f"{last}\n\n{part}"
        else:
            merged.append(part)
    if len(merged) == 1 and isinstance(merged[0], str):
        return merged[0]
    return [_part(part) for part in merged]


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    data = base64.b64encode(to_wav(part)).decode("ascii")
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}

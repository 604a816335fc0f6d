"""The voice that a client names -> one that the synthesizer has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from duologue.errors import ClientError
from duologue.protocols.openai_realtime.choices import is_any_voice, is_voice, some_of
from duologue.server.rest.quoted import quoted

if TYPE_CHECKING:
    from duologue.server.state import State


def voices_of(state: State) -> tuple[str, ...]:
    """What there is, the default first; () where the synthesizer does not tell."""
    return tuple(getattr(state.engines, "voices", ())) or ((state.voice,) if state.voice else ())


def choose(wanted: str, voices: Sequence[str]) -> str:
    """``wanted`` if there is such a voice or blend of voices; "", the default, for OpenAI's names.

    Raises ClientError with what there is.
    """
    if is_voice(wanted, voices):
        return wanted
    if is_any_voice(wanted):
        return ""
    raise ClientError(f"there is no voice {quoted(wanted)}: {some_of(voices)}", param="voice")

"""The voice that a client names -> one that the synthesizer has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from duologue.errors import ClientError
from duologue.server.rest.quoted import quoted

if TYPE_CHECKING:
    from duologue.server.state import State

# Of OpenAI's, which programs have in their defaults; elsewhere they mean "any".
OPENAI_VOICES = frozenset({
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "juniper", "marin", "nova", "onyx", "sage", "shimmer",
    "verse",
})  # fmt: skip
_SHOWN = 12


def voices_of(state: State) -> tuple[str, ...]:
    """What there is, the default first; () where the synthesizer does not tell."""
    return tuple(getattr(state.engines, "voices", ())) or ((state.voice,) if state.voice else ())


def choose(wanted: str, voices: Sequence[str]) -> str:
    """``wanted`` if there is such a voice or blend of voices; "", the default, for OpenAI's names.

    Raises ClientError with what there is.
    """
    if not wanted or not voices or wanted in voices:
        return wanted
    # As af_heart:0.6+bf_emma:0.4; the engine looks at the weights.
    if "+" in wanted and all(part.partition(":")[0] in voices for part in wanted.split("+")):
        return wanted
    if wanted.lower() in OPENAI_VOICES:
        return ""
    more = f" and {len(voices) - _SHOWN} more" if len(voices) > _SHOWN else ""
    raise ClientError(f"there is no voice {quoted(wanted)}: {', '.join(voices[:_SHOWN])}{more}", param="voice")

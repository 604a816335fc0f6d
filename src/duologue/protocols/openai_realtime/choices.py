"""What a client may choose among, and what becomes of a choice that there is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from duologue.errors import ClientError
from duologue.protocols.openai_realtime.messages import brief

# Of OpenAI's, which programs have in their defaults; elsewhere they mean "any".
OPENAI_VOICES = frozenset({
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "juniper", "marin", "nova", "onyx", "sage", "shimmer",
    "verse",
})  # fmt: skip
_SHOWN = 12


class Choices(Protocol):
    """What this server has, as it is now. Empty: not known, and everything is taken."""

    @property
    def models(self) -> tuple[str, ...]:
        """Chat models, the default first."""

    @property
    def voices(self) -> tuple[str, ...]:
        """The default first."""

    @property
    def languages(self) -> frozenset[str]:
        """Of speech that is understood, as ISO 639-1."""


class Anything:
    """Nothing is known of what there is."""

    models: tuple[str, ...] = ()
    voices: tuple[str, ...] = ()
    languages: frozenset[str] = frozenset()


def is_voice(wanted: str, voices: Sequence[str]) -> bool:
    """Whether there is such a voice or blend of voices (``af_heart:0.6+bf_emma:0.4``; the engine looks at the
    weights), as far as is known."""
    if not wanted or not voices or wanted in voices:
        return True
    return "+" in wanted and all(part.partition(":")[0] in voices for part in wanted.split("+"))


def is_any_voice(wanted: str) -> bool:
    """Whether it is one of OpenAI's, which the default voice stands in for."""
    return wanted.lower() in OPENAI_VOICES


def some_of(voices: Sequence[str]) -> str:
    """A list for an error message."""
    more = f" and {len(voices) - _SHOWN} more" if len(voices) > _SHOWN else ""
    return f"{', '.join(voices[:_SHOWN])}{more}"


def check_voice(wanted: str, param: str, choices: Choices) -> str:
    """``wanted``. Raises ClientError, with what there is, for a voice that is not."""
    voices = choices.voices
    if is_voice(wanted, voices) or is_any_voice(wanted):
        return wanted
    raise ClientError(
        f"Invalid value for '{param}': {brief(wanted)}. The voices here are: {some_of(voices)}.", param=param
    )


def check_language(wanted: str | None, param: str, choices: Choices) -> None:
    """Raises ClientError for a language that is not understood. ``en-GB`` is looked up as ``en``."""
    known = choices.languages
    if not wanted or not known or wanted.lower().replace("_", "-").partition("-")[0] in known:
        return
    raise ClientError(
        f"Invalid value for '{param}': {brief(wanted)}. The transcriber here understands: {', '.join(sorted(known))}.",
        param=param,
    )

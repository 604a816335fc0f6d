"""The user's open turn, and what else happens to turns."""

from __future__ import annotations

from dataclasses import dataclass, field

from duologue.session.history import Entry
from duologue.session.rest import Rest
from duologue.session.transcribe import Partials, Transcription


@dataclass(frozen=True, slots=True)
class WordsIn:
    """The transcript of an item is there; ``is_shown``: the client wants to know; ``partials``: what was shown of it
    before."""

    entry: Entry
    transcription: Transcription
    is_shown: bool
    partials: Partials | None = None


@dataclass(frozen=True, slots=True)
class Idle:
    """Nobody has spoken for as long as the client set."""


@dataclass(slots=True)
class UsersTurn:
    """The user's open turn. ``start``: its first sample, padding included; ``began``: the first of speech; ``rest``:
    what was left of the answers that it interrupted, to be said after all if it turns out to be no speech."""

    item_id: str
    start: int
    partials: Partials
    rest: Rest = field(default_factory=Rest)
    began: int = 0

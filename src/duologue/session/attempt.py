"""One try at answering: transcript, end-of-turn probability, reply and first sound, before the floor is ours."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio

from duologue.session.reply import Reply
from duologue.session.transcribe import Transcription


@dataclass(slots=True)
class Attempt:
    """Work on one pause. Dropped, it leaves no trace; committed, what is ready is let out at once.

    ``scope`` holds what only matters while it is undecided whether the turn is over. ``history_version``: of the
    conversation that the reply was made from; another one at commit makes the reply stale.
    """

    number: int
    transcription: Transcription
    reply: Reply
    history_version: int
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def drop(self) -> None:
        self.scope.cancel()
        self.transcription.scope.cancel()
        self.reply.cancel()

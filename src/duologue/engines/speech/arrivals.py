"""Requests that have come, until their sounds are encoded."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from duologue.audio.frame import Float32
from duologue.engines.speech.kept_sounds import KeptSounds
from duologue.engines.speech.layout import Layout
from duologue.engines.speech.rows import Sound
from duologue.engines.speech.work import Job
from duologue.errors import EngineError

# Sounds encoded in one step, while everybody else waits: 4 ms each on an H100.
_SOUNDS_A_STEP = 4


class Arrivals:
    """``jobs``: in the order in which they came. A sound that was encoded lately is not encoded again."""

    def __init__(self, layout: Layout) -> None:
        self.jobs: list[Job] = []
        self._layout = layout
        self._sounds = KeptSounds()

    def add(self, job: Job) -> None:
        """Take ``job``; one whose sound is too long for any row is ended."""
        try:
            job.name_sounds(self._layout)
        except EngineError as error:
            job.end(error)
        self.jobs.append(job)

    def drop_over(self) -> None:
        """Forget those that nobody wants any more."""
        self.jobs = [job for job in self.jobs if not job.is_over]

    def unheard(self) -> dict[bytes, Float32]:
        """What to encode now, by name."""
        wanted: dict[bytes, Float32] = {}
        for job in self.jobs:
            job.hear(self._sounds.find(job.unheard))
            wanted |= job.unheard
        return dict(islice(wanted.items(), _SOUNDS_A_STEP))

    def waiting_for(self, wanted: Mapping[bytes, Float32]) -> list[Job]:
        """Those that need some of ``wanted``."""
        return [job for job in self.jobs if not wanted.keys().isdisjoint(job.unheard)]

    def hear(self, sounds: Mapping[bytes, Sound]) -> None:
        """``sounds`` are encoded."""
        self._sounds.keep(sounds)
        for job in self.jobs:
            job.hear(sounds)

    def ready(self) -> list[Job]:
        """Those whose sounds are all there."""
        return [job for job in self.jobs if not job.unheard]

"""Decision points of recorded speech: each silence at which somebody has to decide whether the turn is over.

(Signatures stand; bodies are being written.)
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from duologue.bench.clips import Clip


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One silence of a turn, with what the product knows of it and when.

    Moments are ms since the gate's end of speech (``Pause.at``). ``goes_on``: the speaker did; ``length_ms``: how long
    the silence really was, None at a true end. ``lag_ms``: the gate's end of speech after the true one.
    ``resumed_ms``: when the gate had seen the next onset, None at an end.
    """

    speaker: str
    clip: str
    goes_on: bool
    length_ms: float | None = None
    lag_ms: float = 0.0
    seen_ms: float = 96.0
    resumed_ms: float | None = None
    gap_ms: float | None = None
    sound_prob: float | None = None
    sound_ms: float = 0.0
    text: str | None = None
    words_ms: float = 0.0


def conversations(source: Path, sets: tuple[str, ...]) -> dict[str, list[Clip]]:
    """Speaker -> that speaker's recorded turns, in the manifest's order."""
    raise NotImplementedError


def decision_points(spoken: dict[str, list[Clip]], cache: Path | None = None) -> list[Point]:
    """All silences of 200 ms or more and all ends, speaker by speaker, in the order in which they were spoken. Loads
    Silero, Smart Turn and Moonshine; what ``cache`` (a file) holds is not computed anew."""
    raise NotImplementedError

"""How far each engine is with its start, as it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import msgspec

from duologue.engines.base import AnyEngine
from duologue.engines.speech.faces import Face

LoadingState = Literal["loading", "ready", "failed", "stand-in"]


class Loading(msgspec.Struct, frozen=True):
    """One engine's start. ``seconds``: how long it took, or has taken so far.

    ``stand-in``: it is away and another one serves its stages. ``reason``: why, or why it failed; for the operator.
    """

    stages: tuple[str, ...]
    engine: str
    state: LoadingState
    seconds: float
    reason: str = ""


@runtime_checkable
class TellsProgress(Protocol):
    """Engines whose start can be followed."""

    @property
    def progress(self) -> tuple[Loading, ...]:
        """One for each engine, in the order of the stages."""


@dataclass(slots=True)
class _Start:
    stages: tuple[str, ...]
    engine: AnyEngine
    began_s: float | None = None
    ended_s: float | None = None
    state: LoadingState = "loading"
    reason: str = ""


class Progress:
    """The starts of all engines of a process. ``clock``: seconds, monotonic."""

    def __init__(self, stages: Mapping[str, AnyEngine], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._starts: dict[int, _Start] = {}
        for stage, engine in stages.items():
            # A face is there when the model behind it is.
            if isinstance(engine, Face):
                continue
            start = self._starts.setdefault(id(engine), _Start((), engine))
            start.stages = (*start.stages, stage)

    def begin(self, engine: AnyEngine) -> None:
        self._starts[id(engine)].began_s = self._clock()

    def end(self, engine: AnyEngine, state: LoadingState = "ready", reason: str = "") -> None:
        """``engine`` has started, or will not."""
        start = self._starts[id(engine)]
        start.ended_s, start.state = self._clock(), state
        # A server's own words may quote what it was told.
        start.reason = reason.partition(" It says:")[0]

    def now(self) -> tuple[Loading, ...]:
        """As it stands."""
        return tuple(self._look(start) for start in self._starts.values())

    def _look(self, start: _Start) -> Loading:
        state, reason = start.state, start.reason
        # Of two engines for one stage the first may be lost, and come back, at any time.
        if state == "ready" and (away := getattr(start.engine, "away", "")):
            state, reason = "stand-in", f"{away} is away."
        ended_s = self._clock() if start.ended_s is None else start.ended_s
        seconds = 0.0 if start.began_s is None else round(ended_s - start.began_s, 2)
        return Loading(start.stages, start.engine.name, state, seconds, reason)

"""What is said of the engines while they load, and when one of them is ill later on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from duologue.engines.progress import Loading, TellsProgress


class WarmUp:
    """Reads what ``engines`` tell of themselves; it keeps nothing, so it is true at any time."""

    # Nobody knows how long a model takes; asking is cheap.
    RETRY_AFTER_S = 1

    def __init__(self, engines: object) -> None:
        self._engines = engines

    @property
    def engines(self) -> tuple[Loading, ...]:
        """Each engine's start; empty for engines that do not tell."""
        return self._engines.progress if isinstance(self._engines, TellsProgress) else ()

    @property
    def unhealthy(self) -> dict[str, str]:
        """Stages that cannot serve now, each with the reason."""
        unhealthy: Mapping[str, str] = getattr(self._engines, "unhealthy", {})
        return dict(unhealthy)

    @property
    def message(self) -> str:
        """For people who wait for the models."""
        engines = self.engines
        loading = [each.engine.replace(", ", " or ") for each in engines if each.state == "loading"]
        if not loading:
            return "Measuring this machine." if engines else "Loading the models."
        ready = len(engines) - len(loading)
        return f"Loading the models: {ready} of {len(engines)} ready, waiting for {_and(loading)}."

    @property
    def complaint(self) -> str:
        """For people who ask why the server is not ready, though the models are loaded."""
        return " ".join(f"{stage}: {reason}" for stage, reason in sorted(self.unhealthy.items()))

    @property
    def progress(self) -> dict[str, Any]:
        """As it goes into an answer. Reasons stay here: anybody may ask."""
        engines = self.engines
        return {
            "ready": sum(each.state != "loading" for each in engines),
            "of": len(engines),
            "engines": [_public(each) for each in engines],
        }


def _public(loading: Loading) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(loading)
    return {name: value for name, value in fields.items() if name != "reason"}


def _and(names: list[str]) -> str:
    """``names`` as a list in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

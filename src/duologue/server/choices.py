"""What clients of this server may choose among, asked of the engines each time: models come and go."""

from __future__ import annotations

from dataclasses import dataclass

import anyio

from duologue.config import Setup
from duologue.engines.client import EngineClient

# A person who has just added a model looks again within seconds; a page asks once.
_RELIST_EVERY_S = 10.0
# The page waits for it.
_RELIST_S = 1.0


@dataclass
class Offered:
    """Choices of one server; see ``protocols.openai_realtime.choices``. Empty for engines that do not tell."""

    engines: EngineClient
    setup: Setup
    _listed_s: float | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """Chat models, the default first; of a model that hears there is no choice."""
        return () if self.setup.engines.hears else tuple(getattr(self.engines, "models", ()))

    @property
    def voices(self) -> tuple[str, ...]:
        return tuple(getattr(self.engines, "voices", ()))

    @property
    def languages(self) -> frozenset[str]:
        return frozenset(getattr(self.engines, "languages", ()))

    async def relist(self) -> None:
        """Look which chat models there are now, unless that was done just now; for a second at most."""
        now_s = anyio.current_time()
        is_fresh = self._listed_s is not None and now_s - self._listed_s < _RELIST_EVERY_S
        if is_fresh or (relist := getattr(self.engines, "relist", None)) is None:
            return
        self._listed_s = now_s
        with anyio.move_on_after(_RELIST_S):
            await relist()

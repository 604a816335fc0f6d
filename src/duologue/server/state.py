"""What all connections of one server share."""

from __future__ import annotations

from dataclasses import dataclass, field

from duologue.config import Settings, Setup
from duologue.engines.client import EngineClient
from duologue.engines.slots import Slots
from duologue.events import SessionConfig, TurnDetection
from duologue.server.secrets import Secrets
from duologue.session.replies import Ways


@dataclass
class State:
    """``is_ready``: the engines are loaded and warm; ``voice``, the default one, and
    ``has_partials`` (words are shown while somebody speaks) are known by then."""

    settings: Settings
    setup: Setup
    engines: EngineClient
    voice: str = ""
    has_partials: bool = True
    model: str = "duologue"
    is_ready: bool = False
    slots: Slots = field(init=False)
    secrets: Secrets = field(default_factory=Secrets)

    def __post_init__(self) -> None:
        self.slots = Slots(self.settings.max_sessions)

    @property
    def ways(self) -> Ways:
        """How every session uses the engines."""
        chosen = self.setup.engines
        return Ways(self.setup.turns.speculates, hears=chosen.hears, has_partials=self.has_partials)

    @property
    def defaults(self) -> SessionConfig:
        """How a session is until its client says otherwise."""
        return SessionConfig(
            instructions=self.settings.instructions,
            voice=self.voice,
            turn_detection=TurnDetection(silence_ms=self.setup.turns.silence_ms),
        )

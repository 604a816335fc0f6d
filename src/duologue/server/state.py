"""What all connections of one server share."""

from __future__ import annotations

from dataclasses import dataclass, field

from duologue.config import Profile, Settings
from duologue.engines.client import EngineClient
from duologue.engines.slots import Slots
from duologue.events import SessionConfig, TurnDetection


@dataclass
class State:
    """``is_ready``: the engines are loaded and warm."""

    settings: Settings
    profile: Profile
    engines: EngineClient
    voice: str
    model: str = "duologue"
    is_ready: bool = False
    slots: Slots = field(init=False)

    def __post_init__(self) -> None:
        self.slots = Slots(self.settings.max_sessions)

    @property
    def defaults(self) -> SessionConfig:
        """How a session is until its client says otherwise."""
        return SessionConfig(
            instructions=self.settings.instructions,
            voice=self.voice,
            turn_detection=TurnDetection(silence_ms=self.profile.turns.silence_ms),
        )

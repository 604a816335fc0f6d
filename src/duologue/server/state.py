"""What all connections of one server share."""

from __future__ import annotations

from dataclasses import dataclass, field

from duologue.config import Settings, Setup
from duologue.engines.client import EngineClient
from duologue.engines.mcp_http import Permits
from duologue.engines.mcp_servers import McpServers
from duologue.engines.slots import Slots
from duologue.engines.tools import ToolServers
from duologue.items import SessionConfig, TurnDetection
from duologue.server.auth import is_loopback
from duologue.server.secrets import Secrets
from duologue.server.webrtc.calls import Calls
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
    calls: Calls = field(init=False)
    tool_servers: ToolServers = field(init=False)
    secrets: Secrets = field(default_factory=Secrets)

    def __post_init__(self) -> None:
        self.slots = Slots(self.settings.max_sessions)
        self.calls = Calls(self)
        self.tool_servers = McpServers(self._mcp_permits(), tool_timeout_s=self.settings.tool_timeout_s)

    def _mcp_permits(self) -> Permits:
        """Whoever can reach a server that listens beyond this machine must not reach through it into the house."""
        if self.settings.mcp != "auto":
            return self.settings.mcp
        return "any" if is_loopback(self.settings.host) else "public"

    @property
    def ways(self) -> Ways:
        """How every session uses the engines."""
        chosen = self.setup.engines
        return Ways(
            self.setup.turns.speculates,
            hears=chosen.hears,
            has_partials=self.has_partials,
            sees=self.settings.chat_model.vision,
            tool_steps=self.settings.max_tool_steps,
            filler=self.settings.tool_filler,
            filler_after_s=self.settings.tool_filler_after_s,
        )

    @property
    def defaults(self) -> SessionConfig:
        """How a session is until its client says otherwise."""
        return SessionConfig(
            instructions=self.settings.instructions,
            voice=self.voice,
            turn_detection=TurnDetection(silence_ms=self.setup.turns.silence_ms),
        )

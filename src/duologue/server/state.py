"""What all connections of one server share."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from duologue import telemetry
from duologue.config import Settings, Setup
from duologue.engines.client import EngineClient
from duologue.engines.mcp_http import Permits
from duologue.engines.mcp_servers import McpServers
from duologue.engines.pressure import Pressure
from duologue.engines.slots import Slots
from duologue.engines.tools import ToolServers
from duologue.items import SessionConfig, TurnDetection
from duologue.server.admission import Admission
from duologue.server.auth import is_loopback
from duologue.server.choices import Offered
from duologue.server.keeping import Keeping
from duologue.server.load import Load
from duologue.server.metrics import Metrics
from duologue.server.personas import Persona, read_personas
from duologue.server.roster import Roster
from duologue.server.secrets import Secrets
from duologue.server.traces import Traces
from duologue.server.warmup import WarmUp
from duologue.server.webrtc.calls import Calls
from duologue.session.replies import Ways
from duologue.store.records import Store


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
    metrics: Metrics = field(default_factory=Metrics)
    traces: Traces | None = None
    store: Store | None = None
    pressure: Pressure = field(default_factory=Pressure)
    slots: Slots = field(init=False)
    admission: Admission = field(init=False)
    load: Load = field(init=False)
    calls: Calls = field(init=False)
    keeping: Keeping = field(init=False)
    warmup: WarmUp = field(init=False)
    tool_servers: ToolServers = field(init=False)
    choices: Offered = field(init=False)
    personas: tuple[Persona, ...] = field(init=False)
    secrets: Secrets = field(default_factory=Secrets)
    roster: Roster = field(default_factory=Roster)
    began_s: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.slots = Slots(self.settings.max_sessions)
        self.admission = Admission(self.settings, self.slots, self.metrics, self.pressure)
        self.load = Load(self)
        self.calls = Calls(self)
        self.keeping = Keeping(self.store, self.metrics)
        self.warmup = WarmUp(self.engines)
        self.tool_servers = McpServers(self.mcp_permits, tool_timeout_s=self.settings.tool_timeout_s)
        self.choices = Offered(self.engines, self.setup)
        self.personas = read_personas(self.settings.personas)
        self.metrics.profile = self.setup.profile
        self.metrics.show(telemetry.SESSIONS_ACTIVE, lambda: self.slots.taken)
        self.metrics.show(telemetry.SESSIONS_LIMIT, lambda: self.slots.capacity)
        self.metrics.show(telemetry.SESSIONS_PLACES, lambda: self.admission.places)
        self.metrics.show(telemetry.CLIENTS_WAITING, lambda: self.admission.waiting)
        self.metrics.show(telemetry.PRESSURE, lambda: self.pressure.level)
        self.metrics.show(telemetry.READY, lambda: float(self.is_ready))
        self.metrics.show_engines(self.engines.stats)

    @property
    def mcp_permits(self) -> Permits:
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
            pressure=self.pressure,
            context_tokens=self.settings.context_tokens,
        )

    @property
    def defaults(self) -> SessionConfig:
        """How a session is until its client says otherwise."""
        return SessionConfig(
            instructions=self.settings.instructions,
            voice=self.voice,
            turn_detection=TurnDetection(silence_ms=self.setup.turns.silence_ms),
        )

"""``GET /ops/state``: what the operator's page shows, asked for each second.

Numbers and short ids only: nothing that people said, no names, no addresses, no keys. It wants a key where there is
one, and no client secret.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from duologue import telemetry
from duologue.engines.client import StageStats
from duologue.engines.progress import Loading
from duologue.server.load import LoadNow
from duologue.server.metrics import Metrics, Recent
from duologue.server.roster import Seen

if TYPE_CHECKING:
    from duologue.server.state import State

# It starts; the limit of the settings; what one more conversation is predicted to do to all; work that is late.
ClosedBy = Literal["", "warming_up", "max_sessions", "prediction", "pressure"]
# Counted like a stage, but nobody's turn.
LOOP_LAG = "loop_lag"


class EngineSeen(msgspec.Struct, frozen=True):
    """One engine, and the stages that it serves."""

    stages: list[str]
    stats: StageStats


class AdmissionSeen(msgspec.Struct, frozen=True):
    """``capacity``: sessions that the machine is thought to bear, ``most``: that the settings allow; ``taken``, and
    ``called`` for those on their way. ``closed_by``: why a newcomer does not get in now, "" where he does.
    ``refused``: how many since the start, by the error's code, as ``admitted`` and ``queued`` are."""

    most: int
    capacity: int
    taken: int
    called: int
    waiting: int
    most_waiting: int
    closed_by: ClosedBy
    admitted: int
    queued: int
    refused: dict[str, int]


class TurnTakingSeen(msgspec.Struct, frozen=True):
    """Since the start. ``kept`` and ``dropped``: answers begun in a pause; ``dropped_s``: engine time that went
    into the latter; ``verdicts``: how often a sound over an answer was taken for what."""

    kept: int
    dropped: int
    dropped_s: float
    verdicts: dict[str, int]


class OpsState(msgspec.Struct, frozen=True):
    """All of the page. ``status``: as ``/readyz`` has it. ``stages``: of the last turns; ``load``: the last
    look of `duologue.server.load`; ``shed``: what is left undone at its level of pressure."""

    status: str
    message: str
    profile: str
    up_s: float
    warm_up: tuple[Loading, ...]
    unhealthy: dict[str, str]
    sessions: list[Seen]
    stages: dict[str, Recent]
    turn_taking: TurnTakingSeen
    engines: list[EngineSeen]
    admission: AdmissionSeen
    load: LoadNow
    shed: list[str]


def look(state: State) -> OpsState:
    """The server as it is now."""
    status, message = status_of(state)
    return OpsState(
        status=status,
        message=message,
        profile=state.setup.profile,
        up_s=round(time.monotonic() - state.began_s, 1),
        warm_up=state.warmup.engines,
        unhealthy=state.warmup.unhealthy,
        sessions=state.roster.look(),
        stages={stage: recent for stage, recent in state.metrics.recent().items() if stage != LOOP_LAG},
        turn_taking=_turn_taking(state.metrics),
        engines=_engines(state.engines.stats()),
        admission=_admission(state),
        load=state.load.now,
        shed=_shed(state),
    )


def status_of(state: State) -> tuple[str, str]:
    """In one word, and in a sentence."""
    if not state.is_ready:
        return "warming", state.warmup.message
    if state.warmup.unhealthy:
        return "unhealthy", state.warmup.complaint
    if not state.admission.admits:
        return "full", "No place is free. Try again when a conversation has ended."
    return "ready", "Ready to talk."


def _turn_taking(metrics: Metrics) -> TurnTakingSeen:
    attempts, verdicts = Counter[str](), Counter[str]()
    for (result, _), count in metrics.counted(telemetry.ATTEMPTS).items():
        attempts[result] += int(count)
    for (verdict,), count in metrics.counted(telemetry.OVERLAPS).items():
        verdicts[verdict] += int(count)
    dropped_s = metrics.counted(telemetry.ATTEMPT_COMPUTE).get(("dropped",), 0.0)
    return TurnTakingSeen(attempts["kept"], attempts["dropped"], round(dropped_s, 3), dict(verdicts))


def _engines(stats: dict[str, StageStats]) -> list[EngineSeen]:
    """Each once, in the order of the stages."""
    by_engine: dict[str, EngineSeen] = {}
    for stage, each in stats.items():
        by_engine.setdefault(each.engine, EngineSeen([], each)).stages.append(stage)
    return list(by_engine.values())


def _admission(state: State) -> AdmissionSeen:
    admission, slots = state.admission, state.slots
    results, refused = Counter[str](), Counter[str]()
    for (result, reason), count in state.metrics.counted(telemetry.ADMISSIONS).items():
        results[result] += int(count)
        if result == "refused":
            refused[reason] += int(count)
    return AdmissionSeen(
        most=slots.capacity,
        capacity=admission.places,
        taken=slots.taken,
        called=admission.called,
        waiting=admission.waiting,
        most_waiting=state.settings.max_waiting,
        closed_by=_closed_by(state),
        admitted=results["admitted"],
        queued=results["queued"],
        refused=dict(refused),
    )


def _closed_by(state: State) -> ClosedBy:
    """In the order in which a newcomer is told."""
    if not state.is_ready:
        return "warming_up"
    if state.admission.admits:
        return ""
    taken = state.slots.taken + state.admission.called
    if taken >= state.slots.capacity:
        return "max_sessions"
    return "prediction" if state.pressure.admits else "pressure"


def _shed(state: State) -> list[str]:
    pressure = state.pressure
    allowed = {
        "partial transcripts": pressure.allows_partials,
        "speculative attempts": pressure.allows_attempts,
        "new conversations": pressure.admits,
    }
    return [name for name, is_allowed in allowed.items() if not is_allowed]


async def _state(request: Request) -> Response:
    state: State = request.app.state.duologue
    body = msgspec.json.encode(look(state))
    return Response(body, headers={"Cache-Control": "no-store"}, media_type="application/json")


ROUTES: list[BaseRoute] = [Route("/ops/state", _state)]

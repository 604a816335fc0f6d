"""``POST /v1/realtime/calls``: an SDP offer in, an SDP answer out; and what can be done with a call by its id."""

from __future__ import annotations

import time
from typing import Any

import anyio
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from duologue import telemetry
from duologue.errors import DuologueError
from duologue.protocols.openai_realtime.protocol import RealtimeProtocol
from duologue.server.admission import ticket_of, who_of
from duologue.server.keeping import wish_of
from duologue.server.problems import problem, problem_of, too_slow, warming_up
from duologue.server.state import State
from duologue.server.webrtc.offer import read

log = structlog.get_logger(__name__)

CALLS = "/v1/realtime/calls"
# An offer that takes longer to arrive is given up.
BODY_S = 10.0


async def _create(request: Request) -> Response:
    state: State = request.app.state.duologue
    if not state.is_ready:
        return _refused(warming_up(state))
    try:
        with anyio.fail_after(BODY_S):
            asked = await read(request)
        who, ticket = who_of(request.scope), ticket_of(request.headers, request.query_params)
        protocol = _protocol(request, state, asked.session)
        wish = wish_of(request.scope, state.settings, is_talk=protocol.kind == "realtime")
        answered = await state.calls.open(asked.offer, protocol, who, ticket, wish)
    except TimeoutError:
        return _refused(too_slow(BODY_S))
    except ClientDisconnect:
        return Response(status_code=400)
    except DuologueError as error:
        return _refused(problem_of(error))
    headers = {"Location": f"{CALLS}/{answered.call_id}"}
    return Response(answered.sdp, 201, headers, media_type="application/sdp")


def _refused(response: Response) -> Response:
    log.info(telemetry.SESSION_REFUSED, status=response.status_code, transport="webrtc")
    return response


def _protocol(request: Request, state: State, posted: dict[str, Any] | None) -> RealtimeProtocol:
    """The dialect of a new call: what its key is bound to first, over it what came with the offer."""
    grant = request.scope.get("state", {}).get("grant")
    bound: dict[str, Any] | None = getattr(grant, "session", None)
    wanted = {**(bound or {}), **(posted or {})}
    protocol = RealtimeProtocol(
        str(request.query_params.get("model") or wanted.get("model") or state.model),
        state.defaults,
        now_s=int(time.time()),
        kind="transcription" if wanted.get("type") == "transcription" else "realtime",
        over_webrtc=True,
        with_metrics=request.query_params.get("x_metrics") == "1",
        with_playout=request.query_params.get("x_playout") == "1",
        longest_s=state.settings.max_session_s,
        choices=state.choices,
    )
    for session in (bound, posted):
        if session:
            protocol.apply(session)
    return protocol


async def _hang_up(request: Request) -> Response:
    state: State = request.app.state.duologue
    if await state.calls.hang_up(request.path_params["call_id"]):
        return Response(status_code=200)
    return problem(404, "call_not_found", "There is no such call; it may have ended.", param="call_id")


async def _sip(_request: Request) -> Response:
    return problem(501, "not_implemented", "This server takes no calls by telephone (SIP).")


ROUTES: list[BaseRoute] = [
    Route(CALLS, _create, methods=["POST"]),
    # Where it was before the protocol was final.
    Route("/v1/realtime", _create, methods=["POST"]),
    Route(CALLS + "/{call_id}/hangup", _hang_up, methods=["POST"]),
    *(Route(f"{CALLS}/{{call_id}}/{action}", _sip, methods=["POST"]) for action in ("accept", "reject", "refer")),
]

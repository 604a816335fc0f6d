"""``POST /v1/realtime/calls``: an SDP offer in, an SDP answer out; and what can be done with a call by its id."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from duologue import telemetry
from duologue.errors import CapacityError, ClientError
from duologue.protocols.openai_realtime.protocol import RealtimeProtocol
from duologue.server.problems import problem, problem_of
from duologue.server.state import State

log = structlog.get_logger(__name__)

CALLS = "/v1/realtime/calls"
# Chromium's offers are some 5 kB; a session with many tools may be larger.
MAX_SDP_BYTES = 256 << 10
MAX_SESSION_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Asked:
    """``session``: the part of that name, None where there is none."""

    offer: str
    session: dict[str, Any] | None = None


async def _create(request: Request) -> Response:
    state: State = request.app.state.duologue
    if not state.is_ready:
        return _refused(problem(503, "warming_up", "The server is loading its models. Try again in a few seconds."))
    try:
        asked = await _read(request)
        answered = await state.calls.open(asked.offer, _protocol(request, state, asked.session))
    except (ClientError, CapacityError) as error:
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
        longest_s=state.settings.max_session_s,
    )
    for session in (bound, posted):
        if session:
            protocol.apply(session)
    return protocol


async def _read(request: Request) -> _Asked:
    """Raises ClientError for a body that has no offer in it."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await _read_parts(request)
    offer = bytearray()
    async for chunk in request.stream():
        offer += chunk
        if len(offer) > MAX_SDP_BYTES:
            raise ClientError("The SDP offer is too long.", code="invalid_offer", param="sdp")
    return _Asked(_offer(bytes(offer)))


async def _read_parts(request: Request) -> _Asked:
    try:
        async with request.form(max_files=4, max_fields=4, max_part_size=MAX_SESSION_BYTES) as form:
            parts = {name: await _bytes(form.get(name)) for name in ("sdp", "session")}
    except HTTPException as error:
        raise ClientError(f"The form cannot be read: {error.detail}", code="invalid_form") from None
    if parts["sdp"] is None:
        raise ClientError("The form has no part 'sdp'.", code="invalid_offer", param="sdp")
    return _Asked(_offer(parts["sdp"]), _session(parts["session"]))


async def _bytes(part: UploadFile | str | None) -> bytes | None:
    if isinstance(part, UploadFile):
        return await part.read(MAX_SESSION_BYTES)
    return None if part is None else part.encode()


def _offer(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    if not text.startswith("v=0"):
        raise ClientError("The body is no SDP offer: it begins with 'v=0'.", code="invalid_offer", param="sdp")
    return text


def _session(part: bytes | None) -> dict[str, Any] | None:
    if part is None or not part.strip():
        return None
    try:
        session = json.loads(part)
    except ValueError:
        session = None
    if not isinstance(session, dict):
        raise ClientError("The part 'session' is no JSON object.", param="session")
    return session


async def _hang_up(request: Request) -> Response:
    state: State = request.app.state.duologue
    if state.calls.hang_up(request.path_params["call_id"]):
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

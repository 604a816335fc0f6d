"""``POST /v1/realtime/client_secrets``: a server with a key lets a browser talk, without giving it the key.

Also the two endpoints that it replaced, whose sessions are flat and have other names (``beta_sessions``).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from duologue.errors import ClientError, DuologueError
from duologue.protocols.openai_realtime import fields
from duologue.protocols.openai_realtime.messages import LARGEST_OBJECT_BYTES, parse_object
from duologue.protocols.openai_realtime.settings import Kind, WireSession
from duologue.server.beta_sessions import from_beta, to_beta
from duologue.server.problems import problem_of, too_slow, warming_up
from duologue.server.secrets import Secret
from duologue.server.state import State

DEFAULT_LIFE_S, SHORTEST_LIFE_S, LONGEST_LIFE_S = 600, 10, 7_200
# A body is a few kilobytes; who takes longer to send it holds the connection for something else.
BODY_S = 10.0

Json = dict[str, Any]


def _endpoint(make: Callable[[Request, State, Json], Json]) -> Callable[[Request], Awaitable[Response]]:
    """``make`` an answer of a JSON body; what it raises is a problem."""

    async def answer(request: Request) -> Response:
        state: State = request.app.state.duologue
        if not state.is_ready:
            return warming_up(state)
        try:
            with anyio.fail_after(BODY_S):
                body = await _body(request)
            made = make(request, state, body)
        except ClientDisconnect:
            return Response(status_code=400)
        except TimeoutError:
            return too_slow(BODY_S)
        except DuologueError as error:
            return problem_of(error)
        return JSONResponse(made, headers={"Cache-Control": "no-store"})

    return answer


async def _body(request: Request) -> Json:
    """The body as an object, {} for an empty one. Raises ClientError."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_OBJECT_BYTES:
            raise ClientError(f"The body is larger than {LARGEST_OBJECT_BYTES // 1024} KiB.")
    return parse_object(msgspec.Raw(bytes(body)), "body") if body.strip() else {}


def _client_secret(request: Request, state: State, body: Json) -> Json:
    unknown = body.keys() - {"session", "expires_after"}
    if unknown:
        name = min(unknown)
        raise ClientError(f"Unknown parameter: '{name[:64]}'.", code="unknown_parameter", param=name[:64])
    session = _object(body, "session")
    shown = _effective(state, session)
    value, secret = _make(request, state, session, _life_s(body, ""))
    return {"value": value, "expires_at": secret.expires_at, "session": shown}


def _beta_session(kind: Kind) -> Callable[[Request, State, Json], Json]:
    def make(request: Request, state: State, body: Json) -> Json:
        wanted = _object(body, "client_secret")
        session = from_beta(body, kind)
        shown = _effective(state, session)
        value, secret = _make(request, state, session, _life_s(wanted, "client_secret."))
        return to_beta(shown) | {"client_secret": {"value": value, "expires_at": secret.expires_at}}

    return make


def _effective(state: State, session: Mapping[str, Any]) -> Json:
    """The whole session that ``session`` leads to. Raises ClientError for what cannot be, now and not at the call."""
    asked = session.get("type") or "realtime"
    kind: Kind = "transcription" if asked == "transcription" else "realtime"
    model = fields.optional_text(session.get("model"), "session.model") or state.model
    longest_s, now_s = state.settings.max_session_s, int(time.time())
    wire = WireSession(model, state.defaults, now_s, kind=kind, longest_s=longest_s, choices=state.choices)
    wire.update({**session, "type": asked})
    return wire.shown


def _make(request: Request, state: State, session: Json, lives_s: int) -> tuple[str, Secret]:
    grant = request.state.grant
    return state.secrets.make({"type": "realtime", **session}, lives_s, grant.key_name)


def _object(body: Json, key: str) -> Json:
    value = body.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ClientError(f"Invalid type for '{key}': expected an object.", param=key)
    return value


def _life_s(parent: Json, path: str) -> int:
    wanted = _object(parent, "expires_after")
    if wanted.get("anchor", "created_at") != "created_at":
        param = f"{path}expires_after.anchor"
        raise ClientError(f"Invalid value for '{param}'. Supported values are: 'created_at'.", param=param)
    seconds = wanted.get("seconds")
    if seconds is None:
        return DEFAULT_LIFE_S
    param = f"{path}expires_after.seconds"
    if not isinstance(seconds, int):
        raise ClientError(f"Invalid type for '{param}': expected a whole number.", param=param)
    return int(fields.number(seconds, param, SHORTEST_LIFE_S, LONGEST_LIFE_S))


ROUTES = [
    Route("/v1/realtime/client_secrets", _endpoint(_client_secret), methods=["POST"]),
    Route("/v1/realtime/sessions", _endpoint(_beta_session("realtime")), methods=["POST"]),
    Route("/v1/realtime/transcription_sessions", _endpoint(_beta_session("transcription")), methods=["POST"]),
]

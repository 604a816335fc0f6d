"""The door to everything under ``/v1/`` and to ``/metrics``: who may come in gets a grant, others learn why not.

A key is shown as ``Authorization: Bearer KEY``; a browser, whose WebSocket has no headers, offers it as the
subprotocol ``openai-insecure-api-key.KEY``. Neither comes back in an answer, nor into a log.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from duologue import telemetry
from duologue.config import Settings
from duologue.server.auth import Guesses, Keys, OwnNames, is_allowed_origin, origins, read_keys
from duologue.server.problems import problem
from duologue.server.secrets import Secrets, is_secret

log = structlog.get_logger(__name__)

KEY_PROTOCOL = "openai-insecure-api-key."
BETA_PROTOCOL = "openai-beta.realtime-v1"
BETA = "realtime=v1"
# What a client secret opens: it is given to browsers, which talk and do nothing else.
SECRET_PATHS = {"/v1/realtime", "/v1/realtime/calls", "/v1/admission", "/v1/offer"}
ANYONE = "anyone"
HOW = (
    "Send the header 'Authorization: Bearer KEY'; in a browser's WebSocket offer the subprotocols 'realtime' and "
    "'openai-insecure-api-key.KEY'."
)
NO_KEY = f"A key is wanted. {HOW}"
WRONG_KEY = f"This key is not known here. {HOW}"
DEAD_SECRET = (
    "This client secret has expired or is not known here. Ask POST /v1/realtime/client_secrets for another one."
)
NOT_FOR_SECRETS = (
    "A client secret opens /v1/realtime, /v1/realtime/calls, /v1/admission and /v1/offer. For anything else show a key."
)
FOREIGN_PAGE = (
    "This page may not connect. Add its origin to allowed_origins (--allowed-origin), or, behind a reverse proxy, "
    "let that hand on the Host header."
)
FOREIGN_NAME = (
    "This server has no key, so it answers only to names that no web page can take: localhost, and its address. "
    "Add this one to allowed_hosts, or set a key."
)
CORS_METHODS = "GET, POST, DELETE, OPTIONS"
# Browsers do not count Authorization into "*".
CORS_HEADERS = "Authorization, Content-Type, OpenAI-Beta, *"
CORS_EXPOSED = "Location, Retry-After"
PREFLIGHT_S = "600"
UNAUTHORISED = {"WWW-Authenticate": "Bearer"}


@dataclass(frozen=True)
class Grant:
    """What a request may do, at ``scope["state"]["grant"]``.

    ``key_name``: whose it is, never the key itself. ``session``: what a client secret was made with, as the wire
    has it. ``expires_at``: until when the secret lives, in seconds of the calendar; None for a key. ``owner``: whose
    conversations it reaches, the same after a start; a secret's is its maker's.
    """

    key_name: str
    session: dict[str, Any] | None = None
    expires_at: int | None = None
    owner: str = ANYONE


@dataclass(frozen=True)
class Rules:
    """What the settings say of who may come in, read once: the first request must not wait for files or names."""

    keys: Keys
    origins: frozenset[str]
    names: OwnNames
    guarded: tuple[str, ...] = ("/v1/", "/metrics/", "/ops/state/")

    @classmethod
    def of(cls, settings: Settings) -> Rules:
        """Raises ConfigError for keys or origins that cannot be."""
        guarded = tuple(path for path in cls.guarded if path != "/metrics/" or not settings.metrics_open)
        return cls(read_keys(settings), origins(settings.allowed_origins), OwnNames.of(settings), guarded)


class _Refused(Exception):
    """The request is answered here. Never quotes a key."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers


def wants_beta(scope: Scope) -> bool:
    """Whether a WebSocket's client speaks the shape of the protocol that came before GA."""
    asked = Headers(scope=scope).getlist("openai-beta")
    return BETA_PROTOCOL in scope.get("subprotocols", ()) or any(BETA in value.replace(" ", "") for value in asked)


class Access:
    """ASGI middleware; what is not guarded, health and the page, is open. ``clock``: seconds, monotonic."""

    def __init__(
        self, app: ASGIApp, rules: Rules, secrets: Secrets, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._secrets = secrets
        self._keys, self._origins, self._names = rules.keys, rules.origins, rules.names
        self._guarded = rules.guarded
        self._guesses = Guesses(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or not f"{scope['path']}/".startswith(self._guarded):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._check_names(scope, headers)
            if scope["type"] == "http" and (origin := headers.get("origin")) is not None:
                send = _readable_by(origin, send)
            if _is_preflight(scope, headers):
                await _preflight(headers)(scope, receive, send)
                return
            grant = self._look(scope, headers)
        except _Refused as refused:
            log.info(telemetry.SESSION_REFUSED, status=refused.status, reason=refused.code)
            await problem(refused.status, refused.code, str(refused), headers=refused.headers)(scope, receive, send)
            return
        scope.setdefault("state", {})["grant"] = grant
        await self._app(scope, receive, send)

    def _check_names(self, scope: Scope, headers: Headers) -> None:
        """Whence a page came, and what it calls this server."""
        host = headers.get("host")
        if not self._keys and not self._names.has(host):
            raise _Refused(403, "host_not_allowed", FOREIGN_NAME)
        is_tls = scope["scheme"] in ("https", "wss")
        if not is_allowed_origin(headers.get("origin"), host, self._origins, is_tls=is_tls):
            raise _Refused(403, "origin_not_allowed", FOREIGN_PAGE)

    def _look(self, scope: Scope, headers: Headers) -> Grant:
        """The grant for the key that the request shows; of two, for the one that opens."""
        shown = _shown(scope, headers)
        if not shown:
            if self._keys:
                raise _Refused(401, "invalid_api_key", NO_KEY, UNAUTHORISED)
            return Grant(ANYONE)
        address = scope["client"][0] if scope.get("client") else ""
        wait_s = math.ceil(self._guesses.wait_s(address)) if self._keys else 0
        if wait_s:
            message = f"Too many wrong keys came from this address. Try again in {wait_s} s."
            raise _Refused(429, "rate_limit_exceeded", message, {"Retry-After": str(wait_s)})
        found = [self._grant(key, scope["path"]) for key in shown]
        for grant in found:
            if isinstance(grant, Grant):
                return grant
        self._guesses.note(address)
        raise _Refused(401, "invalid_api_key", str(found[0]), UNAUTHORISED)

    def _grant(self, key: str, path: str) -> Grant | str:
        """What ``key`` opens, or why it opens nothing. A secret is strict where no key is needed, too: who uses an
        expired one would else miss what it was made with."""
        if is_secret(key):
            secret = self._secrets.find(key)
            if secret is None:
                return DEAD_SECRET
            if path not in SECRET_PATHS:
                return NOT_FOR_SECRETS
            return Grant(secret.key_name, secret.session, secret.expires_at, self._owner_of(secret.key_name))
        if not self._keys:
            return Grant(ANYONE)
        name = self._keys.name_of(key)
        return WRONG_KEY if name is None else Grant(name, owner=self._owner_of(name))

    def _owner_of(self, key_name: str) -> str:
        return self._keys.owner_of(key_name) or ANYONE


def _shown(scope: Scope, headers: Headers) -> list[str]:
    """The keys that a request shows, from wherever it may."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    shown = [bearer.strip()] if scheme.lower() == "bearer" else []
    offered = scope.get("subprotocols", ()) if scope["type"] == "websocket" else ()
    shown += [each.removeprefix(KEY_PROTOCOL) for each in offered if each.startswith(KEY_PROTOCOL)]
    return [key for key in shown if key][:2]


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    is_asked = "origin" in headers and "access-control-request-method" in headers
    return scope["type"] == "http" and scope["method"] == "OPTIONS" and is_asked


def _preflight(asked: Headers) -> Response:
    headers = {
        "Access-Control-Allow-Methods": CORS_METHODS,
        "Access-Control-Allow-Headers": CORS_HEADERS,
        "Access-Control-Max-Age": PREFLIGHT_S,
    }
    if "access-control-request-private-network" in asked:
        headers["Access-Control-Allow-Private-Network"] = "true"
    return Response(status_code=204, headers=headers)


def _readable_by(origin: str, send: Send) -> Send:
    """Answers, refusals among them, that a page of ``origin`` can read."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = CORS_EXPOSED
            headers.add_vary_header("Origin")
        await send(message)

    return send_with_headers

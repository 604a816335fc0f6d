"""Requests put to an ASGI application by hand, so that a test sees every header and needs no socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message
from starlette.websockets import WebSocket

from duologue.config import Settings
from duologue.server.access import Access, Rules
from duologue.server.secrets import Secrets

KEY = "right-key-4f1c9a"
OWN = "http://127.0.0.1:8710"


@dataclass
class Answer:
    """``status`` 101: a WebSocket was accepted."""

    status: int
    headers: Headers
    body: bytes
    subprotocol: str | None = None

    @property
    def error(self) -> dict[str, Any]:
        return dict(json.loads(self.body)["error"])

    @property
    def everything(self) -> str:
        """All that goes over the wire."""
        return f"{self.headers.raw!r} {self.body!r} {self.subprotocol}"


async def ask(
    app: ASGIApp,
    path: str = "/v1/realtime",
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    body: object = None,
    subprotocols: Sequence[str] | None = None,
    client: str = "127.0.0.1",
    is_tls: bool = False,
) -> Answer:
    """``subprotocols``: None makes it a plain HTTP request, a list the offer of a WebSocket."""
    is_ws = subprotocols is not None
    sent = {"host": "127.0.0.1:8710", **{name.lower(): value for name, value in (headers or {}).items()}}
    scope: dict[str, Any] = {
        "type": "websocket" if is_ws else "http",
        "scheme": ("ws" if is_ws else "http") + ("s" if is_tls else ""),
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items()],
        "subprotocols": list(subprotocols or ()),
        "client": (client, 5),
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }
    coming: list[Message] = [{"type": "websocket.connect"}] if is_ws else []
    coming.append({"type": "http.request", "body": b"" if body is None else json.dumps(body).encode()})
    answers: list[Message] = []

    async def receive() -> Message:
        return coming.pop(0) if coming else {"type": "websocket.disconnect" if is_ws else "http.disconnect"}

    async def send(message: Message) -> None:
        answers.append(message)

    await app(scope, receive, send)
    first = answers[0]
    whole = b"".join(bytes(message.get("body", b"")) for message in answers)
    raw = Headers(raw=list(first.get("headers", ())))
    return Answer(first.get("status", 101), raw, whole, first.get("subprotocol"))


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def _tell(request: Request) -> JSONResponse:
    grant = request.state.grant
    return JSONResponse({"key_name": grant.key_name, "session": grant.session, "expires_at": grant.expires_at})


async def _open(_request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"}, headers={"Vary": "Accept"})


async def _talk(ws: WebSocket) -> None:
    await ws.accept(subprotocol="realtime" if "realtime" in ws.scope["subprotocols"] else None)


def guarded(secrets: Secrets | None = None, clock: Callable[[], float] | None = None, **settings: Any) -> ASGIApp:
    """An application that tells what it was granted, behind the door."""
    every = ["GET", "POST", "DELETE"]
    routes = [
        *(Route(path, _open) for path in ("/", "/healthz", "/readyz", "/v1ews")),
        WebSocketRoute("/v1/realtime", _talk),
        *(Route(path, _tell, methods=every) for path in ("/v1/realtime", "/v1/realtime/calls", "/v1/models")),
        Route("/v1/realtime/client_secrets", _tell, methods=every),
    ]
    return Access(Starlette(routes=routes), Rules.of(Settings(**settings)), secrets or Secrets(), clock or Clock())


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def offer(key: str) -> list[str]:
    return ["realtime", f"openai-insecure-api-key.{key}", "openai-agents-sdk.0.20.0"]

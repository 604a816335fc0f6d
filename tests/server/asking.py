"""Requests put to an ASGI application by hand, so that a test sees every header and needs no socket."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message


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

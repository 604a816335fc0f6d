"""MCP servers on this machine, made with the official package, and ways to be hostile."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import ToolAnnotations
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Any name may be used for this machine, as in the tests of certificates.
_ANY_HOST = TransportSecuritySettings(enable_dns_rebinding_protection=False)
PATHS = {"streamable": "/mcp", "handshake": "/mcp", "sse": "/sse"}


@dataclass
class House:
    """What happened to the tools of one server."""

    called: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def app(way: str, house: House) -> ASGIApp:
    """``way``: "streamable" (the newest protocol), "handshake" (sessions of the ones before), "sse" (the oldest)."""
    server = _server(house)
    if way == "sse":
        return _noting(server.sse_app(transport_security=_ANY_HOST), house)
    made = server.streamable_http_app(transport_security=_ANY_HOST)
    return _noting(_without_discovery(made) if way == "handshake" else made, house)


def _server(house: House) -> MCPServer[Any]:
    server: MCPServer[Any] = MCPServer("house")

    @server.tool(annotations=ToolAnnotations(read_only_hint=True, title="Adds"))
    def add(a: int, b: int) -> int:
        """The sum of two numbers."""
        house.called.append("add")
        return a + b

    @server.tool()
    async def slow(seconds: float) -> str:
        house.called.append("slow")
        try:
            await anyio.sleep(seconds)
        except anyio.get_cancelled_exc_class():
            house.cancelled.append("slow")
            raise
        return "at last"

    @server.tool()
    def fail() -> str:
        raise ToolError("the oven is cold")

    @server.tool()
    def letters(count: int) -> str:
        return "é" * (count // 2)

    @server.tool()
    def city() -> dict[str, int]:
        return {"people": 3}

    @server.tool(structured_output=False)
    def picture() -> list[Any]:
        return ["a dot", Image(data=b"\x00" * 300, format="png")]

    return server


def _noting(inner: ASGIApp, house: House) -> ASGIApp:
    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            house.headers.append({key.decode(): value.decode() for key, value in scope["headers"]})
            house.requests.append(scope["method"])
        await inner(scope, receive, send)

    return noting


def _without_discovery(inner: ASGIApp) -> ASGIApp:
    """As a server of before 2026, which keeps a session for each client."""

    async def before(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await inner(scope, receive, send)
            return
        body = await Request(scope, receive).body()
        if b"server/discover" in body:
            await JSONResponse({}, 400)(scope, receive, send)
            return
        is_told = False

        async def again() -> Message:
            nonlocal is_told
            if is_told:
                return await receive()
            is_told = True
            return {"type": "http.request", "body": body, "more_body": False}

        await inner(scope, again, send)

    return before


def needing(token: str, inner: ASGIApp) -> ASGIApp:
    """401 for whoever does not show it."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        shown = dict(scope.get("headers", [])).get(b"authorization", b"").decode()
        if scope["type"] == "http" and shown != f"Bearer {token}":
            await JSONResponse({"error": "invalid_token"}, 401)(scope, receive, send)
            return
        await inner(scope, receive, send)

    return guarded


Speak = Callable[[dict[str, Any]], Awaitable[Response]]


def speaking(results: dict[str, Any], others: Speak | None = None) -> ASGIApp:
    """A server of a few lines: ``results`` by method, whatever the request; other methods go to ``others``."""

    async def answer(request: Request) -> Response:
        asked = await request.json()
        if asked["method"] == "initialize":
            given: Any = {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "few lines", "version": "1"},
            }
        elif asked["method"] in results:
            given = results[asked["method"]]
        elif "id" not in asked:
            return Response(status_code=202)
        elif others is not None and asked["method"] != "server/discover":
            return await others(asked)
        else:
            return PlainTextResponse("what?", 404)
        return JSONResponse({"jsonrpc": "2.0", "id": asked["id"], "result": given})

    return Starlette(routes=[Route("/mcp", answer, methods=["POST"])])


@dataclass
class Certificate:
    """Of this machine's own making, for ``tools.example``; ``context`` trusts it."""

    key: Path
    chain: Path
    context: ssl.SSLContext

    @classmethod
    def make(cls, folder: Path) -> Certificate:
        key, chain = folder / "key.pem", folder / "chain.pem"
        command = (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=x -addext"
        )
        names = ["subjectAltName=DNS:tools.example", "-keyout", str(key), "-out", str(chain)]
        subprocess.run([*command.split(), *names], check=True, capture_output=True)
        return cls(key, chain, ssl.create_default_context(cafile=str(chain)))


@asynccontextmanager
async def serving(served: ASGIApp, port: int = 0, certificate: Certificate | None = None) -> AsyncIterator[int]:
    """Serve on this machine until the block ends; gives the port."""
    paths = {"ssl_keyfile": certificate.key, "ssl_certfile": certificate.chain} if certificate else {}
    config = uvicorn.Config(served, log_config=None, ws="none", **paths)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup([listener])
        try:
            yield listener.getsockname()[1]
        finally:
            server.force_exit = True
            with anyio.CancelScope(shield=True):
                for connection in list(server.server_state.connections):
                    connection.transport.abort()
                await server.shutdown([listener])
                await server.lifespan.shutdown()

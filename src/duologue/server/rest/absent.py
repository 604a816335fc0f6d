"""What is not there under ``/v1/``: said in OpenAI's words, since programs read their errors as JSON.

Its route comes last, before the page's files, which would answer in plain text.
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route, WebSocketRoute
from starlette.websockets import WebSocket

from duologue.server.problems import problem

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


async def _absent(request: Request) -> Response:
    where = _shown(request.url.path)
    if not (allowed := _allowed(request)):
        message = f"Invalid URL ({request.method} {where})"
        return problem(HTTPStatus.NOT_FOUND, "unknown_url", message)
    methods = ", ".join(sorted(allowed))
    message = f"Not allowed to {request.method} on {where}: it takes {methods}."
    return problem(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_supported", message, headers={"Allow": methods})


def _allowed(request: Request) -> set[str]:
    """The methods that other routes take at this path."""
    routes = [route for route in request.app.routes if isinstance(route, Route) and route.endpoint is not _absent]
    return {
        method for route in routes if route.matches(request.scope)[0] is Match.PARTIAL for method in route.methods or ()
    }


async def _absent_socket(ws: WebSocket) -> None:
    message = f"Invalid URL (WebSocket {_shown(ws.url.path)})"
    await ws.send_denial_response(problem(HTTPStatus.NOT_FOUND, "unknown_url", message))


def _shown(path: str) -> str:
    return path if len(path) <= 80 else f"{path[:77]}..."


ROUTES: list[BaseRoute] = [
    Route("/v1/{path:path}", _absent, methods=_METHODS),
    WebSocketRoute("/v1/{path:path}", _absent_socket),
]

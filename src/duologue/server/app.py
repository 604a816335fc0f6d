"""The HTTP face: the page, health, and the way to a session."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from duologue.server.state import State
from duologue.server.websocket import realtime


def make_app(state: State) -> Starlette:
    """The application around ``state``."""
    page = Path(str(resources.files("duologue.server"))) / "static"
    routes: list[BaseRoute] = [
        Route("/healthz", _healthz),
        Route("/readyz", _readyz),
        WebSocketRoute("/v1/realtime", realtime),
        Mount("/", StaticFiles(directory=page, html=True)) if page.is_dir() else Route("/", _no_page),
    ]
    app = Starlette(routes=routes)
    app.state.duologue = state
    return app


async def _healthz(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _readyz(request: Request) -> Response:
    """200 once the engines are warm; the body tells whether one more conversation would be admitted."""
    state: State = request.app.state.duologue
    sessions = {"sessions": state.slots.taken, "max_sessions": state.slots.capacity}
    if not state.is_ready:
        return JSONResponse(
            {"status": "warming", "message": "Loading the models.", **sessions}, 503, {"Retry-After": "2"}
        )
    if not state.slots.can_lease:
        message = "Every place is taken. Try again when a conversation has ended."
        return JSONResponse({"status": "full", "message": message, **sessions})
    return JSONResponse({"status": "ready", "message": "Ready to talk.", **sessions})


async def _no_page(_request: Request) -> Response:
    return PlainTextResponse(
        "Duologue runs, but its page was not built. Run: python hatch_build.py\n"
        "Programs connect to /v1/realtime as to the OpenAI Realtime API.\n"
    )

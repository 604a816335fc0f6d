"""The HTTP face: the page, health, and the way to a session."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from anyio.lowlevel import checkpoint
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from duologue.server import admission, client_secrets, ops
from duologue.server.access import Access, Rules
from duologue.server.page import Page, PageHeaders
from duologue.server.rest import absent, conversations, models, offer, speech, transcriptions
from duologue.server.state import State
from duologue.server.webrtc import routes as calls
from duologue.server.websocket import realtime


def make_app(state: State) -> Starlette:
    """The application around ``state``."""
    page = Path(str(resources.files("duologue.server"))) / "static"
    routes: list[BaseRoute] = [
        Route("/healthz", _healthz),
        Route("/readyz", _readyz),
        Route("/metrics", _metrics),
        WebSocketRoute("/v1/realtime", realtime),
        *admission.ROUTES,
        *ops.ROUTES,
        *client_secrets.ROUTES,
        *calls.ROUTES,
        *transcriptions.ROUTES,
        *speech.ROUTES,
        *models.ROUTES,
        *offer.ROUTES,
        *conversations.ROUTES,
        *absent.ROUTES,
        Mount("/", Page(page)) if page.is_dir() else Route("/", _no_page),
    ]
    door = Middleware(Access, rules=Rules.of(state.settings), secrets=state.secrets)
    middleware = [Middleware(PageHeaders), door]
    app = Starlette(routes=routes, middleware=middleware)
    app.state.duologue = state
    return app


async def _healthz(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _readyz(request: Request) -> Response:
    """200 once the engines are warm; the body tells whether one more conversation would be admitted."""
    state: State = request.app.state.duologue
    status, message = ops.status_of(state)
    sessions = {"sessions": state.slots.taken, "max_sessions": state.slots.capacity, "places": state.admission.places}
    body = {"status": status, "message": message, **sessions}
    if status in ("ready", "full"):
        return JSONResponse(body)
    details = state.warmup.progress if status == "warming" else {"unhealthy": state.warmup.unhealthy}
    return JSONResponse({**body, **details}, 503, {"Retry-After": str(state.warmup.RETRY_AFTER_S)})


async def _metrics(request: Request) -> Response:
    """For Prometheus, in its own text format or, where it asks for that, OpenMetrics."""
    state: State = request.app.state.duologue
    pages, content_type = state.metrics.scrape(request.headers.get("accept", ""))
    whole = []
    for page in pages:
        whole.append(page)
        await checkpoint()
    return Response(b"".join(whole), headers={"Content-Type": content_type})


async def _no_page(_request: Request) -> Response:
    return PlainTextResponse(
        "Duologue runs, but its page was not built. Run: python hatch_build.py\n"
        "Programs connect to /v1/realtime as to the OpenAI Realtime API.\n"
    )

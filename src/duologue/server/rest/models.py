"""``GET /v1/models``: what programs list before they ask for anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from duologue.server.problems import problem
from duologue.server.rest.quoted import quoted

if TYPE_CHECKING:
    from duologue.server.state import State

# The day that this API came out. Programs sort by it; the engines have no date of their own.
_CREATED = 1_790_812_800


def model_names(state: State) -> list[str]:
    """The whole pipeline, the transcriber and the synthesizer."""
    stats = state.engines.stats()
    parts = [name.strip() for stage in ("asr", "tts") if stage in stats for name in stats[stage].engine.split(",")]
    return list(dict.fromkeys([state.model, *parts]))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "duologue"}


async def _list(request: Request) -> Response:
    names = model_names(request.app.state.duologue)
    return JSONResponse({"object": "list", "data": [_model(name) for name in names]})


async def _one(request: Request) -> Response:
    name = request.path_params["name"]
    names = model_names(request.app.state.duologue)
    if name not in names:
        message = f"There is no model {quoted(name)}: {', '.join(names)}."
        return problem(404, "model_not_found", message, param="model")
    return JSONResponse(_model(name))


ROUTES: list[BaseRoute] = [
    Route("/v1/models", _list, methods=["GET"]),
    Route("/v1/models/{name:path}", _one, methods=["GET"]),
]

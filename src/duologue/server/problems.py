"""What a refused request is answered with: OpenAI's error object, and a status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from duologue.errors import CapacityError, ClientError, DuologueError, EngineError, NoSlot, NotKept, Queued, StoreFailed

if TYPE_CHECKING:
    from duologue.server.state import State

RETRY_AFTER_S = 5


def problem(
    status: int,
    code: str,
    message: str,
    *,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> JSONResponse:
    """``status`` below 500: the request is to blame. ``more``: what else the error object says."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"type": kind, "code": code, "message": message, "param": param, **(more or {})}
    retry = {"Retry-After": str(RETRY_AFTER_S)} if status in (429, 503) else {}
    return JSONResponse({"error": error}, status, {**retry, **(headers or {})})


def problem_of(error: DuologueError) -> JSONResponse:
    """The answer to a request that raised ``error``."""
    if isinstance(error, ClientError):
        return problem(404 if isinstance(error, NotKept) else 400, error.code, error.message, param=error.param)
    if isinstance(error, NoSlot):
        headers = {"Retry-After": str(error.retry_after_s)}
        return problem(503, error.code, error.message, headers=headers, more=_place_of(error))
    status = 503 if isinstance(error, CapacityError | StoreFailed) else 502 if isinstance(error, EngineError) else 500
    return problem(status, error.code, error.message)


def _place_of(error: NoSlot) -> dict[str, Any]:
    """Where the client stands in the line, for the error object; nothing for one that does not."""
    if not isinstance(error, Queued):
        return {}
    place = {"position": error.position, "of": error.of, "ticket": error.ticket}
    return {**place, "retry_after_s": error.retry_after_s}


def warming_up(state: State) -> JSONResponse:
    """The answer to a request that came before the engines are ready, with how far they are."""
    warmup = state.warmup
    headers = {"Retry-After": str(warmup.RETRY_AFTER_S)}
    return problem(503, "warming_up", warmup.message, headers=headers, more={"progress": warmup.progress})


def too_slow(limit_s: float) -> JSONResponse:
    """The answer to a request whose body did not come in time."""
    return problem(408, "request_timeout", f"The body of the request did not come within {limit_s:g} s.")

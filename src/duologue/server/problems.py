"""What a refused request is answered with: OpenAI's error object, and a status."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

from duologue.errors import CapacityError, ClientError, DuologueError, EngineError

RETRY_AFTER_S = 5
WARMING_UP = ("warming_up", "The server is loading its models. Try again in a few seconds.")


def problem(
    status: int, code: str, message: str, *, param: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """``status`` below 500: the request is to blame."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"type": kind, "code": code, "message": message, "param": param}
    retry = {"Retry-After": str(RETRY_AFTER_S)} if status in (429, 503) else {}
    return JSONResponse({"error": error}, status, {**retry, **(headers or {})})


def problem_of(error: DuologueError) -> JSONResponse:
    """The answer to a request that raised ``error``."""
    if isinstance(error, ClientError):
        return problem(400, error.code, error.message, param=error.param)
    status = 503 if isinstance(error, CapacityError) else 502 if isinstance(error, EngineError) else 500
    return problem(status, error.code, error.message)


def warming_up() -> JSONResponse:
    """The answer to a request that came before the engines are ready."""
    return problem(503, *WARMING_UP)


def too_slow(limit_s: float) -> JSONResponse:
    """The answer to a request whose body did not come in time."""
    return problem(408, "request_timeout", f"The body of the request did not come within {limit_s:g} s.")

"""Long work behind an HTTP request: admitted or refused at once, and ended when the client goes.

Work of this kind shares the engines with people who are talking, so there is little of it at a time, and what does
not fit is refused with 429 rather than left to wait without end.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from duologue.errors import CapacityError, ClientError, DuologueError
from duologue.server.problems import problem, problem_of, too_slow, warming_up

if TYPE_CHECKING:
    from duologue.server.state import State

# Requests of one kind that are read, waiting or worked on; each upload of these may lie on the disk.
PLACES = 16
# A body that takes longer is given up; 100 MiB in this time are 3 Mbit/s.
_UPLOAD_S = 300.0
# A client that takes nothing for so long keeps its place from others no longer.
_UNREAD_S = 60.0

Asked = TypeVar("Asked")


class Room:
    """How much work of one kind there is at once. ``queue``: entered around each step in an engine."""

    def __init__(self, steps: int, places: int = PLACES) -> None:
        self._steps = anyio.CapacityLimiter(steps)
        self._places = places
        self.taken = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Raises CapacityError where every place is taken."""
        if self.taken >= self._places:
            raise CapacityError("Too much of this work is waiting already: try again in a few seconds.")
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    def queue(self) -> Turn:
        """One step's turn, first come first served: long requests and short ones alternate."""
        return Turn(self._steps)


class Turn:
    """Holds a place in an engine, whichever task closes it."""

    def __init__(self, steps: anyio.CapacityLimiter) -> None:
        self._steps = steps

    async def __aenter__(self) -> None:
        await self._steps.acquire_on_behalf_of(self)

    async def __aexit__(self, *_: object) -> None:
        self._steps.release_on_behalf_of(self)


def half_the_cores() -> int:
    """Steps of a model at once that leave room for conversations."""
    return max(1, (os.cpu_count() or 1) // 2)


class Job:
    """One admitted request. ``cleanup`` runs when the response is over, whatever became of it."""

    def __init__(self, request: Request, room: Room, cleanup: AsyncExitStack) -> None:
        self.request = request
        self.state: State = request.app.state.duologue
        self.room = room
        self.cleanup = cleanup


class Work(Generic[Asked]):
    """An ASGI endpoint. ``read``: the request's body -> what is asked; ``answer``: does it.

    Both may raise DuologueError, before the response has begun. ``name`` and ``steps``: the room that requests of
    this kind share.
    """

    def __init__(
        self,
        name: str,
        steps: int,
        read: Callable[[Job], Awaitable[Asked]],
        answer: Callable[[Job, Asked], Awaitable[Response]],
    ) -> None:
        self._name, self._steps = name, steps
        self._read, self._answer = read, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if not request.app.state.duologue.is_ready:
            await warming_up(request.app.state.duologue)(scope, receive, send)
            return
        room = self._room(request)
        try:
            with room.place():
                async with AsyncExitStack() as cleanup:
                    await self._serve(Job(request, room, cleanup), send)
        except CapacityError as error:
            await problem(429, "rate_limit_exceeded", error.message)(scope, receive, send)

    def _room(self, request: Request) -> Room:
        """One a server, made when it is first needed."""
        rooms: dict[str, Room] | None = getattr(request.app.state, "rooms", None)
        if rooms is None:
            rooms = request.app.state.rooms = {}
        return rooms.setdefault(self._name, Room(self._steps))

    async def _serve(self, job: Job, send: Send) -> None:
        scope, receive = job.request.scope, job.request.receive
        try:
            with anyio.fail_after(_UPLOAD_S):
                asked = await self._read(job)
        except ClientDisconnect:
            return
        except (DuologueError, HTTPException, OSError) as error:
            await refusal(error)(scope, receive, send)
            return
        await _while_connected(receive, self._answered, job, asked, send)

    async def _answered(self, job: Job, asked: Asked, send: Send) -> None:
        try:
            response = await self._answer(job, asked)
        except DuologueError as error:
            response = refusal(error)
        await response(job.request.scope, _nothing, send)


def refusal(error: DuologueError | HTTPException | OSError) -> Response:
    """The answer to a request that raised ``error``; what is too large is 413."""
    match error:
        case HTTPException():  # a form that cannot be read
            return problem(error.status_code, "invalid_body", error.detail)
        case TimeoutError():
            return too_slow(_UPLOAD_S)
        case OSError():  # no room on the disk, for example
            return problem(507, "upload_not_kept", f"the upload cannot be kept here: {error.strerror}")
        case ClientError(code="audio_too_large" | "body_too_large"):
            return problem(413, error.code, error.message, param=error.param)
        case CapacityError():
            return problem(429, error.code, error.message)
    return problem_of(error)


async def _nothing() -> Any:
    """The body was read; what else comes is watched for elsewhere."""
    await anyio.sleep_forever()


async def _while_connected(receive: Receive, work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
    """``work``, cancelled as soon as the client hangs up."""

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        await work(*arguments)
        tasks.cancel_scope.cancel()


class Chunks(Response):
    """A body whose end is not known yet. ``first`` is there, so that what fails at once fails with a status.

    A body that cannot be completed is broken off: the client sees a connection that was cut, not a short file.
    """

    def __init__(self, first: bytes, rest: Any, media_type: str) -> None:
        super().__init__(media_type=media_type, headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._first, self._rest = first, rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": self.raw_headers})
        try:
            await _push(send, self._first)
            async for piece in self._rest:
                await _push(send, piece)
            await _push(send, b"", is_last=True)
        except (DuologueError, TimeoutError):
            # The engines log their failures. What returns before the end of its body makes the server hang up.
            return


async def _push(send: Send, piece: bytes, *, is_last: bool = False) -> None:
    """Raises TimeoutError when the client does not take what came before."""
    with anyio.fail_after(_UNREAD_S):
        await send({"type": "http.response.body", "body": piece, "more_body": not is_last})

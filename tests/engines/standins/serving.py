"""An ASGI app on a free port of this machine, in the test's own event loop."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request


@asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    """The API's root, as ``http://127.0.0.1:1234/v1``."""
    config = uvicorn.Config(app, ws="websockets-sansio", lifespan="off", log_config=None)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        # Its ``serve`` would take the signals, and look only ten times a second whether it may stop.
        await server.startup([listener])
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            server.force_exit = True
            with anyio.CancelScope(shield=True):
                await server.shutdown([listener])


async def client_left(request: Request) -> None:
    """Until the client of a request whose body has been read has closed its connection."""
    while not await request.is_disconnected():
        await anyio.sleep(0.01)


def unused_url() -> str:
    """An address of this machine at which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"

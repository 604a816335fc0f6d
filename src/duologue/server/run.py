"""One server process: listen, load, serve, stop."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from types import FrameType

import anyio
import uvicorn
from anyio.lowlevel import checkpoint

from duologue.config import Settings, setup_of
from duologue.engines.fit import require
from duologue.engines.local import LocalEngines
from duologue.engines.machine import look
from duologue.engines.registry import assemble
from duologue.errors import ConfigError
from duologue.server.app import make_app
from duologue.server.archive import opened_store, sweep_for_ever
from duologue.server.auth import check_access
from duologue.server.connection import Connection
from duologue.server.metrics import Metrics, release
from duologue.server.own_certificate import TlsFiles
from duologue.server.personas import read_personas
from duologue.server.state import State
from duologue.server.tls import tls_files
from duologue.server.traces import open_traces

# A peer that acknowledges nothing for so long is gone; without this, one that never reads is never noticed.
USER_TIMEOUT_MS = 10_000
PING_S = 10.0
# After SIGTERM a connection has so long to be told and closed.
SHUTDOWN_S = 5

Announce = Callable[[str, dict[str, str]], None]


async def serve(settings: Settings, announce: Announce) -> None:
    """Serve until SIGINT or SIGTERM. ``announce`` is told the URL, and the engine of each stage, once
    all are warm.

    The socket listens before the engines load, so that health checks and early clients get an answer.
    Raises ConfigError, EngineUnavailable.
    """
    setup = setup_of(settings)
    check_access(settings)
    read_personas(settings.personas)
    tls = tls_files(settings)
    require(setup, look())
    listener = listen(settings.host, settings.port)
    async with opened_store(settings) as store:
        traces = open_traces(settings, {"service.version": release(), "duologue.profile": setup.profile})
        metrics = Metrics()
        engines = await assemble(setup, metrics)
        state = State(settings, setup, engines, metrics=metrics, traces=traces, store=store)
        caught = await _serve(state, engines, listener, tls, announce)
    if caught is not None:
        signal.raise_signal(caught)
        # Ctrl-C cancels this task.
        await checkpoint()


class Server(uvicorn.Server):
    """Leaves what a signal does by itself until all is closed: uvicorn's own raises it again before it returns, and of
    SIGTERM the process would die there, with a call's last words unwritten."""

    caught: int | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.caught = sig
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


async def _serve(
    state: State, engines: LocalEngines, listener: socket.socket, tls: TlsFiles | None, announce: Announce
) -> int | None:
    """Returns the signal that ended it."""
    settings, traces = state.settings, state.traces
    server = Server(uvicorn_config(settings, state, tls))
    url = f"{'https' if tls else 'http'}://{_shown_host(settings.host)}:{listener.getsockname()[1]}"

    async def load() -> None:
        await engines.start()
        state.voice, state.has_partials = engines.voices[0], engines.gives_partials
        state.load.begin()
        state.is_ready = True
        announce(url, {stage: stats.engine for stage, stats in engines.stats().items()})
        await engines.warm_up()

    async with anyio.create_task_group() as tg:
        tg.start_soon(state.calls.run)
        tg.start_soon(state.load.run)
        tg.start_soon(load)
        if state.store is not None:
            tg.start_soon(sweep_for_ever, state.store, settings.store_days)
        try:
            await server.serve(sockets=[listener])
        finally:
            state.is_ready = False
            tg.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await engines.aclose()
                if traces is not None:
                    await traces.aclose()
    return server.caught


def uvicorn_config(settings: Settings, state: State, tls: TlsFiles | None = None) -> uvicorn.Config:
    """How uvicorn serves ``state``: limits, pings, no compression; ``tls`` None: without encryption."""
    return uvicorn.Config(
        make_app(state),
        log_config=None,
        ws=Connection,
        ws_max_size=int(settings.max_message_mib * 2**20),
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        # Sound does not shrink, and 30 small compressed frames can hold 500 MB.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
        server_header=False,
        # Anybody can write X-Forwarded-For: only what a known proxy wrote says who a client is.
        proxy_headers=bool(settings.trust_forwarded_for),
        forwarded_allow_ips=list(settings.trust_forwarded_for),
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
        lifespan="off",
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket whose connections notice a peer that is gone. Raises ConfigError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise ConfigError(f"Cannot listen on {host}:{port}: {error.strerror}. Choose another with --port.") from None
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _shown_host(host: str) -> str:
    """An address that a browser can open."""
    if host in ("0.0.0.0", "::"):
        return "localhost"
    return f"[{host}]" if ":" in host else host

"""``GET /v1/realtime``: one WebSocket, one session."""

from __future__ import annotations

import time

import anyio
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from duologue import telemetry
from duologue.engines.slots import Lease
from duologue.errors import DuologueError, NoSlot, SlowClient
from duologue.events import Event, Told
from duologue.protocols.openai_realtime.protocol import RealtimeProtocol
from duologue.server.auth import is_allowed_origin
from duologue.server.state import State
from duologue.session.session import Session

log = structlog.get_logger(__name__)

SUBPROTOCOL = "realtime"
# A client's events wait here while sound is looked at; TCP holds back what does not fit.
TOLD_EVENTS = 256
# What a client has not read yet: 25 s of sound. One that is so far behind is not listening.
UNREAD_EVENTS = 256
GOODBYE_S = 1.0
POLICY_VIOLATION, INTERNAL_ERROR = 1008, 1011

Outgoing = Event | list[bytes]


async def realtime(ws: WebSocket) -> None:
    """Admit the client or refuse it before the upgrade, then hold the conversation until either side ends it."""
    state: State = ws.app.state.duologue
    if not is_allowed_origin(ws.headers.get("origin"), ws.headers.get("host"), state.settings.allowed_origins):
        await _refuse(ws, 403, "origin_not_allowed", "This page may not connect: add its origin to allowed_origins.")
        return
    if not state.is_ready:
        await _refuse(ws, 503, "warming_up", "The server is loading its models. Try again in a few seconds.")
        return
    try:
        with state.slots.lease() as lease:
            await ws.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in ws.scope["subprotocols"] else None)
            await _converse(ws, state, lease)
    except NoSlot as full:
        await _refuse(ws, 503, full.code, full.message)


async def _refuse(ws: WebSocket, status: int, code: str, message: str) -> None:
    log.info(telemetry.SESSION_REFUSED, status=status, reason=code)
    body = {
        "error": {
            "type": "invalid_request_error" if status < 500 else "server_error",
            "code": code,
            "message": message,
        }
    }
    headers = {"Retry-After": "5"} if status == 503 else {}
    await ws.send_denial_response(JSONResponse(body, status, headers))


async def _converse(ws: WebSocket, state: State, lease: Lease) -> None:
    protocol = RealtimeProtocol(ws.query_params.get("model") or state.model, state.defaults, now_s=int(time.time()))
    log.info(telemetry.SESSION_STARTED, session=protocol.session_id, lease=lease.id)
    try:
        await _run(ws, state, protocol)
    except* SlowClient as slow:
        log.warning(telemetry.SESSION_EVICTED, session=protocol.session_id, reason="slow_client")
        await _close(ws, POLICY_VIOLATION, _first(slow).message)
    except* Exception:
        log.exception(telemetry.SESSION_FAILED, session=protocol.session_id)
        await _close(ws, INTERNAL_ERROR, "The server failed in this session.")
    log.info(telemetry.SESSION_ENDED, session=protocol.session_id)


async def _run(ws: WebSocket, state: State, protocol: RealtimeProtocol) -> None:
    told_in, told = anyio.create_memory_object_stream[Told](TOLD_EVENTS)
    outbox, said = anyio.create_memory_object_stream[Outgoing](UNREAD_EVENTS)
    session = Session(state.engines, protocol.config(), outbox.clone(), state.ways)
    outbox.send_nowait(protocol.greet())
    # ``said`` stays open to the end: that the client vanished while the session spoke is no fault of the session.
    with said, told:
        async with anyio.create_task_group() as tg:
            tg.start_soon(_write, ws, protocol, said, tg.cancel_scope)
            tg.start_soon(session.run, told)
            with outbox, told_in:
                await _read(ws, protocol, told_in, outbox)
            tg.cancel_scope.cancel()


async def _read(
    ws: WebSocket,
    protocol: RealtimeProtocol,
    told: MemoryObjectSendStream[Told],
    outbox: MemoryObjectSendStream[Outgoing],
) -> None:
    """Every frame of the client until it leaves."""
    while (message := await ws.receive())["type"] != "websocket.disconnect":
        text = message.get("text")
        if text is None:
            await outbox.send(protocol.refuse_binary())
            continue
        received = protocol.receive(text)
        if received.frames:
            await outbox.send(received.frames)
        for event in received.told:
            await told.send(event)


async def _write(
    ws: WebSocket, protocol: RealtimeProtocol, said: MemoryObjectReceiveStream[Outgoing], leave: anyio.CancelScope
) -> None:
    """Everything for the client, in order, by the only task that writes to the socket; ``leave`` when it is gone."""
    async for event in said:
        for frame in event if isinstance(event, list) else protocol.send(event):
            try:
                await ws.send_text(frame.decode())
            except (WebSocketDisconnect, RuntimeError):
                leave.cancel()
                return


async def _close(ws: WebSocket, code: int, reason: str) -> None:
    """Say goodbye, briefly: to a client that does not read, no goodbye gets through and its place is wanted."""
    if ws.application_state is WebSocketState.CONNECTED and ws.client_state is WebSocketState.CONNECTED:
        with anyio.move_on_after(GOODBYE_S):
            await ws.close(code, reason)


def _first(group: BaseExceptionGroup[DuologueError]) -> DuologueError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error

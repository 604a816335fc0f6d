"""``GET /v1/realtime``: one WebSocket, one session, or a second channel of a call."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import anyio
import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from duologue import telemetry
from duologue.errors import ClientError, NoSlot, StoreFailed
from duologue.protocols.openai_realtime.protocol import RealtimeProtocol
from duologue.protocols.openai_realtime.settings import Kind
from duologue.server.access import wants_beta
from duologue.server.admission import ticket_of, who_of
from duologue.server.connection import Connection
from duologue.server.keeping import wish_of
from duologue.server.live import Live
from duologue.server.problems import problem, problem_of, warming_up
from duologue.server.state import State

log = structlog.get_logger(__name__)

SUBPROTOCOL = "realtime"
GOODBYE_S = 1.0
# What OpenAI's server closes with when it is spoken to in the shape that came before GA.
BETA_GONE = 4000


async def realtime(ws: WebSocket) -> None:
    """Admit the client or refuse it before the upgrade, then hold the conversation until either side ends it."""
    state: State = ws.app.state.duologue
    call_id = ws.query_params.get("call_id")
    if not state.is_ready:
        log.info(telemetry.SESSION_REFUSED, status=503, reason="warming_up")
        await ws.send_denial_response(warming_up(state))
    elif call_id is not None:
        await _join(ws, state, call_id)
    elif wants_beta(ws.scope):
        await _turn_away(ws, state)
    else:
        await _admit(ws, state)


async def _admit(ws: WebSocket, state: State) -> None:
    try:
        protocol = _protocol(ws, state)
        wish = wish_of(ws.scope, state.settings, is_talk=protocol.kind == "realtime")
        await state.keeping.seek(wish)
        who, ticket, earlier = who_of(ws.scope), ticket_of(ws.headers, ws.query_params), state.keeping.lease_of(wish)
        with state.admission.enter(who, ticket, earlier) as lease:
            async with state.keeping.open(wish, lease) as opened:
                await _accept(ws)
                live = Live(state, protocol, opened=opened)
                lease.holder, lease.ask = live.id, live.ask
                await _converse(ws, live)
    except (ClientError, NoSlot, StoreFailed) as error:
        refusal = problem_of(error)
        log.info(telemetry.SESSION_REFUSED, status=refusal.status_code, reason=error.code)
        await ws.send_denial_response(refusal)


def _protocol(ws: WebSocket, state: State) -> RealtimeProtocol:
    """The dialect of this connection. Raises ClientError for settings, bound to its key, that cannot be."""
    grant = ws.scope.get("state", {}).get("grant")
    bound: Mapping[str, Any] = getattr(grant, "session", None) or {}
    is_captions = ws.query_params.get("intent") == "transcription" or bound.get("type") == "transcription"
    kind: Kind = "transcription" if is_captions else "realtime"
    model = ws.query_params.get("model") or bound.get("model") or state.model
    protocol = RealtimeProtocol(
        str(model),
        state.defaults,
        now_s=int(time.time()),
        kind=kind,
        with_metrics=ws.query_params.get("x_metrics") == "1",
        with_playout=ws.query_params.get("x_playout") == "1",
        longest_s=state.settings.max_session_s,
        choices=state.choices,
    )
    if bound:
        protocol.apply(bound)
    return protocol


async def _join(ws: WebSocket, state: State, call_id: str) -> None:
    """A second channel to a WebRTC call: it sees all events, and may send them."""
    grant = ws.scope.get("state", {}).get("grant")
    if getattr(grant, "expires_at", None) is not None:
        # A secret is given to a browser for talks of its own.
        await _refuse(ws, 403, "key_required", "Another's call is joined with a key, not with a client secret.")
        return
    call = state.calls.find(call_id)
    if call is None:
        await _refuse(ws, 404, "call_not_found", "There is no such call; it may have ended.")
        return
    await _accept(ws)
    connection = _connection(ws)
    call.live.join(connection, greets=False)
    connection.listen(call.live.take)
    try:
        async with anyio.create_task_group() as tg:
            tg.start_soon(_close_when_over, ws, connection)
            await _gone(ws)
            tg.cancel_scope.cancel()
    finally:
        call.live.leave(connection)


async def _close_when_over(ws: WebSocket, connection: Connection) -> None:
    """When the call has ended, or this channel was left behind: not before what was said is on its way."""
    await connection.ended.wait()
    await connection.writable.wait()
    await _close(ws, connection, 1000, "The call has ended.")


async def _turn_away(ws: WebSocket, state: State) -> None:
    gone = ClientError(
        "The beta shape of the Realtime API is not spoken here. Leave out 'OpenAI-Beta: realtime=v1'.",
        code="beta_api_shape_disabled",
    )
    await _accept(ws)
    for frame in RealtimeProtocol(state.model, state.defaults, now_s=int(time.time())).tell(gone):
        await ws.send_text(frame.decode())
    await ws.close(BETA_GONE, gone.code)


async def _refuse(ws: WebSocket, status: int, code: str, message: str) -> None:
    log.info(telemetry.SESSION_REFUSED, status=status, reason=code)
    await ws.send_denial_response(problem(status, code, message))


async def _accept(ws: WebSocket) -> None:
    await ws.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in ws.scope["subprotocols"] else None)


def _connection(ws: WebSocket) -> Connection:
    """What carries ``ws``, past ASGI."""
    connection: Connection = ws.scope["state"]["connection"]
    return connection


async def _converse(ws: WebSocket, live: Live) -> None:
    connection = _connection(ws)
    live.join(connection)
    async with anyio.create_task_group() as tg:
        tg.start_soon(_end_when_gone, ws, live)
        connection.listen(live.take)
        await live.run()
        await _close(ws, connection, live.close_code, live.close_reason)
        tg.cancel_scope.cancel()


async def _end_when_gone(ws: WebSocket, live: Live) -> None:
    await _gone(ws)
    live.end()


async def _gone(ws: WebSocket) -> None:
    """Until the client has left. What it says goes another way."""
    while (await ws.receive())["type"] != "websocket.disconnect":
        pass


async def _close(ws: WebSocket, connection: Connection, code: int, reason: str) -> None:
    """Say goodbye, briefly: to a client that does not read, no goodbye gets through and its place is wanted."""
    if ws.application_state is WebSocketState.CONNECTED and ws.client_state is WebSocketState.CONNECTED:
        with anyio.move_on_after(GOODBYE_S), suppress(WebSocketDisconnect, RuntimeError):
            await ws.close(code, reason)
    connection.forget_unsent()

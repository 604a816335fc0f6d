"""``GET /v1/realtime``: one WebSocket, one session, or a second channel of a call."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import anyio
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from duologue import telemetry
from duologue.errors import ClientError, NoSlot
from duologue.protocols.openai_realtime.protocol import RealtimeProtocol
from duologue.protocols.openai_realtime.settings import Kind
from duologue.server.access import wants_beta
from duologue.server.live import Frames, Live
from duologue.server.problems import WARMING_UP, problem, problem_of
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
        await _refuse(ws, 503, *WARMING_UP)
    elif call_id is not None:
        await _join(ws, state, call_id)
    elif wants_beta(ws.scope):
        await _turn_away(ws, state)
    else:
        await _admit(ws, state)


async def _admit(ws: WebSocket, state: State) -> None:
    try:
        protocol = _protocol(ws, state)
        with state.slots.lease():
            await _accept(ws)
            await _converse(ws, Live(state, protocol))
    except ClientError as error:
        log.info(telemetry.SESSION_REFUSED, status=400, reason=error.code)
        await ws.send_denial_response(problem_of(error))
    except NoSlot as full:
        await _refuse(ws, 503, full.code, full.message)


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
        longest_s=state.settings.max_session_s,
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
    frames = call.live.join(greets=False)
    await _accept(ws)
    async with anyio.create_task_group() as tg:
        tg.start_soon(_write, ws, frames, tg.cancel_scope)
        await _read(ws, call.live)
        tg.cancel_scope.cancel()


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


async def _converse(ws: WebSocket, live: Live) -> None:
    frames = live.join()
    async with anyio.create_task_group() as tg:
        tg.start_soon(_write, ws, frames, None)
        tg.start_soon(_hear, ws, live)
        await live.run()
        await _close(ws, live.close_code, live.close_reason)
        tg.cancel_scope.cancel()


async def _hear(ws: WebSocket, live: Live) -> None:
    """Every frame of the client until it leaves, and with it the conversation ends."""
    await _read(ws, live)
    live.end()


async def _read(ws: WebSocket, live: Live) -> None:
    while (message := await ws.receive())["type"] != "websocket.disconnect":
        await live.take(message.get("text"))


async def _write(ws: WebSocket, frames: MemoryObjectReceiveStream[Frames], leave: anyio.CancelScope | None) -> None:
    """Everything for the client, in order, by the only task that writes to the socket; ``leave`` when it is gone."""
    with frames:
        async for batch in frames:
            for frame in batch:
                try:
                    await ws.send_text(frame.decode())
                except (WebSocketDisconnect, RuntimeError):
                    if leave is not None:
                        leave.cancel()
                    return
    if leave is not None:
        await _close(ws, 1000, "The call has ended.")
        leave.cancel()


async def _close(ws: WebSocket, code: int, reason: str) -> None:
    """Say goodbye, briefly: to a client that does not read, no goodbye gets through and its place is wanted."""
    if ws.application_state is WebSocketState.CONNECTED and ws.client_state is WebSocketState.CONNECTED:
        with anyio.move_on_after(GOODBYE_S):
            await ws.close(code, reason)

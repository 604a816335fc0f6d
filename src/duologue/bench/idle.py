"""What a session costs in memory while nobody speaks in it: so many are opened, configured, and left alone."""

from __future__ import annotations

from contextlib import AsyncExitStack

import anyio
import msgspec

from duologue.bench.caller import session_update
from duologue.bench.crowd import Target
from duologue.bench.footprint import footprint
from duologue.bench.wire import Wire, WireError, dial

# Buffers that were only needed to connect are given back by then.
SETTLES_S = 2.0
# The first sessions of a process load code and fill pools: theirs is not what one more session costs.
FIRST_SESSIONS = 10
CONFIGURES_WITHIN_S = 10.0


class IdleMemory(msgspec.Struct, frozen=True, kw_only=True):
    """``sessions`` that got in, out of those ``asked`` for; the server's memory before and with them, in MiB
    (proportional set size, all its processes), and what one of them takes: kB is 1000 bytes."""

    asked: int
    sessions: int
    before_mib: float
    with_them_mib: float
    kb_per_session: float


async def idle_memory(target: Target, sessions: int, settles_s: float = SETTLES_S) -> IdleMemory | None:
    """Open ``sessions`` one after the other and hold them. None where the server's process cannot be seen, or none
    got in. A server that is full ends it early."""
    if target.pid is None:
        return None
    async with AsyncExitStack() as some:
        await _open(target, FIRST_SESSIONS, some)
        before = await _settled_mib(target.pid, settles_s)
        async with AsyncExitStack() as stack:
            opened = await _open(target, sessions, stack)
            after = await _settled_mib(target.pid, settles_s)
    if before is None or after is None or not opened:
        return None
    return IdleMemory(
        asked=sessions,
        sessions=opened,
        before_mib=round(before, 1),
        with_them_mib=round(after, 1),
        kb_per_session=round((after - before) * 1024 * 1024 / 1000 / opened, 1),
    )


async def _open(target: Target, sessions: int, stack: AsyncExitStack) -> int:
    for number in range(sessions):
        try:
            dialled = dial(target.url, model=target.model, api_key=target.api_key, ca=target.ca)
            await _configure(await stack.enter_async_context(dialled), target)
        except WireError:
            return number
    return sessions


async def _configure(wire: Wire, target: Target) -> None:
    """Until the server has taken over what a caller asks for."""
    await wire.session_created()
    await wire.send(session_update(target.turn_detection))
    with anyio.fail_after(CONFIGURES_WITHIN_S):
        while (event := await wire.receive()) is not None and event.type not in ("session.updated", "error"):
            continue


async def _settled_mib(pid: int, settles_s: float) -> float | None:
    await anyio.sleep(settles_s)
    seen = footprint(pid)
    return seen.memory_mib if seen else None

"""Whatever becomes of a call, in the end nothing of it is left: no place, no task, no socket, no thread."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from websockets.asyncio.client import connect

from duologue.server.webrtc import call as calls_module
from duologue.server.webrtc import ice
from tests.server.serving import Serving, serving, until
from tests.server.webrtc.phone import Phone, listening, post_sdp
from tests.server.webrtc.talking import on_the_phone

pytestmark = pytest.mark.anyio

Held = tuple[int, int, int]


def _held() -> Held:
    """Tasks, open files, and threads that are not of a pool."""
    gc.collect()
    threads = [thread for thread in threading.enumerate() if not thread.name.startswith(("asyncio_", "AnyIO"))]
    return len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd")), len(threads)


async def _leaves_nothing(server: Serving, walk: Callable[[Serving], Awaitable[None]], times: int = 2) -> None:
    """Both ends of a call live in this process: after the first time, no time leaves more behind than the one before.

    The pool of threads that aiortc encodes the client's voice in may still grow.
    """
    first: Held | None = None
    for _ in range(times):
        await walk(server)
        await until(lambda: server.state.slots.taken == 0 == len(server.state.calls))
        first = first or _held()
    with anyio.move_on_after(2):
        while any(now > then for now, then in zip(_held(), first, strict=True)):  # type: ignore[arg-type]
            await anyio.sleep(0.05)
    assert all(now <= then for now, then in zip(_held(), first, strict=True)), (first, _held())  # type: ignore[arg-type]


async def _hang_up(server: Serving) -> None:
    async with on_the_phone(server):
        pass


async def _be_refused(server: Serving) -> None:
    offer = await _offer()
    for damage in ("a=rtpmap:", "a=ice-pwd", "a=mid:", "m=audio", "a=fingerprint"):
        answer = await post_sdp(server.http, offer.replace(damage, "a=x"))
        assert answer.status_code == 400, answer.text


async def _join_aside(server: Serving) -> None:
    async with on_the_phone(server) as phone:
        url = f"ws://127.0.0.1:{server.port}/v1/realtime?call_id={phone.call_id}"
        async with connect(url, compression=None):
            await phone.update(instructions="Be brief.")


@pytest.mark.parametrize("walk", [_hang_up, _be_refused, _join_aside])
async def test_calls_leave_nothing_behind(server: Serving, walk: Callable[[Serving], Awaitable[None]]) -> None:
    await _leaves_nothing(server, walk, times=4)


async def _never_come(server: Serving) -> None:
    """The offer is answered, and no packet ever comes."""
    answer = await post_sdp(server.http, await _offer())
    assert (answer.status_code, server.state.slots.taken) == (201, 1)


async def _stay_mute(server: Serving) -> None:
    """The addresses are found to be right, and then no keys are exchanged."""
    async with _half_connected(server):
        await until(lambda: server.state.slots.taken == 0)


@pytest.mark.parametrize("walk", [_never_come, _stay_mute])
async def test_a_call_that_never_comes_up_is_dropped(
    server: Serving, walk: Callable[[Serving], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls_module, "CONNECT_S", 0.2)
    await _leaves_nothing(server, walk)


async def test_a_caller_that_vanishes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ice, "CONSENT_INTERVAL_S", 0.1)
    async with serving() as server, on_the_phone(server) as phone:
        phone.vanish()
        await until(lambda: server.state.slots.taken == 0, within_s=12)


async def test_a_connection_that_cannot_be_closed_takes_no_other_with_it(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_the_phone(server) as other, on_the_phone(server) as phone:
        call = server.state.calls.find(phone.call_id)
        assert call is not None
        close = call._peer.close

        async def close_badly() -> None:
            await close()
            raise AttributeError("what aiortc says of a connection half taken apart")

        monkeypatch.setattr(call._peer, "close", close_badly)
        call.hang_up()
        await until(lambda: server.state.slots.taken == 1)
        await other.update(instructions="still there")


async def _offer() -> str:
    phone = Phone()
    phone.open_channel()
    text = await phone.offer()
    await phone.hang_up()
    return text


@asynccontextmanager
async def _half_connected(server: Serving) -> AsyncIterator[Phone]:
    """A phone that answers the search for a way and nothing else."""
    phone = Phone()
    phone.open_channel()
    answer = await post_sdp(server.http, await phone.offer())

    is_over = anyio.Event()

    async def nothing(*_: object) -> None:
        await is_over.wait()
        raise asyncio.CancelledError

    (dtls,) = {transceiver.receiver.transport for transceiver in phone.peer.getTransceivers()}
    dtls.start = nothing
    await phone.accept(answer.text)
    async with listening(phone):
        yield phone
        is_over.set()

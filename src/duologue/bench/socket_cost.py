"""What a frame costs a whole server process, from its socket to the session and back, beside bare servers.

Each server is a process of its own. Callers send 20 ms of sound each 20 ms, one caller after the other, so that every
frame wakes the server by itself as in real life; then each asks for an answer, which comes at the pace of hearing.
The figure is all the CPU, the kernel's part included, that the server's process used meanwhile, by its clock, divided
by the frames of sound. Nothing is subtracted: what else the server does in that time (timers, the events around an
answer) is in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from statistics import median

import anyio
import msgspec
import numpy as np

from duologue.bench.child import started
from duologue.bench.groups import lone
from duologue.bench.protocol_cost import IN_MS, some_sound
from duologue.bench.wire import Wire, WireError, dial, encode_append

ANSWER_DUE_S = 30.0
# Clock ids of processes (Linux, <linux/posix-timers.h>): the id's complement, shifted, and 2 for the scheduler's clock.
_SCHEDULER_CLOCK = 2

_BY_HAND = {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}}}


class SocketCost(msgspec.Struct, frozen=True, kw_only=True):
    """CPU microseconds of the server's process a frame of sound. ``way``: in or out; ``frames`` of one round."""

    way: str
    server: str
    frames: int
    least_us: float
    median_us: float


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """How the servers are used: so many callers, each sending for ``seconds`` and asking for one answer, ``rounds``
    times. ``settle_s``: waited after the last frame, for what the server still has in hand."""

    callers: int = 20
    seconds: float = 2.0
    rounds: int = 3
    settle_s: float = 0.2


class _Served:
    """A server, and the callers on their lines to it."""

    def __init__(self, pid: int, lines: Sequence[Wire], feed: Feed) -> None:
        self._pid = pid
        self._lines = lines
        self._feed = feed

    async def cost_in(self) -> tuple[float, int]:
        """CPU seconds, and the frames that they were for."""
        before_s = cpu_s(self._pid)
        frame = encode_append(np.frombuffer(some_sound(IN_MS), "<i2"))
        sent = int(self._feed.seconds * 1000 / IN_MS) * len(self._lines)
        began_s, step_s = anyio.current_time(), IN_MS / 1000 / len(self._lines)
        for index in range(sent):
            await anyio.sleep_until(began_s + index * step_s)
            await self._lines[index % len(self._lines)].send_encoded(frame)
        await anyio.sleep(self._feed.settle_s)
        return cpu_s(self._pid) - before_s, sent

    async def cost_out(self) -> tuple[float, int]:
        """As ``cost_in``, for one answer to each caller."""
        before_s = cpu_s(self._pid)
        heard = [0] * len(self._lines)

        async def ask(index: int) -> None:
            # Not all at the same instant: timers that fall together cost less.
            await anyio.sleep(index * 0.1 / len(self._lines))
            heard[index] = await _answer(self._lines[index])

        try:
            async with anyio.create_task_group() as tg:
                for index in range(len(self._lines)):
                    tg.start_soon(ask, index)
        except BaseExceptionGroup as group:
            raise lone(group) from None
        await anyio.sleep(self._feed.settle_s)
        return cpu_s(self._pid) - before_s, sum(heard)


async def _answer(line: Wire) -> int:
    """Ask for an answer, hear it to its end, and count its frames. Raises WireError when there is none."""
    await line.send({"type": "response.create"})
    frames = 0
    with anyio.move_on_after(ANSWER_DUE_S):
        while (event := await line.receive()) is not None and event.type != "response.done":
            frames += event.type == "response.output_audio.delta"
            if event.type == "error":
                raise WireError(f"the server gave no answer: {event.complaint()}")
    if not frames:
        raise WireError("the server gave no answer")
    return frames


def cpu_s(pid: int) -> float:
    """CPU seconds of all threads of a process so far, with a nanosecond's grain. Raises WireError where the system
    does not tell, or the process is gone."""
    try:
        return time.clock_gettime((~pid << 3) | _SCHEDULER_CLOCK)
    except (OSError, AttributeError) as error:
        raise WireError(f"the CPU time of process {pid} cannot be read here ({error}): use --no-sockets") from None


async def measure_sockets(
    commands: Mapping[str, Sequence[str]], feed: Feed, told: Callable[[str], None] = lambda _words: None
) -> list[SocketCost]:
    """Start the servers, by name, and use one after the other in each round. Raises WireError."""
    taken: dict[tuple[str, str], list[tuple[float, int]]] = {}
    async with AsyncExitStack() as stack:
        told("starting servers")
        served = {name: await _connect(stack, command, feed) for name, command in commands.items()}
        for turn in range(feed.rounds + 1):
            told(f"sockets: round {turn} of {feed.rounds}")
            for name, server in served.items():
                taken.setdefault(("in", name), []).append(await server.cost_in())
            for name, server in served.items():
                taken.setdefault(("out", name), []).append(await server.cost_out())
    return [
        _cost(way, name, figures[1:]) for (way, name), figures in sorted(taken.items(), key=lambda each: each[0][0])
    ]


async def _connect(stack: AsyncExitStack, command: Sequence[str], feed: Feed) -> _Served:
    child = await stack.enter_async_context(started(command))
    lines = []
    for _ in range(feed.callers):
        line = await stack.enter_async_context(dial(child.url))
        await line.session_created()
        await line.send(_BY_HAND)
        updated = await line.receive()
        if updated is None or updated.type != "session.updated":
            raise WireError(f"{command[-1]} did not take the settings of a session")
        lines.append(line)
    return _Served(child.pid, lines, feed)


def _cost(way: str, server: str, rounds: Sequence[tuple[float, int]]) -> SocketCost:
    us = [cpu / frames * 1e6 for cpu, frames in rounds]
    return SocketCost(
        way=way, server=server, frames=rounds[0][1], least_us=round(min(us), 1), median_us=round(median(us), 1)
    )

"""CPU time and memory of a server's process tree, read from /proc. Linux only; elsewhere there are no figures."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import msgspec

PROC = Path("/proc")
# A look makes the kernel walk the server's memory, and the callers wait for it.
SAMPLE_EVERY_S = 5.0

_TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_MIB = 1024 * 1024


class Footprint(msgspec.Struct, frozen=True, kw_only=True):
    """``cpu_s``: user and system time of all living processes of the tree; ``memory_mib``: their proportional
    set size where the kernel tells it, else resident."""

    cpu_s: float
    memory_mib: float
    processes: int


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What one run cost the server. ``memory_mib_per_session``: the peak less what it held before, per caller."""

    cpu_ms_per_session_second: float
    memory_peak_mib: float
    memory_mib_per_session: float


def footprint(pid: int) -> Footprint | None:
    """The tree of ``pid`` as it stands, or None when the process is gone or /proc does not tell."""
    pids = tree(pid)
    costs = [cost for each in pids if (cost := _cost(each)) is not None]
    if not costs:
        return None
    cpu_s, memory = sum(cost[0] for cost in costs), sum(cost[1] for cost in costs)
    return Footprint(cpu_s=cpu_s, memory_mib=memory / _MIB, processes=len(costs))


def tree(pid: int) -> list[int]:
    """``pid`` and all processes below it."""
    found = [pid]
    for each in found:
        children = _children(each)
        if children is None:
            return _tree_by_parents(pid)
        found.extend(children)
    return found


def _children(pid: int) -> list[int] | None:
    """As the kernel lists them, thread by thread; None where it is built without that list."""
    try:
        lists = [task / "children" for task in (PROC / str(pid) / "task").iterdir()]
        return [int(word) for each in lists for word in each.read_text().split()]
    except FileNotFoundError:
        return None if (PROC / str(pid)).is_dir() else []
    except OSError:
        return []


def _tree_by_parents(pid: int) -> list[int]:
    """The same from every process's parent: some 20 ms on a busy machine."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir() if PROC.is_dir() else ():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for each in found:
        found.extend(children.get(each, []))
    return found


class Meter:
    """Samples a process tree while a run goes on."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = self._last = footprint(pid)
        self._peak_mib = self._before.memory_mib if self._before else 0.0

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            await anyio.sleep(SAMPLE_EVERY_S)
            self._look()

    def usage(self, session_s: float, callers: int) -> Usage | None:
        """The cost of ``session_s`` seconds of sessions, all callers' added up."""
        self._look()
        if self._before is None or self._last is None or session_s <= 0:
            return None
        cpu_ms = (self._last.cpu_s - self._before.cpu_s) * 1000
        return Usage(
            cpu_ms_per_session_second=round(cpu_ms / session_s, 2),
            memory_peak_mib=round(self._peak_mib, 1),
            memory_mib_per_session=round((self._peak_mib - self._before.memory_mib) / callers, 2),
        )

    def _look(self) -> None:
        seen = footprint(self._pid)
        if seen is not None:
            self._last = seen
            self._peak_mib = max(self._peak_mib, seen.memory_mib)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command's name, or [] for a process that has gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _cost(pid: int) -> tuple[float, int] | None:
    """(CPU seconds, bytes) of one process."""
    fields = _stat(pid)
    if not fields:
        return None
    # After the name: state, ppid, ...; utime and stime are fields 14 and 15 of the whole line.
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S, _memory_bytes(pid)


def _memory_bytes(pid: int) -> int:
    try:
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0

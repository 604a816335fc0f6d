"""The machine and the code that a figure was measured with: a figure without them says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """``cpus``: those that this process may use; ``commit``: of the checkout, with "+" when it was changed."""

    cpu_model: str
    cpus: int
    memory_gib: float | None
    system: str
    python: str
    duologue: str
    commit: str | None


def this_machine() -> Machine:
    """What can be found out without asking anyone."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(
        cpu_model=_field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        cpus=cpus,
        memory_gib=_memory_gib(),
        system=platform.platform(),
        python=platform.python_version(),
        duologue=_version(),
        commit=_commit(Path(__file__).parent),
    )


def _version() -> str:
    try:
        return version("duologue")
    except PackageNotFoundError:
        return "not installed"


def _field(path: str, name: str) -> str:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _memory_gib() -> float | None:
    kib = _field("/proc/meminfo", "MemTotal").split()
    return round(int(kib[0]) / 1024**2, 1) if kib else None


def _commit(folder: Path) -> str | None:
    head = _git(folder, "rev-parse", "--short=12", "HEAD")
    if not head:
        return None
    return f"{head}+" if _git(folder, "status", "--porcelain", "--untracked-files=no") else head


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""

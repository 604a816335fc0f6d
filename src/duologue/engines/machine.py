"""What this machine has to offer models: cores, memory, a GPU. Looked at without importing a model library."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess

import msgspec

_ASK_GPU = "--query-gpu=name,memory.total,memory.free,driver_version"
_PATIENCE_S = 10


class Gpu(msgspec.Struct, frozen=True):
    """One NVIDIA card, memory in MiB."""

    name: str
    memory_mib: int
    free_mib: int
    driver: str


class Machine(msgspec.Struct, frozen=True):
    """Memory in MiB; ``gpu``: the first card, None without one."""

    cores: int
    memory_mib: int
    gpu: Gpu | None
    python: str


def look() -> Machine:
    """This machine."""
    memory_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return Machine(os.cpu_count() or 1, memory_mib, find_gpu(), platform.python_version())


def find_gpu(program: str = "nvidia-smi") -> Gpu | None:
    """The first card that the driver's own program lists; None without the program, the driver or a card."""
    path = shutil.which(program)
    if path is None:
        return None
    try:
        asked = [path, _ASK_GPU, "--format=csv,noheader,nounits"]
        said = subprocess.run(asked, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return read_gpu(said.stdout) if said.returncode == 0 else None


def read_gpu(csv: str) -> Gpu | None:
    """The first line of nvidia-smi's list: name, MiB in all, MiB free, driver."""
    parts = [part.strip() for part in csv.partition("\n")[0].split(",")]
    if len(parts) != 4 or not parts[1].isdigit() or not parts[2].isdigit():
        return None
    return Gpu(parts[0], int(parts[1]), int(parts[2]), parts[3])

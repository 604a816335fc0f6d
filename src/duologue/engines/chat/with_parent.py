"""Becomes another program that dies when the process that started it does, however that ends (Linux).

``python with_parent.py PARENT_PID PROGRAM [ARGUMENTS]``. A server killed outright can stop nothing itself, and a
language model left behind would hold gigabytes. The kernel's promise (prctl(2), PR_SET_PDEATHSIG) survives exec; it
is about the thread that forked, so that has to be one that lives as long as the server. Nothing of Duologue is
imported here.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent_pid: int, program: list[str]) -> None:
    """Never returns."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it ended before the kernel was asked
        sys.exit(1)
    os.execv(program[0], program)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])

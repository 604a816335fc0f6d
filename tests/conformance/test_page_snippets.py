"""The programs that the page shows run as they stand, with the server's address filled in."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conformance.conftest import ROOT, Run, run_script

SNIPPETS = ROOT / "web" / "src" / "view" / "developer" / "snippets"


def _program(name: str, server_url: str, folder: Path) -> Path:
    """As the page fills it in."""
    program = (SNIPPETS / f"{name}.txt").read_text(encoding="utf-8")
    host = server_url.removeprefix("http://")
    path = folder / f"{name}.py"
    path.write_text(program.replace("127.0.0.1:8710", host), encoding="utf-8")
    assert host in path.read_text(encoding="utf-8")
    return path


def test_openai(run_python: Run, server_url: str, tmp_path: Path) -> None:
    assert "here is an answer" in run_python(str(_program("python", server_url, tmp_path))).lower()


def test_a_websocket_without_an_sdk(server_url: str, tmp_path: Path) -> None:
    """websockets is among what the server runs on."""
    printed = run_script(sys.executable, str(_program("websocket", server_url, tmp_path)))
    assert "here is an answer" in printed.lower()

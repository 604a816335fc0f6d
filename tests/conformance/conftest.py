"""The server as a process of its own, the SDKs and what runs them, and a spoken turn."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import anyio
import numpy as np
import pytest

from duologue.engines.base import SpeakRequest
from duologue.engines.tts.espeak import Espeak
from duologue.errors import EngineUnavailable
from tests.conformance import node_clients

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
READY = "Duologue is ready: "
CLIENT_S = 60.0

# Runs a client's script with its arguments -> what it printed; fails the test with that if it did not end well.
Run = Callable[..., str]


@pytest.fixture(scope="session")
def sdk_python() -> str:
    """The interpreter that has the SDKs: they need older libraries than the server's."""
    python = os.environ.get("DUOLOGUE_SDK_PYTHON", str(ROOT / ".venv-sdk" / "bin" / "python"))
    if not Path(python).exists():
        pytest.skip(
            f"no SDK environment at {python}: python -m venv .venv-sdk, pip install -r requirements/conformance.txt"
        )
    return python


@pytest.fixture(scope="session")
def run_python(sdk_python: str) -> Run:
    return partial(run_script, sdk_python)


@pytest.fixture(scope="session")
def run_node() -> Run:
    """``ca``: a certificate to trust besides those that Node.js knows."""
    node = node_clients.find_node()
    if node is None or not node_clients.are_installed():
        pytest.skip("no clients for Node.js 22 or newer: python -m tests.conformance.node_clients")

    def run(script: str, *arguments: object, ca: Path | None = None) -> str:
        trusted = {} if ca is None else {"NODE_EXTRA_CA_CERTS": str(ca)}
        return _run([str(node.node), str(node_clients.HOME / script), *map(str, arguments)], trusted)

    return run


def run_script(python: str, script: str, *arguments: object) -> str:
    # PYTHONPATH is the tests', not the SDKs'.
    return _run([python, str(HERE / script), *map(str, arguments)], {})


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=CLIENT_S, env=environment, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def _serving(*options: str, **variables: str) -> Iterator[str]:
    """``duologue serve`` on a free port -> its URL."""
    command = [sys.executable, "-m", "duologue.cli.main", "serve", "--port", "0", "--profile", "scripted"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DUOLOGUE_")}
    environment = {**inherited, **variables, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT / "src")}
    command += ["--chat", "scripted-tools", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            line = next((line for line in process.stdout if line.startswith(READY)), None)
            assert line is not None, "the server ended before it was ready"
            yield line.removeprefix(READY).strip()
        finally:
            process.terminate()
            process.communicate(timeout=15)


@pytest.fixture(scope="session")
def page_origin(speech: Path) -> Iterator[str]:
    """Where the page of the browser's client comes from: not the server, as with any application."""

    class Files(SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            return str(speech) if path == "/speech.pcm" else super().translate_path(path)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=node_clients.HOME)) as files:
        thread = Thread(target=files.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{files.server_port}"
        files.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def server_url(page_origin: str) -> Iterator[str]:
    with _serving("--allowed-origin", page_origin) as url:
        yield url


@pytest.fixture(scope="session")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Its URL, and the certificate that it made for itself."""
    data = tmp_path_factory.mktemp("data")
    with _serving("--tls-self-signed", XDG_DATA_HOME=str(data)) as url:
        (certificate,) = (path for path in data.rglob("*.pem") if b"PRIVATE KEY" not in path.read_bytes())
        yield url, certificate


@pytest.fixture(scope="session")
def mcp_url() -> Iterator[str]:
    """An MCP server with one tool, ``get_weather``."""
    command = [sys.executable, str(HERE / "mcp_tools.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            process.communicate(timeout=15)


async def _speak(text: str) -> bytes:
    engine = Espeak()
    try:
        async with engine.stream(SpeakRequest(text=text)) as chunks:
            return np.concatenate([chunk.pcm async for chunk in chunks]).astype("<i2").tobytes()
    finally:
        await engine.aclose()


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spoken turn, made on the spot: s16le mono at 24 kHz."""
    path = tmp_path_factory.mktemp("speech") / "speech.pcm"
    try:
        path.write_bytes(anyio.run(_speak, "Good morning, how are you today?"))
    except EngineUnavailable as missing:
        pytest.skip(missing.message)
    return path

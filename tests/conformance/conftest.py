"""The server as a process of its own, the SDKs' environment, and a spoken turn."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import numpy as np
import pytest

from duologue.engines.base import SpeakRequest
from duologue.engines.tts.espeak import Espeak
from duologue.errors import EngineUnavailable

ROOT = Path(__file__).parents[2]
READY = "Duologue is ready: "


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
def server_url() -> Iterator[str]:
    """``duologue serve`` on a free port."""
    command = [sys.executable, "-m", "duologue.cli.main", "serve", "--port", "0", "--profile", "scripted"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            line = next((line for line in process.stdout if line.startswith(READY)), None)
            assert line is not None, "the server ended before it was ready"
            yield line.removeprefix(READY).strip()
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

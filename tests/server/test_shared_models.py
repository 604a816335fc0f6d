"""Twenty sessions on models that are loaded once: real loading code on tiny checkpoints, real WebSockets."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import structlog

from duologue import telemetry
from duologue.config import Setup, load_settings, setup_of
from duologue.engines.local import LocalEngines
from duologue.engines.registry import assemble
from duologue.server.state import State
from tests.server.caller import calling
from tests.server.serving import serving

pytestmark = pytest.mark.anyio
SESSIONS = 20


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Folders of tiny models, by kind."""
    pytest.importorskip("torch", reason="needs torch: pip install -e .[voxtral]")
    pytest.importorskip("transformers", reason="needs transformers: pip install -e .[voxtral]")
    pytest.importorskip("mistral_common", reason="needs mistral-common: pip install -e .[voxtral]")
    from duologue.bench.engines.random_kokoro import write_kokoro
    from duologue.bench.engines.random_voxtral import write_voxtral
    from duologue.bench.engines.random_whisper import write_whisper

    root = tmp_path_factory.mktemp("models")
    write: dict[str, Callable[[Path], Any]] = {
        "voxtral": lambda folder: write_voxtral(folder, "tiny"),
        "kokoro": lambda folder: write_kokoro(folder, "tiny"),
        "whisper": lambda folder: write_whisper(folder, "test"),
    }

    def folder(kind: str) -> str:
        if not (root / kind).exists():
            write[kind](root / kind)
        return str(root / kind)

    return folder


@asynccontextmanager
async def running(setup: Setup) -> AsyncIterator[tuple[LocalEngines, Counter[str]]]:
    """Engines of ``setup``, and how often each was loaded."""
    with structlog.testing.capture_logs() as logs:
        engines = await assemble(setup)
        try:
            await engines.start()
            yield engines, Counter(log["engine"] for log in logs if log["event"] == telemetry.ENGINE_READY)
            late = [log for log in logs if log["event"] == telemetry.ENGINE_READY]
        finally:
            await engines.aclose()
    assert len(late) == len({log["engine"] for log in late}), "an engine was loaded again while people talked"


async def talk_at_once(state: State, url: str) -> list[str]:
    """Each session says something, has it transcribed, and is answered; how each answer ended."""
    endings: list[str] = []

    async def one() -> None:
        async with calling(url) as caller:
            await caller.detect(None)
            await caller.update(
                audio={"input": {"transcription": {"model": "any"}}}, max_output_tokens=8, instructions="Be brief."
            )
            await caller.append(b"".join(bytes([byte, byte % 64]) for byte in range(256)) * 100)
            await caller.send("input_audio_buffer.commit")
            await caller.send("response.create")
            done = await caller.wait("response.done", within_s=60)
            endings.append(done["response"]["status"])
            await caller.wait("conversation.item.input_audio_transcription.completed", within_s=60)

    async with anyio.create_task_group() as tg:
        for _ in range(SESSIONS):
            tg.start_soon(one)
    return endings


@pytest.mark.timeout(120)
async def test_twenty_sessions_load_voxtral_and_kokoro_once(made: Callable[[str], str]) -> None:
    setup = setup_of(
        load_settings(
            {
                "profile": "voxtral",
                "turn": "words",
                "voxtral": {"model": made("voxtral"), "device": "cpu", "conversations": SESSIONS},
                "kokoro": {"model": made("kokoro"), "device": "cpu"},
            }
        )
    )
    async with running(setup) as (engines, loads), serving(engines, setup=setup) as server:
        endings = await talk_at_once(server.state, server.ws)
    assert loads == {"voxtral": 1, "kokoro": 1, "silero": 1, "words": 1}
    # A model of random weights stops when it likes, or at the limit.
    assert len(endings) == SESSIONS
    assert set(endings) <= {"completed", "incomplete"}


@pytest.mark.timeout(120)
async def test_twenty_sessions_load_whisper_once(made: Callable[[str], str]) -> None:
    settings = {"profile": "embedded", "turn": "words", "asr": "whisper", "chat": "builtin"}
    setup = setup_of(load_settings({**settings, "whisper": {"model": made("whisper"), "device": "cpu"}}))
    async with running(setup) as (engines, loads), serving(engines, setup=setup) as server:
        endings = await talk_at_once(server.state, server.ws)
    assert loads == {"whisper": 1, "builtin": 1, "espeak": 1, "silero": 1, "words": 1}
    assert len(endings) == SESSIONS

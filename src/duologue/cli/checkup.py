"""The checks of ``duologue doctor``: each looks at one thing and says what it found."""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import resources

import anyio
from anyio import to_thread

from duologue.config import DEFAULT_HOST, DEFAULT_PORT, load_profile, load_settings, setup_of
from duologue.engines import registry
from duologue.engines.machine import look
from duologue.errors import DuologueError, EngineUnavailable

LEAST_CORES = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """``is_needed``: without it the embedded profile does not start. ``remedy``: what to do where it is missing."""

    what: str
    is_ok: bool
    found: str
    remedy: str = ""
    is_needed: bool = True


async def examine() -> list[Finding]:
    """Every check, in the order of the flow. Engines are loaded and run once."""
    names = load_profile("embedded").engines
    findings = [_machine()]
    findings.append(await _batch_engine("Voice activity", "vad", names.vad))
    findings.append(await _turn_detector())
    findings.append(await _batch_engine("Speech to text", "asr", names.asr))
    findings.append(await _chat())
    findings.append(await _synthesizer(names.tts))
    return [*findings, _page(), _port(), _sound_card(), _benchmark()]


def _machine() -> Finding:
    machine = look()
    gpu = f"{machine.gpu.name} with {machine.gpu.memory_mib / 1024:.0f} GiB" if machine.gpu else "no GPU"
    found = f"Python {machine.python}, {machine.cores} cores, {machine.memory_mib / 1024:.0f} GiB, {gpu}"
    remedy = "One core works; answers come later while several people talk."
    return Finding("Machine", machine.cores >= LEAST_CORES, found, remedy, is_needed=False)


async def _timed(what: str, name: str, load: Callable[[], Awaitable[object]]) -> Finding:
    started_s = time.perf_counter()
    try:
        await load()
    except EngineUnavailable as missing:
        return Finding(what, False, f"{name} cannot run", missing.message)
    took_ms = (time.perf_counter() - started_s) * 1000
    return Finding(what, True, f"{name}, loaded and run in {took_ms:.0f} ms")


async def _batch_engine(what: str, stage: str, name: str) -> Finding:
    async def load() -> None:
        engine = registry.make(stage, name)
        await to_thread.run_sync(engine.load)
        engine.close()

    return await _timed(what, name, load)


async def _turn_detector() -> Finding:
    finding = await _batch_engine("End of turn", "turn", "smart-turn")
    if finding.is_ok:
        return finding
    return Finding(finding.what, False, "words and silence only", finding.remedy, is_needed=False)


async def _chat() -> Finding:
    try:
        chat = await registry.make_chat("auto", setup_of(load_settings({"profile": "embedded"})))
    except DuologueError as error:
        return Finding("Answers", False, "the chat server that is set does not answer", error.message)
    is_model = chat.name != "builtin"
    found = f"{chat.model} at {chat.base_url}" if is_model else "the built-in responder: a handful of rules"
    await chat.aclose()
    remedy = "Attach a model: duologue serve --llm URL --llm-model NAME, or run Ollama on this machine."
    return Finding("Answers", is_model, found, remedy, is_needed=False)


async def _synthesizer(name: str) -> Finding:
    async def load() -> None:
        engine = registry.make("tts", name)
        await engine.start()
        await engine.aclose()

    return await _timed("Text to speech", name, load)


def _page() -> Finding:
    is_built = (resources.files("duologue.server") / "static" / "index.html").is_file()
    found = "built" if is_built else "not built"
    return Finding("Page", is_built, found, "python hatch_build.py, in a checkout", is_needed=False)


def _port() -> Finding:
    with socket.socket() as probe:
        is_free = probe.connect_ex((DEFAULT_HOST, DEFAULT_PORT)) != 0
    found = f"{DEFAULT_PORT} is {'free' if is_free else 'taken, perhaps by a Duologue that runs'}"
    return Finding("Port", is_free, found, "Choose another: duologue serve --port N", is_needed=False)


def _sound_card() -> Finding:
    remedy = "Only `duologue talk` needs one; it also takes --in question.wav --out answer.wav."
    try:
        import sounddevice

        devices = sounddevice.query_devices()
    except (ImportError, OSError) as error:
        return Finding("Sound card", False, str(error), f"apt install libportaudio2. {remedy}", is_needed=False)
    has_both = any(d["max_input_channels"] for d in devices) and any(d["max_output_channels"] for d in devices)
    found = f"{len(devices)} devices" if has_both else "no microphone and loudspeaker here"
    return Finding("Sound card", has_both, found, remedy, is_needed=False)


def _benchmark() -> Finding:
    from importlib.util import find_spec

    missing = [name for name in ("jiwer", "matplotlib") if find_spec(name) is None]
    found = f"without {' and '.join(missing)}" if missing else "ready"
    return Finding("Benchmark", not missing, found, 'pip install "jiwer>=4" "matplotlib>=3.10"', is_needed=False)


def run_checks(show: Callable[[list[Finding]], None]) -> bool:
    """Examine, ``show`` what was found; whether the embedded profile can start."""
    findings = anyio.run(examine)
    show(findings)
    return all(finding.is_ok for finding in findings if finding.is_needed)

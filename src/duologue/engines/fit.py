"""Does a setup fit this machine? Pure: a setup and a machine in, needs and problems out.

What is found here is refused at start with the reason, and told by ``duologue doctor`` before.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import msgspec

from duologue.config import Setup
from duologue.engines.catalogue import find
from duologue.engines.machine import Machine
from duologue.engines.speech.kept_rows import rows_for
from duologue.engines.weights import model_folder
from duologue.errors import ConfigError, EngineUnavailable
from duologue.options import KokoroOptions, LlamaServerOptions, ServerOptions, VoxtralOptions, WhisperOptions

# Voxtral Mini: 30 layers of 8 key-value heads of 128, keys and values.
KV_VALUES_PER_TOKEN = 30 * 8 * 128 * 2
VOXTRAL_MINI_MILLIONS = 4_676
# The encoder's work on one window, logits, the allocator's slack.
WORKSPACE_MIB = 1_500
TORCH_CONTEXT_MIB = 600
KOKORO_GPU_MIB = 1_000
# Kokoro takes two cores 0.43 s for a second of speech, 0.31 s for a first clause: on fewer than four cores the
# conversation waits for it.
KOKORO_CORES = 4
WHISPER_CPU_ADVICE = (
    "Whisper on a CPU: its encoder always reads 30 s, so every turn, however short, costs about 0.7 s (tiny), 1.5 s "
    "(base) or 4.8 s (small) of one core, and turns of several people wait for each other. Prefer --asr moonshine; "
    "keep Whisper for languages other than English, with tiny or base."
)


class Need(msgspec.Struct, frozen=True):
    """What one engine needs. ``gpu_mib``: memory on the card; ``packages``: import names, and the pip ``extra`` that
    brings them; ``model``: of the catalogue; ``program``: on the PATH; ``server``: its address; ``advice``: what to
    know before; ``has_substitute``: another engine stands behind it, so that it may be missing."""

    stage: str
    engine: str
    gpu_mib: int = 0
    packages: tuple[str, ...] = ()
    extra: str = ""
    model: str = ""
    program: str = ""
    server: str = ""
    advice: str = ""
    has_substitute: bool = False


class Problem(msgspec.Struct, frozen=True):
    """``is_fatal``: the setup cannot run; otherwise it runs, but not as one would wish."""

    stage: str
    what: str
    remedy: str = ""
    is_fatal: bool = True

    @property
    def told(self) -> str:
        """In one sentence or two."""
        return f"{self.what}. {self.remedy}" if self.remedy else self.what


def needs_of(setup: Setup, machine: Machine) -> list[Need]:
    """One need for each engine that has any, in the order of the flow."""
    needs = []
    for stage in ("asr", "speech", "chat", "tts"):
        names = (getattr(setup.engines, stage) or "").split(",")
        for name in names:
            need = _NEEDS.get(f"{stage}.{name.strip()}")
            if need is not None:
                needs.append(msgspec.structs.replace(need(setup, machine), has_substitute=name is not names[-1]))
    return needs


def problems_of(needs: list[Need], machine: Machine) -> list[Problem]:
    """What stands in the way, the fatal first, and of these what no download can mend."""
    found = [*_memory(needs, machine), *(problem for need in needs for problem in _problems(need))]
    return sorted(found, key=lambda problem: not problem.is_fatal)


def require(setup: Setup, machine: Machine) -> None:
    """Raises ConfigError for what this machine has not, else EngineUnavailable with all that is missing."""
    fatal = [problem for problem in problems_of(needs_of(setup, machine), machine) if problem.is_fatal]
    memory = [problem for problem in fatal if problem.stage == "memory"]
    if memory:
        raise ConfigError(memory[0].told)
    if fatal:
        raise EngineUnavailable(" ".join(problem.told.removesuffix(".") + "." for problem in fatal))


def _problems(need: Need) -> list[Problem]:
    found = []
    missing = [package for package in need.packages if find_spec(package) is None]
    if missing:
        what = f"{need.engine} needs {', '.join(missing)}"
        remedy = f'Run: pip install "duologue[{need.extra}]"'
        found.append(Problem(need.stage, what, remedy, is_fatal=not need.has_substitute))
    if need.model and (absent := _absence(need.model)):
        found.append(Problem(need.stage, absent, is_fatal=not need.has_substitute))
    if need.program and shutil.which(need.program) is None and not Path(need.program).is_file():
        remedy = "Install llama.cpp, or name the program: DUOLOGUE_LLAMA_SERVER__BINARY=/path/to/llama-server"
        what = f"{need.program} is not on this machine"
        found.append(Problem(need.stage, what, remedy, is_fatal=not need.has_substitute))
    if need.advice:
        found.append(Problem(need.stage, need.engine, need.advice, is_fatal=False))
    return found


def _absence(model: str) -> str:
    """What is said of a model that is not on this machine; "" for one that is."""
    try:
        model_folder(model)
    except EngineUnavailable as missing:
        return missing.message
    return ""


def _memory(needs: list[Need], machine: Machine) -> list[Problem]:
    """Everything on the card together."""
    wanted = [need for need in needs if need.gpu_mib]
    if not wanted:
        return []
    names = ", ".join(f"{need.engine} {_gib(need.gpu_mib)}" for need in wanted)
    total_mib = sum(need.gpu_mib for need in wanted) + TORCH_CONTEXT_MIB
    if machine.gpu is None:
        return [Problem("memory", f"This setup wants a GPU ({names}), and none was found", _NO_GPU)]
    if total_mib > machine.gpu.memory_mib:
        what = f"This setup wants {_gib(total_mib)} on the GPU ({names}); {machine.gpu.name} has "
        return [Problem("memory", what + _gib(machine.gpu.memory_mib), _TOO_LARGE)]
    if total_mib > machine.gpu.free_mib:
        what = f"This setup wants {_gib(total_mib)} on the GPU; only {_gib(machine.gpu.free_mib)} are free now"
        return [Problem("memory", what, "Stop what else uses the card (nvidia-smi shows it).")]
    return []


_NO_GPU = "Choose --profile embedded or cpu, or a server that has one: --profile voxtral-vllm."
_TOO_LARGE = (
    "Lower voxtral.conversations or voxtral.context_tokens, choose a smaller model, or put it on a server: "
    "--profile voxtral-vllm."
)


def _gib(mib: int) -> str:
    return f"{mib / 1024:.1f} GiB"


# --- what each engine needs -----------------------------------------------------------------------------------


def _wants_gpu(device: str, machine: Machine) -> bool:
    return device == "cuda" or (device == "auto" and machine.gpu is not None)


def _voxtral(setup: Setup, machine: Machine) -> Need:
    options = cast("VoxtralOptions", setup.tables["voxtral"])
    on_gpu = _wants_gpu(options.device, machine)
    value_bytes = 4 if options.dtype == "float32" else 2
    kv_mib = rows_for(options.conversations) * options.context_tokens * KV_VALUES_PER_TOKEN * value_bytes // 2**20
    weights_mib = _weights_mib(options.model, VOXTRAL_MINI_MILLIONS * 1_000_000 * value_bytes // 2**20)
    return Need(
        "speech",
        "voxtral",
        gpu_mib=weights_mib + kv_mib + WORKSPACE_MIB if on_gpu else 0,
        packages=("torch", "transformers", "mistral_common"),
        extra="voxtral",
        model=options.model,
        advice="" if on_gpu else "Without a GPU Voxtral takes tens of seconds to answer: choose --profile cpu.",
    )


def _weights_mib(model: str, otherwise_mib: int) -> int:
    """As the catalogue has it, since a folder may hold anything."""
    try:
        return find(model).size_mb
    except ConfigError:
        return otherwise_mib


def _whisper(setup: Setup, machine: Machine) -> Need:
    options = cast("WhisperOptions", setup.tables["whisper"])
    on_gpu = _wants_gpu(options.device, machine)
    return Need(
        "asr",
        "whisper",
        gpu_mib=_weights_mib(options.model, 1_600) + 500 if on_gpu else 0,
        packages=("faster_whisper", "ctranslate2"),
        model=options.model,
        advice="" if on_gpu else WHISPER_CPU_ADVICE,
    )


def _kokoro(setup: Setup, machine: Machine) -> Need:
    options = cast("KokoroOptions", setup.tables["kokoro"])
    on_gpu = options.backend != "onnx" and _wants_gpu(options.device, machine)
    is_torch = on_gpu or options.backend == "torch"
    advice = []
    if not on_gpu and machine.cores < KOKORO_CORES:
        advice.append(
            f"On {machine.cores} cores the voice hardly keeps up with itself: four are wanted, or --tts espeak."
        )
    if find_spec("misaki") is None:
        advice.append('English is read by espeak-ng\'s rules; better with: pip install "duologue[kokoro]"')
    return Need(
        "tts",
        "kokoro",
        gpu_mib=KOKORO_GPU_MIB if on_gpu else 0,
        packages=("torch", "safetensors") if is_torch else (),
        extra="gpu",
        model=options.model or ("kokoro" if is_torch else "kokoro-onnx"),
        advice=" ".join(advice),
    )


def _llama_server(setup: Setup, machine: Machine) -> Need:
    options = cast("LlamaServerOptions", setup.tables["llama_server"])
    return Need("chat", "llama-server", model=options.model, program=options.binary)


def _server(stage: str, engine: str, table: str) -> Callable[[Setup, Machine], Need]:
    def need(setup: Setup, _machine: Machine) -> Need:
        return Need(stage, engine, server=cast("ServerOptions", setup.tables[table]).url)

    return need


def _chat_server(setup: Setup, _machine: Machine) -> Need:
    return Need("chat", "openai", server=setup.llm or "--llm URL, OPENAI_BASE_URL or an Ollama here")


_NEEDS: dict[str, Callable[[Setup, Machine], Need]] = {
    "asr.whisper": _whisper,
    "asr.openai": _server("asr", "openai", "transcription_server"),
    "asr.vllm-realtime": _server("asr", "vllm-realtime", "realtime_transcriber"),
    "speech.voxtral": _voxtral,
    "speech.voxtral-server": _server("speech", "voxtral-server", "voxtral_server"),
    "chat.openai": _chat_server,
    "chat.llama-server": _llama_server,
    "tts.kokoro": _kokoro,
    "tts.openai": _server("tts", "openai", "speech_server"),
}

"""``duologue bench engines``: each engine of a setup by itself, beside what the hardware would allow."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from anyio import to_thread

from duologue.bench.engines.cases import a_turn
from duologue.bench.engines.floors import Peaks, first_output_floor_ms, peaks_of
from duologue.bench.engines.measure import EngineFigures, measure
from duologue.bench.machine import Machine, this_machine
from duologue.config import Setup
from duologue.engines import machine as hardware
from duologue.engines import registry
from duologue.engines.fit import needs_of, problems_of
from duologue.engines.machine import Gpu
from duologue.errors import ConfigError, EngineError

STAGES = ("vad", "turn", "asr", "speech", "chat", "tts")
# Stages whose models can be made up at full size, by engine: the writer of such a folder, and its room on disk.
_WRITERS = {
    "asr.whisper": ("duologue.bench.engines.random_whisper:write_whisper", 4),
    "speech.voxtral": ("duologue.bench.engines.random_voxtral:write_voxtral", 12),
    "tts.kokoro": ("duologue.bench.engines.random_kokoro:write_kokoro", 1),
}


class EngineReport(msgspec.Struct, frozen=True, kw_only=True):
    """``has_random_weights``: of the real size but with no sense in them; time is the same. ``missing``: why an
    engine was not measured, by engine. ``floors``: ms to the first output of one request, by engine and case, where the
    work is known."""

    machine: Machine
    gpu: Gpu | None
    profile: str
    has_random_weights: bool
    peaks: list[Peaks]
    engines: list[EngineFigures]
    floors: dict[str, float]
    missing: dict[str, str]

    def to_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2)


async def carry_out(
    setup: Setup, stages: Sequence[str], batches: Sequence[int], *, random_weights: bool, told: Callable[[str], None]
) -> EngineReport:
    """Measure one engine after the other. What cannot run here is told in ``missing``, not raised."""
    engines: list[EngineFigures] = []
    missing: dict[str, str] = {}
    turn = await a_turn()
    with TemporaryDirectory(prefix="duologue-weights-") as folder:
        for stage in stages:
            names = _names(setup, stage)
            if not names:
                missing[stage] = "the setup has no such engine, or leaves it to the model that hears"
            for name in names:
                try:
                    _require_device(setup, stage, name)
                    used = await _with_weights(setup, stage, name, Path(folder), told) if random_weights else setup
                    engine = await registry.make_stage(stage, name, used)
                    engines.append(await measure(stage, engine, turn, batches, told))
                except (ConfigError, EngineError) as error:
                    missing[f"{stage}.{name}"] = error.message
    told("measuring what the hardware can do")
    devices = sorted({figures.device for figures in engines if figures.device.startswith(("cpu", "cuda"))})
    peaks = [await to_thread.run_sync(peaks_of, device) for device in devices]
    return EngineReport(
        machine=this_machine(),
        gpu=hardware.find_gpu(),
        profile=setup.profile,
        has_random_weights=random_weights,
        peaks=peaks,
        engines=engines,
        floors={key: ms for figures in engines for key, ms in _floors(figures, setup, peaks)},
        missing=missing,
    )


def _require_device(setup: Setup, stage: str, name: str) -> None:
    """Raises ConfigError where this engine alone wants a GPU that is not here or not large enough: before weights
    are made up for it."""
    machine = hardware.look()
    wanted = [need for need in needs_of(setup, machine) if (need.stage, need.engine) == (stage, name)]
    for problem in problems_of(wanted, machine):
        if problem.stage == "memory":
            raise ConfigError(problem.told)


def _names(setup: Setup, stage: str) -> list[str]:
    """The engines that the setup names for a stage, but for the faces of the model that hears."""
    names = [name.strip() for name in (getattr(setup.engines, stage) or "").split(",") if name.strip()]
    return [name for name in names if name != "speech"]


async def _with_weights(setup: Setup, stage: str, name: str, folder: Path, told: Callable[[str], None]) -> Setup:
    """``setup`` with the model of this engine made up at its real size, where it has one."""
    key = f"{stage}.{name}"
    if key not in _WRITERS:
        return setup
    gib = _WRITERS[key][1]
    if shutil.disk_usage(folder).free < gib * 2**30:
        raise ConfigError(f"{gib} GiB are needed in {folder} for weights of {name}: set TMPDIR to a larger disk.")
    told(f"making up weights for {key}")
    table = registry.MAKERS[key].tables[0]
    made = await to_thread.run_sync(_write, key, setup.tables[table], folder / name)
    tables = setup.tables | {table: setup.tables[table].model_copy(update={"model": str(made)})}
    return setup.model_copy(update={"tables": tables})


def _write(key: str, options: Any, folder: Path) -> Path:
    """The folder of made-up weights for these options. Raises EngineUnavailable for a package that is missing."""
    import importlib

    module, function = _WRITERS[key][0].split(":")
    write = getattr(importlib.import_module(module), function)
    if key == "asr.whisper":
        write(folder, whisper_size(options.model))
    elif key == "tts.kokoro":
        write(folder, "full", form="onnx" if options.backend == "onnx" or options.device == "cpu" else "safetensors")
    else:
        write(folder, "full")
    return folder


def whisper_size(model: str) -> str:
    """The size in a model's name. Raises ConfigError for one without."""
    for size in ("tiny", "base", "small", "turbo", "large-v3"):
        if size in model:
            return size
    raise ConfigError(f"the size of {model} cannot be told from its name: choose whisper-base.en, whisper-turbo, ...")


def floor_key(figures: EngineFigures, case: str) -> str:
    """Where a floor stands in the report."""
    return f"{figures.stage}.{figures.engine}: {case}"


def _floors(figures: EngineFigures, setup: Setup, peaks: Sequence[Peaks]) -> Iterator[tuple[str, float]]:
    here = next((p for p in peaks if p.device == figures.device), None)
    if here is None:
        return
    model = getattr(setup.tables.get(figures.engine), "model", "")
    for case in figures.cases:
        ms = first_output_floor_ms(figures.stage, figures.engine, model, case.batches[0].amount, here)
        if ms is not None:
            yield floor_key(figures, case.case), round(ms, 2)

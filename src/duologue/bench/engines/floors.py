"""How quick a model could be on this hardware: its arithmetic over what the hardware was just measured to do.

A floor is the longer of two times: arithmetic at the measured matrix rate, and reading the weights at the measured
memory rate. No engine goes below it, and one that is ten times above it wastes its time elsewhere.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np

# Voxtral Mini 3B (shapes of its published configuration): one 30 s window through the encoder and projector; its
# 375 positions and 4 more through the language model; one token of it reads all of its weights but the embedding.
VOXTRAL_ENCODE_GFLOP = 2_290.0
VOXTRAL_FILL_GFLOP = 2_560.0
VOXTRAL_STEP_GB = 7.2
# Kokoro-82M, a second of speech.
KOKORO_GFLOP_PER_S = 54.5
# Whisper's encoder by (layers, width) on its 1,500 positions: projections and attention.
WHISPER_SHAPES = {
    "tiny": (4, 384),
    "base": (6, 512),
    "small": (12, 768),
    "medium": (24, 1024),
    "large": (32, 1280),
    "turbo": (32, 1280),
}
WHISPER_POSITIONS = 1_500
_SIDE = {"cpu": 1_024, "cuda": 8_192}
_COPY_BYTES = {"cpu": 256 * 2**20, "cuda": 2 * 2**30}


class Peaks(msgspec.Struct, frozen=True, kw_only=True):
    """Measured: ``gflops`` of a large matrix product (float32 on a CPU, bfloat16 on a GPU), ``gb_per_s`` read and
    written in a copy."""

    device: str
    gflops: float
    gb_per_s: float


def peaks_of(device: str) -> Peaks:
    """What ``device`` does now, best of five."""
    return _gpu_peaks(device) if device.startswith("cuda") else _cpu_peaks()


def floor_ms(gflop: float, gigabytes: float, peaks: Peaks) -> float:
    """The longer of arithmetic and memory."""
    return 1000 * max(gflop / peaks.gflops, gigabytes / peaks.gb_per_s)


def first_output_floor_ms(stage: str, engine: str, model: str, seconds: float, peaks: Peaks) -> float | None:
    """For one request alone; ``seconds`` of speech made by a voice. None where the work is not known."""
    if stage == "speech" and engine == "voxtral":
        return floor_ms(VOXTRAL_ENCODE_GFLOP + VOXTRAL_FILL_GFLOP, VOXTRAL_STEP_GB, peaks)
    if stage == "tts" and engine == "kokoro":
        return floor_ms(KOKORO_GFLOP_PER_S * seconds, 0.33, peaks)
    if stage == "asr" and engine == "whisper":
        gflop = whisper_gflop(model)
        return None if gflop is None else floor_ms(gflop, 0.0, peaks)
    return None


def whisper_gflop(model: str) -> float | None:
    """One run of the encoder, always over 30 s: 12 d^2 weights and the attention over all positions a layer."""
    shape = next((shape for size, shape in WHISPER_SHAPES.items() if size in model), None)
    if shape is None:
        return None
    layers, width = shape
    n = WHISPER_POSITIONS
    return layers * (2 * n * 12 * width**2 + 4 * n**2 * width) / 1e9


def _cpu_peaks() -> Peaks:
    """All cores together, each with its share: the arithmetic library itself may be held to one thread."""
    cores = os.cpu_count() or 1
    side, size = _SIDE["cpu"], _COPY_BYTES["cpu"] // cores
    a = np.random.default_rng(0).standard_normal((side, side), np.float32)
    outs = [np.empty_like(a) for _ in range(cores)]
    sources, targets = ([np.zeros(size, np.uint8) for _ in range(cores)] for _ in range(2))
    with ThreadPoolExecutor(cores) as pool:
        product_s = _best_s(lambda: list(pool.map(lambda out: np.matmul(a, a, out=out), outs)))
        copy_s = _best_s(lambda: list(pool.map(np.copyto, targets, sources)))
    gflops, gb_per_s = cores * 2 * side**3 / product_s / 1e9, cores * 2 * size / copy_s / 1e9
    return Peaks(device="cpu", gflops=gflops, gb_per_s=gb_per_s)


def _gpu_peaks(device: str) -> Peaks:
    import torch

    side, size = _SIDE["cuda"], _COPY_BYTES["cuda"]
    a = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)

    def settled(work: Callable[[], object]) -> Callable[[], object]:
        def run() -> None:
            work()
            torch.cuda.synchronize(device)

        return run

    product_s = _best_s(settled(lambda: a @ a))
    copy_s = _best_s(settled(lambda: target.copy_(source)))
    return Peaks(device=device, gflops=2 * side**3 / product_s / 1e9, gb_per_s=2 * size / copy_s / 1e9)


def _best_s(work: Callable[[], object], times: int = 5) -> float:
    work()
    spent = []
    for _ in range(times):
        started_s = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started_s)
    return min(spent)

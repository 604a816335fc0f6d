"""Kokoro-82M's network behind one small interface: phoneme ids and a style in, sound and durations out.

Two backends: torch (``kokoro_torch``: batches, CUDA graphs) and onnxruntime (``kokoro_onnx``: a CPU without
torch). Neither knows text; ``kokoro`` makes phonemes of it and picks the style.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from duologue.audio.frame import Float32
from duologue.engines.base import Plain
from duologue.engines.torch_device import loading, torch_device
from duologue.engines.weights import model_folder
from duologue.errors import ConfigError, EngineError
from duologue.options import KokoroOptions

# One unit of Kokoro's durations: two pitch values of 10 x 6 x 5 samples, 25 ms at 24 kHz.
FRAME_SAMPLES = 600
# The encoder has 512 positions; a pad (id 0) takes the first and the last.
MAX_TOKENS = 510
STYLE_SIZE = 256

Backend = Literal["torch", "onnx"]

_GPU_MODEL = "kokoro"
_CPU_MODEL = "kokoro-onnx"


class Utterance(Plain, frozen=True, eq=False):
    """One phrase. ``tokens``: phoneme ids without the pads, 1 to 510; ``style``: float32 [256], the voice's row
    for this many tokens; ``speed``: 1.0 is normal."""

    tokens: tuple[int, ...]
    style: Float32
    speed: float = 1.0


class Spoken(Plain, frozen=True, eq=False):
    """``samples``: float32 [n] at 24 kHz. ``frames``: how many frames of 600 samples each token lasts, the pad
    before the first and after the last included, so ``len(tokens) + 2`` of them; they sum to n / 600."""

    samples: Float32
    frames: tuple[int, ...]


class KokoroNet(Protocol):
    """A loaded network. ``device``: "cpu" or "cuda:0"; ``max_batch``: the most that one call should bring."""

    max_batch: int
    device: str

    def speak(self, batch: Sequence[Utterance]) -> list[Spoken]:
        """One result an utterance, in order; alone or among others it sounds the same. Blocks; any thread.

        Raises EngineError for no tokens or more than 510.
        """

    def close(self) -> None:
        """Give the memory back. Called once, after the last call."""


def load_net(options: KokoroOptions) -> KokoroNet:
    """Load the backend that the options and this machine ask for.

    "auto" is torch on a GPU and onnxruntime on a CPU; where ``model`` names something that only the other of the
    two reads, that one. Raises ConfigError for what excludes each other, EngineUnavailable for what is missing.
    """
    backend = _backend(options)
    device = torch_device(options.device) if backend == "torch" else "cpu"
    if backend == "onnx" and options.device == "cuda":
        raise ConfigError("device is cuda, but the model is a graph, which runs on the CPU: take model kokoro.")
    if options.cuda_graphs == "on" and device == "cpu":
        raise ConfigError(f"cuda_graphs is on, but Kokoro would run with {backend} on the CPU: set it to auto or off.")
    folder = _folder(options, backend)
    if backend == "torch":
        from duologue.engines.tts.kokoro_torch import TorchNet

        with loading(device):
            return TorchNet(folder, options, device)
    from duologue.engines.tts.kokoro_onnx import OnnxNet

    return OnnxNet(folder, options)


def net_folder(options: KokoroOptions) -> Path:
    """The folder that ``load_net`` will read. Raises as it does."""
    return _folder(options, _backend(options))


def model_name(options: KokoroOptions) -> str:
    """What ``options`` name, or what is taken where they name none."""
    return _model(options, _backend(options))


def check_utterance(utterance: Utterance) -> None:
    """Raises EngineError for no tokens, more than 510, a style of another size, or no speed."""
    if not 1 <= len(utterance.tokens) <= MAX_TOKENS:
        raise EngineError(f"a phrase of {len(utterance.tokens)} phonemes: give Kokoro 1 to {MAX_TOKENS}")
    if utterance.style.shape != (STYLE_SIZE,) or utterance.speed <= 0:
        raise EngineError(f"Kokoro takes a style of {STYLE_SIZE} numbers and a speed above 0")


def cpu_threads(wanted: int) -> int:
    """Threads for one step: ``wanted``, or half of the cores and at least two where it is 0."""
    return wanted or max(2, (os.cpu_count() or 2) // 2)


def _folder(options: KokoroOptions, backend: Backend) -> Path:
    return model_folder(_model(options, backend))


def _model(options: KokoroOptions, backend: Backend) -> str:
    return options.model or (_GPU_MODEL if backend == "torch" else _CPU_MODEL)


def _backend(options: KokoroOptions) -> Backend:
    if options.backend != "auto":
        return options.backend
    wants_gpu = options.device == "cuda" or (options.device == "auto" and _has_torch())
    prefers_torch = wants_gpu and torch_device(options.device) != "cpu"
    if options.model:
        folder = model_folder(options.model)
        has_graph = any(folder.rglob("*.onnx"))
        if has_graph != any(folder.glob("*.safetensors")):
            return "onnx" if has_graph else "torch"
    return "torch" if prefers_torch else "onnx"


def _has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None

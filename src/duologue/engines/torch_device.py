"""Which device a torch model goes to, and what to do where there is no torch."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext

from duologue.errors import ConfigError, EngineUnavailable
from duologue.options import Device

# Held while a model is loaded onto a GPU and its CUDA graphs are recorded. Engines are loaded side by side, but torch
# records one graph at a time in a process, and CUDA forbids what others then do: to wait for the whole GPU.
_LOADING = threading.Lock()


def loading(device: str) -> AbstractContextManager[object]:
    """To load a model for ``device`` in: one at a time on a GPU, side by side on a CPU."""
    return nullcontext() if device == "cpu" else _LOADING


def torch_device(wanted: Device) -> str:
    """ "cpu" or "cuda:0". Raises EngineUnavailable without torch, ConfigError for a GPU that is not there."""
    try:
        import torch
    except ImportError as error:
        raise EngineUnavailable('torch is not installed: run: pip install "duologue[gpu]"') from error
    has_gpu = torch.cuda.is_available()
    if wanted == "cuda" and not has_gpu:
        raise ConfigError("device is cuda, but torch finds no GPU: set it to auto or cpu, or install a CUDA torch.")
    return "cuda:0" if wanted == "cuda" or (wanted == "auto" and has_gpu) else "cpu"

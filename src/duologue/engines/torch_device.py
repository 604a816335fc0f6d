"""Which device a torch model goes to, and what to do where there is no torch."""

from __future__ import annotations

from duologue.errors import ConfigError, EngineUnavailable
from duologue.options import Device


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

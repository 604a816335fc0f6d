"""Where the embedded models lie: inside ordinary wheels, found without importing the packages that carry them.

Those packages bring far more than their weights (one imports a transcription stack, another a whole voice
framework), so only their files are used.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from duologue.errors import EngineUnavailable

# Import name -> what to give pip, where the two differ or a version matters.
_REQUIREMENTS = {
    "espeakng_loader": "espeakng-loader",
    "faster_whisper": "faster-whisper>=1.2.1,<2",
    "moonshine_voice": "moonshine-voice==0.1.0",  # 0.1.1 and later carry no weights
    "pipecat": "pipecat-ai>=1.14,<2",
}


class OnnxSession(Protocol):
    """The part of ``onnxruntime.InferenceSession`` that the engines use."""

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any]) -> list[Any]: ...

    def run_with_ort_values(self, output_names: Sequence[str], input_feed: Mapping[str, Any]) -> list[Any]: ...


def packaged_file(package: str, relative: str) -> Path:
    """The file ``relative`` inside the installed top-level package ``package``, which is not imported.

    Raises EngineUnavailable with the pip command that brings it.
    """
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations if spec is not None else None) or ():
        path = Path(folder) / relative
        if path.exists():
            return path
    raise EngineUnavailable(f"{Path(relative).name} is not installed: {install_hint(package)}")


def install_hint(package: str) -> str:
    """The pip command that brings the package of this import name."""
    return f'run: pip install "{_REQUIREMENTS.get(package, package)}"'


def onnx_session(model: Path | bytes) -> OnnxSession:
    """Load an ONNX or ORT model, from a file or from memory, onto one CPU thread.

    One thread that does not spin: the batches of several engines run side by side, and with onnxruntime's own
    settings the same work costs 2.2 times the CPU (214 against 96 ms for one end-of-turn decision on 2 cores).

    Raises EngineUnavailable when onnxruntime is missing or does not read the model.
    """
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as failures
    except ImportError as error:
        raise EngineUnavailable(f"onnxruntime is not installed: {install_hint('onnxruntime')}") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    unreadable = (failures.Fail, failures.InvalidGraph, failures.InvalidProtobuf, failures.NoSuchFile)
    source = model if isinstance(model, bytes) else str(model)
    try:
        session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except (*unreadable, RuntimeError, ValueError) as error:
        name = "the model" if isinstance(model, bytes) else model.name
        raise EngineUnavailable(f"onnxruntime cannot read {name}: reinstall the package it came with") from error
    return cast(OnnxSession, session)

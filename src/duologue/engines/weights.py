"""Where models lie on this machine. Nothing here fetches: ``duologue pull`` does.

The embedded models come inside ordinary wheels, found without importing the packages that carry them: those bring far
more than their weights (one imports a transcription stack, another a whole voice framework). All others lie in the
Hugging Face cache, which other programs share; its layout is documented and read without the hub's own library.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from duologue.engines.catalogue import Model, find, is_pinned
from duologue.engines.model_files import is_whole
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


def model_folder(name: str) -> Path:
    """The folder of a model: a short name of the catalogue, ``org/name@revision``, or a path, returned as it is.

    Raises EngineUnavailable, with the one command that fetches it, where it is missing or not whole; ConfigError for
    a name that is neither.
    """
    path = Path(name).expanduser()
    if any(mark in name for mark in ("/", os.sep)) and path.exists():
        return path
    if name.startswith(("/", "./", "../", "~")):
        raise EngineUnavailable(f"There is no model at {name}.")
    model = find(name)
    folder = cached_folder(model)
    if folder is None:
        raise EngineUnavailable(f"{model.name} is not on this machine: run: duologue pull {shlex.quote(name)}")
    return folder


def cached_folder(model: Model) -> Path | None:
    """Where the model lies in the Hugging Face cache; None where it does not, or not whole."""
    storage = model_storage(model)
    commit = model.revision
    if not is_pinned(model):
        reference = storage / "refs" / model.revision
        if not reference.is_file():
            return None
        commit = reference.read_text().strip()
    folder = storage / "snapshots" / commit
    return folder if folder.is_dir() and is_whole(folder, model.files) else None


def model_storage(model: Model) -> Path:
    """The model's part of the cache: ``blobs``, ``refs`` and ``snapshots``. The environment says where the cache is."""
    given = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if not given:
        home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
        given = os.path.join(home, "hub")
    cache = Path(os.path.expandvars(given)).expanduser()
    return cache / f"models--{model.repo.replace('/', '--')}"


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

"""Which files of a repository are fetched, and when a model is whole.

Weights are safetensors, ONNX, GGUF or CTranslate2: formats that hold numbers and cannot run code when they are read.
Pickles (``.pt``, ``.pth``, most ``.bin``) and programs are never fetched.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from duologue.errors import ConfigError

_WEIGHTS = (".safetensors", ".onnx", ".onnx_data", ".gguf")
_BESIDE = (".json", ".txt", ".model", ".jinja")
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz")
_CODE = (".py", ".so", ".dll", ".dylib", ".sh", ".exe", ".whl", ".ipynb")
_STYLES = re.compile(r"voices/[a-z]{2}_[a-z0-9]+\.bin")
_SPLIT = re.compile(r"-(\d{5})-of-(\d{5})(?=\.gguf$)")


def choose(listing: Collection[str], patterns: Collection[str]) -> tuple[list[str], dict[str, str]]:
    """What to fetch of a repository: the paths, and those that are refused, each with the reason.

    With ``patterns`` only what matches one of them is fetched; what is refused, no pattern can bring back.
    Raises ConfigError where a pattern matches nothing, no weights are left, or a choice of variants is open.
    """
    refused = {path: why for path in listing if (why := _why_not(path, listing))}
    readable = [
        path for path in listing if path not in refused and path.lower().endswith((*_WEIGHTS, *_BESIDE, ".bin"))
    ]
    if patterns:
        kept = [path for path in readable if _matches(path, patterns)]
        if absent := [pattern for pattern in patterns if not fnmatch.filter(kept, pattern)]:
            raise ConfigError(f"It holds no file that may be fetched and matches {', '.join(absent)}.")
    else:
        kept = _without_copies(readable)
        _check_one_variant(kept)
    if not any(_is_weights(path) for path in kept):
        raise ConfigError(_nothing_left(refused))
    return kept, refused


def is_whole(folder: Path, patterns: Collection[str]) -> bool:
    """Whether a model's files are all in ``folder``: one at least for each pattern, and no part of a set missing."""
    paths = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if not any(_is_weights(path) for path in paths):
        return False
    if any(not fnmatch.filter(paths, pattern) for pattern in patterns):
        return False
    try:
        return all(part in paths for part in _parts(folder, paths))
    except (ValueError, KeyError):  # an index that is no index
        return False


def _why_not(path: str, listing: Collection[str]) -> str:
    """Why a file is refused; empty for those that may be fetched or are not looked at at all."""
    lower = path.lower()
    if path.startswith("/") or ".." in path.split("/") or re.search(r"[\\:\x00-\x1f]", path):
        return "its name leads out of the folder"
    if lower.endswith(_CODE):
        return "a program; Duologue runs none out of a repository"
    if lower.endswith(_PICKLES) and not _is_ctranslate2(path, listing) and not _is_style(path, listing):
        return "a pickle, or may be one: it can run code when it is read"
    return ""


def _is_ctranslate2(path: str, listing: Collection[str]) -> bool:
    """``model.bin`` beside its config and vocabulary is CTranslate2's own format, plain numbers."""
    folder = PurePosixPath(path).parent
    if PurePosixPath(path).name != "model.bin":
        return False
    beside = {PurePosixPath(other).name for other in listing if PurePosixPath(other).parent == folder}
    return "config.json" in beside and any(name.startswith(("vocabulary.", "shared_vocabulary.")) for name in beside)


def _is_style(path: str, listing: Collection[str]) -> bool:
    """Kokoro's speakers beside its ONNX graph: float32, nothing else."""
    return _STYLES.fullmatch(path) is not None and any(other.endswith(".onnx") for other in listing)


def _is_weights(path: str) -> bool:
    return path.lower().endswith(_WEIGHTS) or PurePosixPath(path).name == "model.bin"


def _matches(path: str, patterns: Collection[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def _without_copies(paths: list[str]) -> list[str]:
    """Mistral's repositories hold the same weights twice; the copy under the usual name is enough."""
    if any(re.fullmatch(r"model(-.*)?\.safetensors", path) for path in paths):
        return [path for path in paths if not path.startswith("consolidated")]
    return paths


def _check_one_variant(paths: list[str]) -> None:
    variants = sorted({_SPLIT.sub("", path) for path in paths if path.endswith(".gguf") and "mmproj" not in path})
    if len(variants) > 1:
        shown = ", ".join(variants[:6]) + (", ..." if len(variants) > 6 else "")
        raise ConfigError(f"It holds {len(variants)} GGUF variants ({shown}): choose with --file, a name or a pattern.")


def _nothing_left(refused: dict[str, str]) -> str:
    if refused:
        path, why = next(iter(refused.items()))
        return (
            f"It holds nothing that Duologue may read: {path} is {why}. Look for a copy in safetensors, ONNX or GGUF."
        )
    return "It holds no weights in safetensors, ONNX, GGUF or CTranslate2."


def _parts(folder: Path, paths: Iterable[str]) -> Iterable[str]:
    """The files that the files here say belong with them: shards of safetensors, parts of a split GGUF."""
    for path in paths:
        if path.endswith(".safetensors.index.json"):
            beside = PurePosixPath(path).parent
            shards = set(json.loads((folder / path).read_text())["weight_map"].values())
            yield from (str(beside / shard) for shard in shards)
        elif (split := _SPLIT.search(path)) is not None:
            count = int(split[2])
            yield from (_SPLIT.sub(f"-{part:05d}-of-{count:05d}", path) for part in range(1, count + 1))

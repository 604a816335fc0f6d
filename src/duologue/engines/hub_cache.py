"""A download and its place in the Hugging Face cache.

A model's part of the cache has ``blobs``, named by their hashes; ``snapshots/COMMIT``, links to them under the files'
own names; and ``refs``, the commit that a branch meant last. A file that is still arriving is ``HASH.incomplete``.
The layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from duologue.engines.catalogue import Model
from duologue.engines.weights import model_storage
from duologue.errors import EngineUnavailable

# What the cache and the file system around it take besides the files themselves.
_SPARE_BYTES = 64 * 2**20


class HubFile(msgspec.Struct, frozen=True):
    """``digest`` names its blob in the cache: SHA-256 (64 digits) of large files, git's SHA-1 of small ones."""

    path: str
    size_bytes: int
    digest: str


class Plan(msgspec.Struct, frozen=True):
    """What a download will be. ``refused``: files that are left out for safety, and why."""

    model: Model
    commit: str
    licence: str
    is_gated: bool
    files: tuple[HubFile, ...]
    refused: dict[str, str]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @property
    def missing_bytes(self) -> int:
        """What is still to be fetched."""
        missing = (file for file in self.files if not self.has(file))
        return sum(max(0, file.size_bytes - size_of(self.partial(file))) for file in missing)

    @property
    def storage(self) -> Path:
        return model_storage(self.model)

    @property
    def folder(self) -> Path:
        """Where the model will be."""
        return self.storage / "snapshots" / self.commit

    def blob(self, file: HubFile) -> Path:
        return self.storage / "blobs" / file.digest

    def partial(self, file: HubFile) -> Path:
        """What has arrived of a file."""
        return self.blob(file).with_name(f"{file.digest}.incomplete")

    def has(self, file: HubFile) -> bool:
        """Whether all of the file is here."""
        places = (self.blob(file), self.folder / file.path)
        return any(path.is_file() and size_of(path) == file.size_bytes for path in places)


def check_room(plan: Plan) -> None:
    """Raises EngineUnavailable when the disk has no room for what is missing."""
    needed = plan.missing_bytes
    place = next(path for path in (plan.storage, *plan.storage.parents) if path.exists())
    free = shutil.disk_usage(place).free
    if needed and free < needed + _SPARE_BYTES:
        raise EngineUnavailable(
            f"{plan.model.name} needs {as_size(needed)} more in {plan.storage.parent}, and {as_size(free)} are free: "
            "make room, or set HF_HOME to a folder on another disk."
        )


@contextmanager
def only_one(plan: Plan) -> Iterator[None]:
    """Keep out a second download of the same model, which would write to the same files."""
    import filelock

    locks = plan.storage.parent / ".locks" / plan.storage.name
    locks.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(locks / "duologue.lock", timeout=0):
            yield
    except filelock.Timeout as error:
        raise EngineUnavailable(f"{plan.model.name} is being downloaded by another process: wait for it.") from error


def keep(plan: Plan, file: HubFile) -> None:
    """Make what has arrived of ``file`` its blob. Raises EngineUnavailable, and forgets it, if its hash is another."""
    partial = plan.partial(file)
    if _digest(partial, file) != file.digest:
        partial.unlink()
        raise EngineUnavailable(f"{file.path} did not arrive as the hub describes it: run the same command again.")
    partial.replace(plan.blob(file))


def show(plan: Plan) -> None:
    """Let the model appear: every file under its name, and the branch that it was asked by."""
    for file in plan.files:
        _link(plan, file)
    if plan.model.revision != plan.commit:
        reference = plan.storage / "refs" / plan.model.revision
        reference.parent.mkdir(parents=True, exist_ok=True)
        fresh = reference.with_name(f"{reference.name}.new")
        fresh.write_text(plan.commit)
        fresh.replace(reference)


def size_of(path: Path) -> int:
    """The size of a file in bytes, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def as_size(size_bytes: float) -> str:
    """Bytes for people, in powers of ten, as the hub shows them."""
    for unit in ("B", "kB", "MB"):
        if size_bytes < 999.5:
            return f"{size_bytes:.0f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} GB"


def _link(plan: Plan, file: HubFile) -> None:
    """Show the blob under the file's name. Where links are not allowed (Windows), the blob itself moves there."""
    name = plan.folder / file.path
    if name.is_file():
        return
    name.parent.mkdir(parents=True, exist_ok=True)
    name.unlink(missing_ok=True)  # a link that leads nowhere
    try:
        name.symlink_to(os.path.relpath(plan.blob(file), name.parent))
    except OSError:
        plan.blob(file).replace(name)


def _digest(path: Path, file: HubFile) -> str:
    if len(file.digest) == 64:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()

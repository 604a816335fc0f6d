"""Fetching a model from the Hugging Face hub, into the cache that other programs share.

What is said of a repository comes from the hub's own library. The bytes are fetched here, because that library
(2.4) throws away what has arrived of a file when the download breaks, and one file of Voxtral has 5 GB: here the next
try goes on where the last one stopped. Every file is checked against the hash that the hub names, and the model
appears in the cache only when all of it has arrived.
"""

from __future__ import annotations

import errno
import os
import shlex
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2

from duologue.engines.catalogue import Model
from duologue.engines.hub_cache import HubFile, Plan, check_room, keep, only_one, show, size_of
from duologue.engines.model_files import choose
from duologue.engines.weights import install_hint, model_storage
from duologue.errors import ConfigError, EngineUnavailable

Progress = Callable[[str, int], None]
"""Called with the file that is being fetched and the bytes of the whole model that are here."""

_TIMEOUT = httpx2.Timeout(10.0, read=30.0)
# Waits between tries while nothing arrives; as long as something does, tries go on.
_WAITS_S = (1.0, 3.0, 10.0)
_AGAIN = "what has arrived is kept, run the same command again."


class Hub:
    """One hub: the public one, or what HF_ENDPOINT names. ``token``: as HF_TOKEN or ``hf auth login`` where None."""

    def __init__(
        self, *, endpoint: str | None = None, token: str | None = None, waits_s: Collection[float] = _WAITS_S
    ) -> None:
        self._library = _library()
        self._endpoint = (endpoint or self._library.constants.ENDPOINT).rstrip("/")
        self._api = self._library.HfApi(endpoint=self._endpoint, token=token, library_name="duologue")
        self._headers: dict[str, str] = self._library.utils.build_hf_headers(token=token, library_name="duologue")
        self._waits_s = tuple(waits_s)

    def plan(self, model: Model, patterns: Collection[str] = ()) -> Plan:
        """Ask the hub what a model consists of; ``patterns`` replaces the catalogue's choice of files.

        Raises ConfigError for what cannot be used, EngineUnavailable where the hub cannot be asked.
        """
        with self._explained(model):
            info = self._api.model_info(model.repo, revision=model.revision, files_metadata=True, timeout=30)
        listing = {entry.rfilename: _file(entry) for entry in info.siblings or ()}
        try:
            kept, refused = choose(listing, tuple(patterns) or model.files)
        except ConfigError as error:
            raise ConfigError(f"{model.repo} cannot be used. {error.message}") from error
        files = tuple(listing[path] for path in kept)
        if not all(_is_digest(digest) for digest in (info.sha or "", *(file.digest for file in files))):
            raise EngineUnavailable(f"{self._endpoint} does not say what the files of {model.repo} are; is it a hub?")
        return Plan(model, info.sha, _licence(info, model), bool(info.gated), files, refused)

    def check_access(self, plan: Plan) -> None:
        """Ask whether a gated model's files may be fetched. Raises EngineUnavailable, saying how to get there."""
        if plan.is_gated:
            with self._explained(plan.model):
                self._api.auth_check(plan.model.repo)

    def fetch(self, plan: Plan, progress: Progress) -> Path:
        """Fetch what is not here yet, and return the model's folder. May be broken off and called again.

        Raises EngineUnavailable when the hub, the network or the disk fails; what has arrived is kept.
        """
        with self._explained(plan.model), only_one(plan):
            check_room(plan)
            done_bytes = 0
            for file in plan.files:
                self._fetch_file(plan, file, partial(_report, progress, file, done_bytes))
                done_bytes += file.size_bytes
                progress(file.path, done_bytes)
            show(plan)
        return plan.folder

    def _fetch_file(self, plan: Plan, file: HubFile, report: Callable[[int], None]) -> None:
        """Bring one file's blob, in as many tries as it takes while something arrives."""
        if plan.has(file):
            return
        arrived = plan.partial(file)
        arrived.parent.mkdir(parents=True, exist_ok=True)
        waits_s = iter(self._waits_s)
        while (had_bytes := size_of(arrived)) != file.size_bytes or not arrived.exists():
            try:
                self._stream(plan, file, report)
            except httpx2.TransportError:
                if size_of(arrived) > had_bytes:
                    waits_s = iter(self._waits_s)
                wait_s = next(waits_s, None)
                if wait_s is None:
                    raise
                time.sleep(wait_s)
        keep(plan, file)

    def _stream(self, plan: Plan, file: HubFile, report: Callable[[int], None]) -> None:
        """One request: from where the file broke off to its end, or as far as it gets."""
        arrived = plan.partial(file)
        start = size_of(arrived) if size_of(arrived) <= file.size_bytes else 0
        url = self._library.hf_hub_url(plan.model.repo, file.path, revision=plan.commit, endpoint=self._endpoint)
        headers = {**self._headers, "accept-encoding": "identity"}
        if start:
            headers["range"] = f"bytes={start}-"
        with self._library.get_session().stream("GET", url, headers=headers, timeout=_TIMEOUT) as response:
            self._library.utils.hf_raise_for_status(response)
            here = start if response.status_code == 206 else 0
            with arrived.open("ab" if here else "wb") as out:
                for chunk in response.iter_bytes():
                    here += len(chunk)
                    if here > file.size_bytes:
                        break
                    out.write(chunk)
                    report(here)
        if here > file.size_bytes:
            arrived.unlink()
            raise EngineUnavailable(f"{file.path} is longer than the hub says; nothing of it is kept.")
        if here < file.size_bytes:
            raise httpx2.RemoteProtocolError(f"{file.path} broke off after {here} of {file.size_bytes} bytes")

    @contextmanager
    def _explained(self, model: Model) -> Iterator[None]:
        """Turn the library's errors, the network's and the disk's into ours."""
        errors = self._library.errors
        try:
            yield
        except errors.GatedRepoError as error:
            raise EngineUnavailable(self._how_to_get_in(model)) from error
        except errors.RevisionNotFoundError as error:
            raise ConfigError(f"{model.repo} has no revision {model.revision!r}.") from error
        except errors.RepositoryNotFoundError as error:
            private = "or is private: then set HF_TOKEN, or run: hf auth login"
            raise ConfigError(f"{model.repo} is not at {self._endpoint}, {private}") from error
        except errors.HfHubHTTPError as error:
            raise EngineUnavailable(f"{self._endpoint} {_refusal(error.response.status_code, model)}") from error
        except (httpx2.HTTPError, errors.OfflineModeIsEnabled) as error:
            raise EngineUnavailable(f"{self._endpoint} cannot be reached ({_cause(error)}); {_AGAIN}") from error
        except OSError as error:
            full = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
            raise EngineUnavailable(
                f"{model.name} cannot be kept in {model_storage(model)}: {full}; {_AGAIN}"
            ) from error

    def _how_to_get_in(self, model: Model) -> str:
        return (
            f"{model.repo} is gated. Accept its terms at {self._endpoint}/{model.repo}, make a token at "
            f"{self._endpoint}/settings/tokens, then run: HF_TOKEN=hf_... duologue pull {shlex.quote(model.name)} "
            "(or, once for all: hf auth login)"
        )


def is_offline() -> bool:
    """Whether the environment forbids the hub, in the hub library's own words."""
    said = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return said.upper() in {"1", "ON", "YES", "TRUE"}


def _library() -> ModuleType:
    """The hub's library. It reads its environment when it is imported, so what we want off is set before."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # it warns of every request without a token
    try:
        import huggingface_hub
        import huggingface_hub.constants
        import huggingface_hub.errors
        import huggingface_hub.utils
    except ImportError as error:
        raise EngineUnavailable(f"huggingface_hub is not installed: {install_hint('huggingface_hub')}") from error
    return huggingface_hub


def _report(progress: Progress, file: HubFile, before_bytes: int, here_bytes: int) -> None:
    progress(file.path, before_bytes + here_bytes)


def _file(entry: Any) -> HubFile:
    """One entry of the hub's list of files."""
    return HubFile(entry.rfilename, entry.size or 0, (entry.lfs.sha256 if entry.lfs else entry.blob_id) or "")


def _licence(info: Any, model: Model) -> str:
    """The licence that the model card names, in the catalogue's spelling; empty where none is known."""
    card = info.card_data or {}
    tags = [tag.removeprefix("license:") for tag in info.tags or () if tag.startswith("license:")]
    named = [said for said in (card.get("license_name"), card.get("license"), *tags) if isinstance(said, str)]
    if not named or model.licence.casefold() in named:
        return model.licence
    return next((said for said in named if said != "other"), "its own, see the model's page")


def _is_digest(text: str) -> bool:
    return len(text) in {40, 64} and all(letter in "0123456789abcdef" for letter in text)


def _refusal(status: int, model: Model) -> str:
    if status in {401, 403}:
        return f"refuses the token for {model.repo} ({status}): check HF_TOKEN, or run: hf auth login"
    return f"answered {status} for {model.repo}: try later; {_AGAIN}"


def _cause(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__

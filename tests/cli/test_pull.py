"""``duologue pull`` and ``duologue models`` as a person meets them, with a hub on this machine."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from duologue.engines.catalogue import CATALOGUE, find, is_pinned
from tests.stand_in_hub import Repository, StandInHub, stand_in_hub

WEIGHTS = os.urandom(400_000)
WHISPER = find("whisper-base.en")
UNPINNED = next(model for model in CATALOGUE if not is_pinned(model))


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    with stand_in_hub() as hub:
        files = {"config.json": b"{}", "model.bin": WEIGHTS, "tokenizer.json": b"{}", "vocabulary.txt": b"a"}
        hub.repositories[WHISPER.repo] = Repository(files, commit=WHISPER.revision, licence="mit")
        yield hub


@pytest.fixture
def environment(hub: StandInHub, tmp_path: Path) -> dict[str, str]:
    """Where the command finds the hub, and an empty cache."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGINGFACE_", "TRANSF"))}
    return ours | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache")}


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "duologue.cli.main", *arguments]


def _duologue(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(*arguments),
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _is_here(environment: dict[str, str], name: str) -> bool:
    listed = json.loads(_duologue(environment, "models", "--json").stdout)
    return next(model["folder"] for model in listed if model["name"] == name) is not None


def test_a_model_is_shown_and_then_fetched(hub: StandInHub, environment: dict[str, str]) -> None:
    done = _duologue(environment, "pull", "whisper-base.en")
    assert done.returncode == 0, done.stderr
    for said in (WHISPER.name, WHISPER.repo, WHISPER.revision, "MIT", "400 kB in 4 files", environment["HF_HOME"]):
        assert said in done.stdout
    assert done.stdout.splitlines()[-1].startswith("whisper-base.en is here: ")
    assert _is_here(environment, "whisper-base.en")
    asked = len(hub.asked)
    again = _duologue(environment, "pull", "whisper-base.en")
    assert again.stdout.startswith("whisper-base.en is here: ")
    assert len(hub.asked) == asked


def test_on_a_terminal_it_asks_first(hub: StandInHub, environment: dict[str, str]) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, b"n\n")
    done = subprocess.run(
        _command("pull", "whisper-base.en"), env=environment, stdin=theirs, capture_output=True, text=True, check=False
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 1
    assert "Download it?" in done.stdout
    assert "Nothing was downloaded." in done.stderr
    assert hub.downloads() == []


def test_ctrl_c_keeps_what_has_arrived(hub: StandInHub, environment: dict[str, str]) -> None:
    hub.flows.clear()
    pulling = subprocess.Popen(
        _command("pull", "whisper-base.en"),
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert pulling.stderr is not None
    with pulling.stderr as errors:
        assert hub.half_way.wait(15)
        assert errors.readline().endswith("%\n")
        pulling.send_signal(signal.SIGINT)
        said = errors.read()
    assert pulling.wait(15) == 130
    assert said.splitlines()[-1] == "Stopped. What has arrived is kept: run the same command again."
    assert not _is_here(environment, "whisper-base.en")
    hub.flows.set()
    again = _duologue(environment, "pull", "whisper-base.en")
    assert again.returncode == 0, again.stderr
    assert "of it to fetch" in again.stdout
    assert "bytes=" in hub.downloads()[-1]


def test_a_branch_is_taken_as_it_is_today_and_remembered(hub: StandInHub, environment: dict[str, str]) -> None:
    files = {path: os.urandom(2000) for path in UNPINNED.files}
    hub.repositories[UNPINNED.repo] = Repository(files, commit="d" * 40)
    done = _duologue(environment, "pull", UNPINNED.name)
    assert done.returncode == 0, done.stderr
    assert f"{'d' * 40}, today's main: not pinned" in done.stdout
    without = _duologue(environment, "pull", UNPINNED.name, "--offline")
    assert without.returncode == 0, without.stderr
    assert f"/snapshots/{'d' * 40}" in without.stdout


def test_a_revision_may_be_named(hub: StandInHub, environment: dict[str, str]) -> None:
    hub.repositories[WHISPER.repo].commit = "e" * 40
    done = _duologue(environment, "pull", "whisper-base.en", "--revision", "e" * 40)
    assert done.returncode == 0, done.stderr
    assert f"{WHISPER.repo}@{'e' * 40} is here" in done.stdout


def test_a_gated_model_wants_a_token(hub: StandInHub, environment: dict[str, str]) -> None:
    gemma = find("gemma-3-1b")
    hub.repositories[gemma.repo] = Repository(
        {gemma.files[0]: WEIGHTS}, commit=gemma.revision, licence="gemma", gated=True
    )
    refused = _duologue(environment, "pull", "gemma-3-1b")
    assert refused.returncode == 1
    assert "gated" in refused.stdout
    assert refused.stderr.startswith(f"duologue: {gemma.repo} is gated. Accept its terms at ")
    assert _duologue(environment | {"HF_TOKEN": "hf_good"}, "pull", "gemma-3-1b").returncode == 0


@pytest.mark.parametrize("offline", ["--offline", "HF_HUB_OFFLINE"])
def test_offline_mode_asks_nothing(hub: StandInHub, environment: dict[str, str], offline: str) -> None:
    if offline == "HF_HUB_OFFLINE":
        done = _duologue(environment | {"HF_HUB_OFFLINE": "1"}, "pull", "whisper-base.en")
    else:
        done = _duologue(environment, "pull", "whisper-base.en", "--offline")
    assert done.returncode == 1
    assert done.stderr.startswith("duologue: whisper-base.en is not in ")
    assert "offline mode forbids fetching it" in done.stderr
    assert hub.asked == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("wisper-base",), "There is no model 'wisper-base'. Near: whisper-base"),
        (("../../etc/passwd",), "There is no model '../../etc/passwd'."),
        (("org/unknown",), "org/unknown is not at http://127.0.0.1:"),
        (("org/pickles",), "org/pickles cannot be used. It holds nothing that Duologue may read: pytorch_model.bin is"),
        (("org/huge",), "org/huge needs 1000000.0 GB more in "),
        (("org/many",), "It holds 2 GGUF variants (a-q4.gguf, a-q8.gguf): choose with --file"),
    ],
)
def test_what_cannot_be_is_one_line(
    hub: StandInHub, environment: dict[str, str], arguments: tuple[str, ...], said: str
) -> None:
    hub.repositories["org/pickles"] = Repository({"pytorch_model.bin": WEIGHTS})
    hub.repositories["org/huge"] = Repository({"model.safetensors": WEIGHTS}, lies={"model.safetensors": 10**15})
    hub.repositories["org/many"] = Repository({"a-q4.gguf": WEIGHTS, "a-q8.gguf": WEIGHTS})
    done = _duologue(environment, "pull", *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert hub.downloads() == []


def test_a_variant_is_chosen_by_its_name(hub: StandInHub, environment: dict[str, str]) -> None:
    hub.repositories["org/many"] = Repository({"a-q4.gguf": WEIGHTS, "a-q8.gguf": WEIGHTS[1:]})
    done = _duologue(environment, "pull", "org/many", "--file", "*q4*")
    assert done.returncode == 0, done.stderr
    assert "400 kB in 1 file" in done.stdout


def test_the_table_marks_what_is_gated_and_what_is_not_pinned(environment: dict[str, str]) -> None:
    lines = _duologue(environment, "models").stdout.splitlines()
    for model in CATALOGUE:
        (line,) = [line for line in lines if line.split(maxsplit=1)[:1] == [model.name]]
        assert ("not pinned" in line) is not is_pinned(model)
        assert ("gated" in line) is model.is_gated
        assert model.licence in line


def test_the_list_for_programs_names_everything(environment: dict[str, str]) -> None:
    listed = json.loads(_duologue(environment, "models", "--json").stdout)
    assert [model["name"] for model in listed] == [model.name for model in CATALOGUE]
    assert [model["is_pinned"] for model in listed] == [is_pinned(model) for model in CATALOGUE]
    assert all(model["folder"] is None for model in listed)

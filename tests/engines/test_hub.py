"""Downloads from a hub on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.stand_in_hub import Repository, StandInHub, git_hash, sha256, stand_in_hub

from duologue.engines.catalogue import find
from duologue.engines.hub import Hub
from duologue.engines.hub_cache import Plan, as_size
from duologue.engines.weights import model_folder
from duologue.errors import ConfigError, DuologueError, EngineUnavailable

WEIGHTS = os.urandom(300_000)
FILES = {"config.json": b"{}", "model.safetensors": WEIGHTS, "README.md": b"hello"}
LARGE = sha256(WEIGHTS)[:8]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInHub]:
    """A hub with one model, and an empty cache."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with stand_in_hub() as hub:
        hub.repositories["org/name"] = Repository(dict(FILES))
        yield hub


def _client(hub: StandInHub, token: str | None = None, waits_s: tuple[float, ...] = ()) -> Hub:
    return Hub(endpoint=hub.url, token=token, waits_s=waits_s)


def _plan(hub: StandInHub, name: str = "org/name") -> Plan:
    return _client(hub).plan(find(name))


def _fetch(hub: StandInHub, plan: Plan, *waits_s: float) -> Path:
    return _client(hub, waits_s=waits_s).fetch(plan, lambda path, done: None)


def test_a_plan_says_what_will_be_fetched_and_fetches_nothing(hub: StandInHub, tmp_path: Path) -> None:
    plan = _plan(hub)
    assert {file.path for file in plan.files} == {"config.json", "model.safetensors"}
    assert plan.size_bytes == plan.missing_bytes == len(WEIGHTS) + 2
    assert (plan.licence, plan.is_gated, plan.commit) == ("apache-2.0", False, "c" * 40)
    assert not (tmp_path / "cache").exists()
    assert len(hub.asked) == 1


def test_a_model_is_fetched_whole_and_found_again(hub: StandInHub) -> None:
    seen: list[int] = []
    plan = _plan(hub)
    folder = _client(hub).fetch(plan, lambda path, done: seen.append(done))
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert (folder / "config.json").read_bytes() == b"{}"
    assert not (folder / "README.md").exists()
    assert seen == sorted(seen)
    assert seen[-1] == plan.size_bytes
    assert model_folder("org/name") == model_folder(f"org/name@{'c' * 40}") == folder


def test_the_cache_has_the_layout_that_other_programs_read(hub: StandInHub) -> None:
    from huggingface_hub import hf_hub_download

    plan = _plan(hub)
    _fetch(hub, plan)
    assert {path.name for path in (plan.storage / "blobs").iterdir()} == {sha256(WEIGHTS), git_hash(b"{}")}
    asked = len(hub.asked)
    found = hf_hub_download("org/name", "model.safetensors", cache_dir=plan.storage.parent, local_files_only=True)
    assert Path(found).read_bytes() == WEIGHTS
    assert len(hub.asked) == asked


def test_a_download_that_breaks_goes_on_where_it_stopped(hub: StandInHub) -> None:
    hub.breaks = [100_000]
    plan = _plan(hub)
    with pytest.raises(EngineUnavailable, match="what has arrived is kept, run the same command again"):
        _fetch(hub, plan)
    with pytest.raises(EngineUnavailable, match="is not on this machine"):
        model_folder("org/name")
    arrived = plan.partial(plan.files[1]).stat().st_size
    assert 0 < arrived <= 100_000
    asked_before = len(hub.asked)
    assert (_fetch(hub, _plan(hub)) / "model.safetensors").read_bytes() == WEIGHTS
    assert hub.downloads() == [LARGE, f"{LARGE} bytes={arrived}-"]
    assert not any(asked.path.endswith("config.json") for asked in hub.asked[asked_before:])


def test_within_one_run_tries_go_on_while_something_arrives(hub: StandInHub) -> None:
    hub.breaks = [50_000, 120_000, 120_000, 250_000]
    assert (_fetch(hub, _plan(hub), 0.0, 0.0) / "model.safetensors").read_bytes() == WEIGHTS
    assert len(hub.downloads()) == 5


def test_a_server_that_ignores_ranges_is_read_from_the_start(hub: StandInHub) -> None:
    hub.breaks, hub.ignores_ranges = [100_000], True
    assert (_fetch(hub, _plan(hub), 0.0) / "model.safetensors").read_bytes() == WEIGHTS


def test_what_is_here_is_not_fetched_again(hub: StandInHub) -> None:
    _fetch(hub, _plan(hub))
    asked = len(hub.asked)
    plan = _plan(hub)
    assert plan.missing_bytes == 0
    _fetch(hub, plan)
    assert len(hub.asked) == asked + 1


def test_a_new_commit_fetches_only_what_changed(hub: StandInHub) -> None:
    old = _fetch(hub, _plan(hub))
    hub.repositories["org/name"].commit = "d" * 40
    hub.repositories["org/name"].files["config.json"] = b'{"a": 1}'
    new = _fetch(hub, _plan(hub))
    assert len(hub.downloads()) == 1
    assert (old / "config.json").read_bytes() == b"{}"
    assert (new / "config.json").read_bytes() == b'{"a": 1}'
    assert model_folder("org/name") == new


def test_a_file_that_is_not_what_the_hub_names_is_not_kept(hub: StandInHub) -> None:
    plan = _plan(hub)
    hub.repositories["org/name"].files["config.json"] = b"[]"
    with pytest.raises(EngineUnavailable, match=r"config\.json did not arrive as the hub describes it"):
        _fetch(hub, plan)
    assert not plan.folder.exists()
    assert not plan.partial(plan.files[0]).exists()


def test_a_file_longer_than_the_hub_says_is_not_kept(hub: StandInHub) -> None:
    hub.repositories["org/name"].lies["model.safetensors"] = 1000
    plan = _plan(hub)
    with pytest.raises(EngineUnavailable, match="is longer than the hub says"):
        _fetch(hub, plan)
    assert not plan.partial(plan.files[1]).exists()


def test_a_token_goes_to_the_hub_and_nowhere_else(hub: StandInHub) -> None:
    client = _client(hub, token="hf_good")
    client.fetch(client.plan(find("org/name")), lambda path, done: None)
    assert {asked.token for asked in hub.asked if asked.server == "hub"} == {"hf_good"}
    assert {asked.token for asked in hub.asked if asked.server == "store"} == {""}


@pytest.mark.parametrize("token", [None, "hf_other"])
def test_a_gated_model_says_how_to_get_in(hub: StandInHub, token: str | None) -> None:
    gemma = find("gemma-3-1b")
    hub.repositories[gemma.repo] = Repository(
        {"gemma-3-1b-it-q4_0.gguf": b"GGUF" * 400}, gated=True, licence="gemma", commit=gemma.revision
    )
    client = _client(hub, token)
    plan = client.plan(gemma)
    assert plan.is_gated
    assert plan.licence == "Gemma"
    steps = rf"is gated\. Accept its terms at {hub.url}/{gemma.repo}, .*HF_TOKEN=hf_\.\.\. duologue pull gemma-3-1b"
    with pytest.raises(EngineUnavailable, match=steps):
        client.check_access(plan)
    with pytest.raises(EngineUnavailable, match=steps):
        client.fetch(plan, lambda path, done: None)
    allowed = _client(hub, "hf_good")
    allowed.check_access(plan)
    assert (allowed.fetch(plan, lambda path, done: None) / "gemma-3-1b-it-q4_0.gguf").is_file()


def test_no_room_on_the_disk_is_said_before_the_download(hub: StandInHub) -> None:
    hub.repositories["org/name"].lies["model.safetensors"] = 10**18
    with pytest.raises(EngineUnavailable, match=r"needs 1000000000\.0 GB more in .*, and .* are free: make room"):
        _fetch(hub, _plan(hub))
    assert hub.downloads() == []


def test_pickles_and_code_are_left_out_and_named(hub: StandInHub) -> None:
    hub.repositories["org/name"].files |= {"pytorch_model.bin": WEIGHTS, "modeling_x.py": b"import os"}
    plan = _plan(hub)
    assert {file.path for file in plan.files} == {"config.json", "model.safetensors"}
    assert set(plan.refused) == {"pytorch_model.bin", "modeling_x.py"}
    hub.repositories["org/name"].files = {"pytorch_model.bin": WEIGHTS, "config.json": b"{}"}
    with pytest.raises(
        ConfigError, match=r"org/name cannot be used\. It holds nothing that .*pytorch_model\.bin is a p"
    ):
        _plan(hub)


def test_a_hub_that_names_files_outside_the_folder_gets_nothing_written(hub: StandInHub, tmp_path: Path) -> None:
    hub.repositories["org/name"].files |= {"../../../escaped.json": b"{}", "/tmp/escaped.json": b"{}"}
    folder = _fetch(hub, _plan(hub))
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors"}
    assert not list(tmp_path.rglob("escaped.json"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("org/other", r"org/other is not at .*, or is private: then set HF_TOKEN"),
        ("org/name@v9", r"org/name has no revision 'v9'\."),
    ],
)
def test_what_the_hub_does_not_know_is_one_line(hub: StandInHub, name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        _plan(hub, name)
    assert "\n" not in refused.value.message


def test_a_hub_that_is_away_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(EngineUnavailable, match=r"http://127\.0\.0\.1:9 cannot be reached") as refused:
        Hub(endpoint="http://127.0.0.1:9", waits_s=()).plan(find("org/name"))
    assert "\n" not in refused.value.message


def test_a_folder_that_cannot_be_written_is_one_line(hub: StandInHub, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the cache should be")
    with pytest.raises(DuologueError, match="org/name cannot be kept in") as refused:
        _fetch(hub, _plan(hub))
    assert "\n" not in refused.value.message


def test_two_downloads_of_one_model_do_not_meet(hub: StandInHub) -> None:
    plan = _plan(hub)

    def second(path: str, done: int) -> None:
        with pytest.raises(EngineUnavailable, match="is being downloaded by another process"):
            _fetch(hub, plan)

    assert _client(hub).fetch(plan, second).is_dir()


@pytest.mark.parametrize(
    ("size", "shown"), [(0, "0 B"), (999, "999 B"), (999_600, "1 MB"), (145_216_508, "145 MB"), (9.35e9, "9.3 GB")]
)
def test_sizes_are_shown_as_the_hub_shows_them(size: float, shown: str) -> None:
    assert as_size(size) == shown

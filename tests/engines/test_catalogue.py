from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from duologue import options
from duologue.engines.catalogue import CATALOGUE, Model, at_revision, find, is_pinned
from duologue.engines.model_files import choose, is_whole
from duologue.engines.weights import model_folder
from duologue.errors import ConfigError, EngineUnavailable


def _place(home: Path, model: Model, *paths: str, commit: str = "") -> Path:
    """Put files where a download of the model would put them."""
    storage = home / "hub" / f"models--{model.repo.replace('/', '--')}"
    folder = storage / "snapshots" / (commit or model.revision)
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"x")
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_every_entry_is_usable() -> None:
    assert len({model.name for model in CATALOGUE}) == len({model.repo for model in CATALOGUE}) == len(CATALOGUE)
    for model in CATALOGUE:
        assert find(model.name) is model
        assert find(model.repo) is model
        assert model.size_mb > 0
        assert model.licence
        assert model.what
        assert model.files


@pytest.mark.parametrize("table", [options.WhisperOptions, options.VoxtralOptions, options.LlamaServerOptions])
def test_what_the_settings_name_by_default_is_known(table: type[options.Options]) -> None:
    assert is_pinned(find(table.model_fields["model"].default))


@pytest.mark.parametrize("name", ["kokoro", "kokoro-onnx"])
def test_both_kokoros_are_known(name: str) -> None:
    assert is_pinned(find(name))


def test_a_repository_of_the_catalogue_keeps_its_files_at_another_revision() -> None:
    kokoro = find("kokoro")
    assert find(f"{kokoro.repo}@{kokoro.revision}") is kokoro
    other = find(f"{kokoro.repo}@v2")
    assert (other.revision, other.files) == ("v2", kokoro.files)
    assert not is_pinned(other)


def test_any_repository_is_taken_by_its_name() -> None:
    model = find("some-body/Some.Model_2@refs/pr/7")
    assert (model.repo, model.revision, model.files) == ("some-body/Some.Model_2", "refs/pr/7", ())
    assert find("some-body/model").revision == "main"
    assert at_revision(find("qwen2.5-0.5b"), "a" * 40).name == f"Qwen/Qwen2.5-0.5B-Instruct-GGUF@{'a' * 40}"


@pytest.mark.parametrize(("name", "near"), [("whisper-bse.en", "whisper-base.en"), ("Systran/faster-whisper", "")])
def test_an_unknown_name_is_answered_with_near_ones(name: str, near: str) -> None:
    if "/" in name:
        assert find(name).files == ()
        return
    with pytest.raises(ConfigError, match=rf"There is no model '{re.escape(name)}'\. Near: {re.escape(near)}.* See: "):
        find(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../etc/passwd",
        "../../x",
        "org/../x",
        "org/..",
        "org/name@../../x",
        "org%2Fname",
        "org/na--me",
        "org/name/deeper",
        "org\\name",
        "org/na\0me",
        "/etc/passwd",
        "-org/name",
        "o" * 100_000,
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ConfigError) as refused:
        find(name)
    assert len(refused.value.message) < 400


@pytest.mark.parametrize("revision", ["../main", "a b", "x\n", ""])
def test_an_odd_revision_is_refused(revision: str) -> None:
    with pytest.raises(ConfigError, match="is not a revision"):
        at_revision(find("kokoro"), revision)


def test_a_missing_model_names_the_one_command(home: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"^kokoro is not on this machine: run: duologue pull kokoro$"):
        model_folder("kokoro")
    with pytest.raises(EngineUnavailable, match=r"run: duologue pull org/name@v1$"):
        model_folder("org/name@v1")
    with pytest.raises(EngineUnavailable, match=r"^There is no model at \./nothing\.$"):
        model_folder("./nothing")


def test_a_folder_and_a_file_are_returned_as_they_are(tmp_path: Path) -> None:
    assert model_folder(str(tmp_path)) == tmp_path
    (tmp_path / "chat.gguf").write_bytes(b"GGUF")
    assert model_folder(str(tmp_path / "chat.gguf")) == tmp_path / "chat.gguf"


@pytest.mark.parametrize(
    "set_",
    [
        {},
        {"XDG_CACHE_HOME": "/x/cache"},
        {"HF_HOME": "~/models"},
        {"HUGGINGFACE_HUB_CACHE": "$HOME/a", "HF_HOME": "/x"},
        {"HF_HUB_CACHE": "/b", "HUGGINGFACE_HUB_CACHE": "/a"},
    ],
)
def test_the_cache_is_where_the_hubs_own_library_has_it(set_: dict[str, str]) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING", "XDG_"))}
    code = (
        "from huggingface_hub import constants; from duologue.engines.weights import model_storage;"
        "from duologue.engines.catalogue import find;"
        "print(constants.HF_HUB_CACHE); print(model_storage(find('org/name')))"
    )
    run = subprocess.run([sys.executable, "-c", code], env=clean | set_, check=True, capture_output=True, text=True)
    theirs, ours = run.stdout.splitlines()
    assert ours == f"{theirs}/models--org--name"


def test_looking_for_a_model_does_not_load_the_hubs_library() -> None:
    code = "import sys; from duologue.engines import weights; print([m for m in sys.modules if 'hugging' in m])"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "[]"


def test_a_pinned_model_is_found_when_it_is_whole(home: Path) -> None:
    model = find("whisper-base.en")
    folder = _place(home, model, *model.files[1:])
    with pytest.raises(EngineUnavailable):
        model_folder("whisper-base.en")
    _place(home, model, model.files[0])
    assert model_folder("whisper-base.en") == folder
    assert model_folder(model.repo) == folder


def test_a_link_to_a_blob_that_is_gone_counts_as_missing(home: Path) -> None:
    model = find("qwen2.5-0.5b")
    folder = _place(home, model, "README.md")
    (folder / model.files[0]).symlink_to(home / "gone")
    with pytest.raises(EngineUnavailable):
        model_folder(model.name)


def test_a_branch_is_what_the_cache_remembers_of_it(home: Path) -> None:
    model = find("voxtral-mini-gguf")
    folder = _place(home, model, *model.files, commit="d" * 40)
    with pytest.raises(EngineUnavailable):
        model_folder(model.name)
    (folder.parents[1] / "refs").mkdir()
    (folder.parents[1] / "refs" / "main").write_text("d" * 40)
    assert model_folder(model.name) == folder


@pytest.mark.parametrize(
    ("index", "whole"),
    [
        ('{"weight_map": {"a": "m-1.safetensors"}}', True),
        ('{"weight_map": {"a": "m-2.safetensors"}}', False),
        ("x", False),
    ],
)
def test_every_shard_must_be_there(tmp_path: Path, index: str, whole: bool) -> None:
    (tmp_path / "m-1.safetensors").write_bytes(b"x")
    (tmp_path / "m.safetensors.index.json").write_text(index)
    assert is_whole(tmp_path, ()) is whole


def test_every_part_of_a_split_gguf_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "m-00001-of-00002.gguf").write_bytes(b"x")
    assert not is_whole(tmp_path, ("*.gguf",))
    (tmp_path / "m-00002-of-00002.gguf").write_bytes(b"x")
    assert is_whole(tmp_path, ("*.gguf",))


@pytest.mark.parametrize(
    ("listing", "kept"),
    [
        (["a.safetensors", "config.json", "README.md", "logo.png"], ["a.safetensors", "config.json"]),
        (["a.safetensors", "pytorch_model.bin", "a.pt", "a.pth", "m.py", "t.pkl", "v.npz"], ["a.safetensors"]),
        (["model.bin", "vocabulary.txt", "config.json"], ["model.bin", "vocabulary.txt", "config.json"]),
        (["a.gguf", "model.bin", "config.json"], ["a.gguf", "config.json"]),
        (["onnx/model.onnx", "voices/af_heart.bin", "voices/x.bin"], ["onnx/model.onnx", "voices/af_heart.bin"]),
        (["model.safetensors", "consolidated.safetensors"], ["model.safetensors"]),
        (["a.onnx", "../a.onnx", "/a.onnx", "b/../../a.onnx", "c:a.onnx", "d\\a.onnx"], ["a.onnx"]),
    ],
)
def test_only_formats_that_cannot_run_code_are_chosen(listing: list[str], kept: list[str]) -> None:
    assert choose(listing, ())[0] == kept


def test_no_pattern_brings_a_pickle_back() -> None:
    kept, refused = choose(["a.gguf", "a.pt"], ("a.*",))
    assert kept == ["a.gguf"]
    assert "pickle" in refused["a.pt"]


@pytest.mark.parametrize(
    ("listing", "patterns", "said"),
    [
        (["pytorch_model.bin", "config.json"], (), "pytorch_model.bin is a pickle"),
        (["README.md"], (), "no weights in safetensors"),
        (["a-q4.gguf", "a-q8.gguf", "mmproj.gguf"], (), "2 GGUF variants"),
        (["a.gguf"], ("a*", "b*"), r"no file that may be fetched and matches b\*\."),
        (["a.json"], ("a*",), "no weights in safetensors"),
    ],
)
def test_a_repository_without_a_clear_choice_says_why(listing: list[str], patterns: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        choose(listing, patterns)

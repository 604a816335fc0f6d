"""Settings: where they come from, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from duologue.config import DEFAULT_PORT, load_profile, load_settings, profile_names
from duologue.errors import ConfigError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_defaults() -> None:
    settings = load_settings({})
    assert (settings.host, settings.port, settings.profile) == ("127.0.0.1", DEFAULT_PORT, "embedded")


def test_a_flag_comes_before_the_environment_and_that_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("duologue.toml").write_text('port = 1\nmax_sessions = 2\nllm = "http://a/v1"\n', encoding="utf-8")
    monkeypatch.setenv("DUOLOGUE_PORT", "3")
    monkeypatch.setenv("DUOLOGUE_MAX_SESSIONS", "4")
    settings = load_settings({"port": 5, "max_sessions": None})
    assert (settings.port, settings.max_sessions, settings.llm) == (5, 4, "http://a/v1")


def test_an_unknown_key_in_the_file_is_named() -> None:
    Path("duologue.toml").write_text("prot = 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"'prot'.*Known settings: host"):
        load_settings({})


def test_an_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_PROT", "1")
    with pytest.raises(ConfigError, match="DUOLOGUE_PROT"):
        load_settings({})


def test_a_file_that_is_no_toml_is_named() -> None:
    Path("duologue.toml").write_text("port = = 1", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"duologue\.toml is not valid TOML"):
        load_settings({})


@pytest.mark.parametrize(("name", "value"), [("port", 70_000), ("max_sessions", 0), ("log_level", "loud")])
def test_a_value_that_cannot_be_is_named(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"'{name}'"):
        load_settings({name: value})


def test_profiles() -> None:
    assert profile_names() == ["embedded", "scripted"]
    assert load_profile("scripted").turns.silence_ms == 500
    with pytest.raises(ConfigError, match="Profiles: embedded, scripted"):
        load_profile("../embedded")

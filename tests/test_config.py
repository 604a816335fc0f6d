"""Settings: where they come from, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from duologue.config import DEFAULT_PORT, load_profile, load_settings, profile_names, read_options, setup_of
from duologue.errors import ConfigError
from duologue.options import WhisperOptions


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
    assert profile_names() == ["cascade", "cpu", "embedded", "remote", "scripted", "voxtral", "voxtral-vllm"]
    assert load_profile("scripted").turns.silence_ms == 500
    with pytest.raises(ConfigError, match="Profiles: cascade, cpu, embedded"):
        load_profile("../embedded")


def test_a_stage_can_be_set_alone() -> None:
    setup = setup_of(load_settings({"profile": "cascade", "asr": "moonshine"}))
    assert (setup.engines.asr, setup.engines.tts) == ("moonshine", "kokoro")


def test_options_come_from_the_profile_then_the_file_then_the_environment_then_flags(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "duologue.toml").write_text('[whisper]\nmodel = "a"\nbatch = 3\nbeam_size = 4\n')
    monkeypatch.setenv("DUOLOGUE_WHISPER__MODEL", "b")
    monkeypatch.setenv("DUOLOGUE_WHISPER__BATCH", "5")
    flags = read_options(["whisper.model=c"])
    whisper = setup_of(load_settings({"profile": "cascade", **flags})).tables["whisper"]
    assert whisper == WhisperOptions(model="c", batch=5, beam_size=4, device="cuda")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"whisper": {"modle": "x"}}, "Unknown setting 'whisper.modle'. whisper has: model, device"),
        ({"whisper": {"beam_size": "0"}}, "whisper.beam_size"),
        ({"chat": "speech"}, "there is no model that hears"),
        ({"speech": "voxtral", "chat": "builtin"}, "neither asr nor chat uses it"),
        ({"profile": "cascade", "kokoro": {"backend": "onnx"}}, r"\[kokoro\] backend onnx runs on the CPU"),
        ({"voxtral": {"device": "cpu", "cuda_graphs": "on"}}, "they exist on a GPU only"),
        ({"voxtral": {"attention": "flash"}}, "'grouped' or 'sdpa'"),
        ({"whisper": {"device": "cpu", "compute_type": "float16"}}, "float16 needs a GPU"),
    ],
)
def test_choices_that_cannot_work_are_refused(flags: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        setup_of(load_settings(flags))


@pytest.mark.parametrize("option", ["whisper", "whisper.model", "whisper=x", "nonesuch.model=x", ".=x"])
def test_an_option_that_is_written_wrongly_is_refused(option: str) -> None:
    with pytest.raises(ConfigError, match=r"table\.option=value"):
        read_options([option])


def test_a_model_that_hears_can_be_left_out() -> None:
    engines = setup_of(load_settings({"profile": "voxtral", "speech": "none"})).engines
    assert (engines.speech, engines.asr, engines.chat, engines.tts) == (None, "moonshine", "auto", "kokoro")
    assert not engines.hears


def test_a_model_that_hears_can_be_put_in_alone() -> None:
    engines = setup_of(load_settings({"speech": "voxtral"})).engines
    assert (engines.asr, engines.chat, engines.hears) == ("moonshine", "speech", True)

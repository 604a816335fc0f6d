"""What does a setup need, and does this machine have it?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from duologue.cli.suits import NOT_OFFERED, best_profile, suits
from duologue.config import Setup, load_profile, load_settings, profile_names, setup_of, table_names
from duologue.engines import registry
from duologue.engines.fit import needs_of, problems_of, require
from duologue.engines.machine import Gpu, Machine, find_gpu, read_gpu
from duologue.errors import ConfigError, EngineUnavailable

LAPTOP = Machine(cores=2, memory_mib=16_000, gpu=None, python="3.11")
BIG = Machine(16, 128_000, Gpu("NVIDIA H200", 143_771, 143_000, "580"), "3.11")
SMALL_CARD = Machine(8, 32_000, Gpu("RTX 3060", 12_288, 12_000, "580"), "3.11")


def a_setup(profile: str, **settings: Any) -> Setup:
    return setup_of(load_settings({"profile": profile, **settings}))


def fatal(setup: Setup, machine: Machine) -> list[str]:
    return [f"{p.what}. {p.remedy}" for p in problems_of(needs_of(setup, machine), machine) if p.is_fatal]


def test_the_embedded_profile_needs_nothing() -> None:
    assert needs_of(a_setup("embedded"), LAPTOP) == []


@pytest.mark.parametrize("profile", profile_names())
def test_every_engine_of_a_profile_is_registered_and_every_table_exists(profile: str) -> None:
    loaded = load_profile(profile)
    for stage, names in loaded.engines:
        for name in (names or "").split(","):
            assert not name or name.strip() in registry.names(stage)
    assert set(loaded.model_extra or {}) <= set(table_names())


@pytest.mark.parametrize("key", registry.MAKERS)
def test_every_engine_can_be_made_with_its_options(key: str) -> None:
    stage, name = key.split(".", 1)
    pytest.importorskip("torch") if name in {"voxtral", "kokoro"} else None
    engine = registry.make(stage, name, a_setup("embedded"))
    assert engine.name
    assert hasattr(engine, "step") != hasattr(engine, "stream")


def test_a_missing_model_names_the_one_command() -> None:
    told = fatal(a_setup("cpu"), LAPTOP)
    assert any("duologue pull qwen2.5-1.5b" in line for line in told)
    assert any("duologue pull kokoro-onnx" in line for line in told)
    with pytest.raises(EngineUnavailable, match="duologue pull"):
        require(a_setup("cpu"), LAPTOP)


def test_a_model_in_a_folder_is_not_missing(tmp_path: Path) -> None:
    assert not any(
        "pull" in line for line in fatal(a_setup("embedded", asr="whisper", whisper={"model": str(tmp_path)}), BIG)
    )


def test_no_gpu_is_told_with_what_it_is_wanted_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"wants a GPU \(voxtral .* GiB, kokoro .*--profile embedded"):
        require(a_setup("voxtral", voxtral={"model": str(tmp_path)}, kokoro={"model": str(tmp_path)}), LAPTOP)


def test_a_model_larger_than_the_card_is_refused_with_the_sum(tmp_path: Path) -> None:
    setup = a_setup("voxtral", voxtral={"model": str(tmp_path)}, kokoro={"model": str(tmp_path)})
    with pytest.raises(ConfigError, match=r"RTX 3060 has 12.0 GiB.*voxtral.conversations"):
        require(setup, SMALL_CARD)


def test_fewer_conversations_want_less_memory(tmp_path: Path) -> None:
    setups = [a_setup("voxtral", voxtral={"model": str(tmp_path), "conversations": n}) for n in (16, 2)]
    many, few = (needs_of(setup, BIG)[0].gpu_mib for setup in setups)
    # 4,096 tokens of 122,880 bytes each, in 18 rows and in 3.
    assert many - few == 15 * 4_096 * 122_880 // 2**20


def test_a_card_in_use_is_told(tmp_path: Path) -> None:
    busy = Machine(16, 128_000, Gpu("NVIDIA H200", 143_771, 2_000, "580"), "3.11")
    told = fatal(a_setup("voxtral", voxtral={"model": str(tmp_path)}, kokoro={"model": str(tmp_path)}), busy)
    assert any("only 2.0 GiB are free" in line for line in told)


def test_whisper_on_a_cpu_is_advised_against_and_runs(tmp_path: Path) -> None:
    setup = a_setup("embedded", asr="whisper", whisper={"model": str(tmp_path)})
    problems = problems_of(needs_of(setup, LAPTOP), LAPTOP)
    assert [(p.is_fatal, "30 s" in p.remedy) for p in problems] == [(False, True)]
    require(setup, LAPTOP)


def test_a_program_that_is_missing_is_told(tmp_path: Path) -> None:
    told = fatal(
        a_setup("embedded", chat="llama-server", llama_server={"binary": "nonesuch", "model": str(tmp_path)}), LAPTOP
    )
    assert any("nonesuch is not on this machine" in line for line in told)


@pytest.mark.parametrize(
    ("machine", "profile"),
    [(LAPTOP, "embedded"), (Machine(8, 32_000, None, ""), "cpu"), (SMALL_CARD, "cascade"), (BIG, "voxtral")],
)
def test_which_profile_suits(machine: Machine, profile: str) -> None:
    assert best_profile(machine) == profile


def test_the_doctor_knows_every_profile_for_talking() -> None:
    found = suits(LAPTOP)
    assert {suit.profile for suit in found} == set(profile_names()) - NOT_OFFERED
    by_name = {suit.profile: suit for suit in found}
    assert by_name["embedded"].is_ready
    assert not by_name["voxtral"].is_ready
    assert any("127.0.0.1:8000" in step for step in by_name["remote"].steps)


def test_a_card_is_read_as_the_driver_prints_it() -> None:
    line = "NVIDIA H200, 143771, 143000, 580.65.06\nNVIDIA H200, 1, 1, 580.65.06\n"
    assert read_gpu(line) == Gpu("NVIDIA H200", 143_771, 143_000, "580.65.06")
    assert read_gpu("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.") is None
    assert find_gpu("no-such-program") is None

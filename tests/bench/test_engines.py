"""The bench of engines: it counts what it says it counts, and says what it could not measure."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import msgspec
import numpy as np
import pytest

from duologue.bench.engines.cases import ANSWER_TOKENS, a_turn, cases_of
from duologue.bench.engines.floors import Peaks, first_output_floor_ms, floor_ms, peaks_of, whisper_gflop
from duologue.bench.engines.measure import measure
from duologue.bench.engines.run import STAGES, EngineReport, carry_out, whisper_size
from duologue.config import load_settings, setup_of
from duologue.engines.base import SpeechDelta, SpeechRequest
from duologue.engines.scripted import ScriptedSpeech, ScriptedSynthesizer, ScriptedTranscriber
from duologue.errors import ConfigError, EngineError

pytestmark = pytest.mark.anyio
TURN = np.zeros(16_000, np.float32)


async def test_delays_and_rates_are_those_of_the_engine() -> None:
    voice = ScriptedSynthesizer(phrase_s=2.0, first_s=0.05)
    figures = await measure("tts", voice, TURN, [1, 4], lambda _: None)
    alone, four = figures.cases[0].batches
    assert alone.first_ms.p50 is not None
    assert alone.first_ms.p50 >= 50
    # Two seconds of speech in each 50 ms; four at once wait together.
    assert 4 < alone.rate <= 40
    assert four.rate > 2 * alone.rate
    assert alone.failures == four.failures == 0


async def test_what_comes_before_a_turn_is_sent_and_not_measured() -> None:
    asked: list[SpeechRequest] = []

    class Slow(ScriptedSpeech):
        @asynccontextmanager
        async def stream(self, request: SpeechRequest) -> AsyncIterator[AsyncIterator[SpeechDelta]]:
            asked.append(request)
            if request.wants == "nothing":
                await anyio.sleep(0.2)
            async with super().stream(request) as deltas:
                yield deltas

    figures = await measure("speech", Slow(), TURN, [1], lambda _: None)
    kept = figures.cases[1].batches[0]
    assert kept.first_ms.p50 is not None
    assert kept.first_ms.p50 < 200
    measured = [request for request in asked if request.wants != "nothing"]
    assert all(request.messages[-1].audio is not None for request in measured)
    prepared = {request.conversation for request in asked if request.wants == "nothing"}
    assert prepared < {request.conversation for request in measured}


async def test_requests_that_fail_are_counted() -> None:
    def fail(_request: Any) -> str:
        raise EngineError("as asked")

    figures = await measure("asr", ScriptedTranscriber(hear=fail), TURN, [2], lambda _: None)
    alone = figures.cases[0].batches[0]
    assert alone.failures >= 6
    assert (alone.first_ms.n, alone.rate) == (0, 0.0)


async def test_what_cannot_run_is_said_and_the_rest_is_measured() -> None:
    setup = setup_of(load_settings({"profile": "scripted", "asr": "whisper", "whisper": {"model": "whisper-tiny"}}))
    report = await carry_out(setup, ["asr", "chat"], [1], random_weights=False, told=lambda _: None)
    assert "duologue pull whisper-tiny" in report.missing["asr.whisper"]
    assert [figures.engine for figures in report.engines] == ["scripted-chat"]


async def test_every_stage_has_cases() -> None:
    turn = await a_turn()
    assert 2 < len(turn) / 16_000 < 8
    for stage in STAGES:
        for case in cases_of(stage, turn):
            assert case.ask("key") is not None
    answers = [case.ask("key") for case in cases_of("speech", turn)]
    assert {request.max_tokens for request in answers if isinstance(request, SpeechRequest)} == {ANSWER_TOKENS}


def test_a_floor_is_the_longer_of_arithmetic_and_memory() -> None:
    h200 = Peaks(device="cuda:0", gflops=600_000, gb_per_s=4_000)
    assert floor_ms(600, 1, h200) == pytest.approx(1.0)
    assert floor_ms(1, 4, h200) == pytest.approx(1.0)
    assert first_output_floor_ms("speech", "voxtral", "", 0, h200) == pytest.approx(8.08, abs=0.01)
    assert first_output_floor_ms("chat", "builtin", "", 0, h200) is None


def test_the_encoder_of_whisper_costs_what_its_shape_says() -> None:
    # 12 layers of 768: 255 GFLOP of projections and 83 of attention.
    assert whisper_gflop("whisper-small.en") == pytest.approx(338, abs=2)
    assert whisper_gflop("nonesuch") is None


def test_peaks_are_measured() -> None:
    here = peaks_of("cpu")
    assert here.gflops > 0.1
    assert here.gb_per_s > 0.1


@pytest.mark.parametrize(("model", "size"), [("whisper-base.en", "base"), ("whisper-large-v3", "large-v3")])
def test_the_size_of_a_whisper_is_in_its_name(model: str, size: str) -> None:
    assert whisper_size(model) == size
    with pytest.raises(ConfigError):
        whisper_size("/somewhere")


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "duologue.cli.main", "bench", "engines", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.timeout(90)
def test_the_command_prints_a_table_and_writes_the_figures(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = _command("--profile", "scripted", "--stages", "asr,tts", "--at-once", "1,2", "--json", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    assert "asr.scripted-asr" in done.stdout
    report = msgspec.json.decode(file.read_bytes(), type=EngineReport)
    assert [[b.at_once for b in case.batches] for e in report.engines for case in e.cases] == [[1, 2]] * 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--stages", "ears"), "--stages wants some of vad"),
        (("--at-once", "0"), "--at-once wants numbers"),
        (("--json", "/no/such/folder/x.json"), "cannot be written"),
        (("--set", "whisper"), "table.option=value"),
    ],
)
def test_options_that_cannot_work_are_one_line(arguments: tuple[str, ...], said: str) -> None:
    done = _command(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr

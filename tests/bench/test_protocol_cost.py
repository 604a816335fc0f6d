"""``duologue bench wire``: what is timed does the same work, and the figures are shown."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import anyio
import msgspec
import pytest

from duologue.bench.protocol_cost import (
    Case,
    append_frame,
    json_in,
    json_out,
    measure,
    plain_cases,
    protocol_for,
    reply_audio,
    sdk_cases,
)
from duologue.bench.socket_cost import Feed, cpu_s, measure_sockets
from duologue.bench.wire import WireError
from duologue.bench.wire_report import WireReport
from duologue.cli.bench_wire import SERVERS
from duologue.events import AppendAudio

ROOT = Path(__file__).parent.parent.parent
needs_process_clocks = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells another's CPU time so")


def _sdk_python() -> str | None:
    beside = ROOT / ".venv-sdk" / "bin" / "python"
    if named := os.environ.get("DUOLOGUE_SDK_PYTHON"):
        return named
    if beside.is_file():
        return str(beside)
    return sys.executable if find_spec("openai") else None


def _taking(durations: Iterable[float]) -> Callable[[int], float]:
    left = iter(durations)
    return lambda _count: next(left)


def test_ours_and_json_read_the_same_sound() -> None:
    told = protocol_for("pcm16").receive(append_frame("pcm16")).told[0]
    assert isinstance(told, AppendAudio)
    assert told.pcm == json_in(append_frame("pcm16"))
    assert len(told.pcm) == 2 * 24_000 * 20 // 1000


@pytest.mark.parametrize("law", ["mulaw", "alaw"])
def test_ours_decodes_the_telephones_sound(law: str) -> None:
    told = protocol_for(law).receive(append_frame(law)).told[0]  # type: ignore[arg-type]
    assert isinstance(told, AppendAudio)
    assert (told.rate_hz, len(told.pcm)) == (8_000, 2 * len(json_in(append_frame(law))))  # type: ignore[arg-type]


def test_ours_and_json_write_the_same_event() -> None:
    ours = msgspec.json.decode(protocol_for("pcm16").send(reply_audio())[0])
    plain = msgspec.json.decode(json_out(reply_audio().pcm))
    assert ours.pop("event_id") != plain.pop("event_id")
    assert ours == plain
    assert base64.b64decode(ours["delta"]) == reply_audio().pcm


def test_every_way_is_timed_in_every_round() -> None:
    ours = Case(frame="in pcm16", by="duologue", batch=_taking([90.0, 4.0, 1.0, 3.0]))
    plain = Case(frame="in pcm16", by="json", batch=_taking([90.0, 6.0, 6.0, 7.0]))
    first, second = measure([ours, plain], 3)
    # What the first round took, which warms up, is nowhere.
    assert (first.least_us, first.median_us, first.to_json) == (1.0, 3.0, 0.5)
    assert (second.median_us, second.to_json) == (6.0, 1.0)
    assert (first.goal_us, second.goal_us) == (60.0, None)


def test_both_ways_of_all_formats_are_timed() -> None:
    frames = {case.frame for case in plain_cases()}
    assert frames == {f"{way} {sound}" for way in ("in", "out") for sound in ("pcm16", "mulaw", "alaw")}
    assert all(case.batch(2) > 0 for case in plain_cases())


@pytest.mark.skipif(_sdk_python() is None, reason="the SDK is not installed: make .venv-sdk/.installed")
def test_the_sdks_types_are_timed_where_the_sdk_is() -> None:
    with sdk_cases(_sdk_python() or "") as (cases, version):
        assert version.startswith("openai ")
        assert [case.frame for case in cases] == ["in pcm16"] * 2 + ["out pcm16"] * 2
        assert all(case.batch(2) > 0 for case in cases)


def test_without_the_sdk_it_is_said_how_to_have_it(tmp_path: Path) -> None:
    # A Python that sees no packages.
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    bare.chmod(0o755)
    with sdk_cases(str(bare)) as (cases, why):
        assert cases == []
        assert "pip install openai" in why
        assert "--sdk-python" in why
    with sdk_cases(str(tmp_path / "nothing")) as (cases, why):
        assert (cases, why) == ([], f"{tmp_path}/nothing cannot be run: No such file or directory")


@needs_process_clocks
@pytest.mark.timeout(90)
def test_whole_servers_are_used_alike() -> None:
    commands = {name: [sys.executable, "-m", "duologue.cli.socket_servers", name, "0.4"] for name in SERVERS}
    feed = Feed(callers=2, seconds=0.2, rounds=1, settle_s=0.02)
    costs = anyio.run(partial(measure_sockets, commands, feed))
    assert [(cost.way, cost.server) for cost in costs] == [(way, name) for way in ("in", "out") for name in SERVERS]
    assert {cost.frames for cost in costs if cost.way == "in"} == {2 * 10}
    assert {cost.frames for cost in costs if cost.way == "out"} == {2 * 4}
    assert all(cost.least_us > 0 for cost in costs)


@needs_process_clocks
def test_the_clock_of_a_process_is_the_one_that_it_sees_itself() -> None:
    before_s = cpu_s(os.getpid())
    sum(range(100_000))
    assert before_s < cpu_s(os.getpid())
    with pytest.raises(WireError, match="--no-sockets"):
        cpu_s(2**22 + 1)


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "duologue.cli.main", "bench", "wire", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.timeout(60)
def test_the_command_prints_a_table_and_writes_the_figures(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = _command("--rounds", "1", "--no-sockets", "--json", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    assert "in pcm16" in done.stdout
    assert "no figures of whole servers: not asked for" in done.stdout
    report = msgspec.json.decode(file.read_bytes(), type=WireReport)
    ours = {cost.frame: cost.to_json for cost in report.protocol if cost.by == "duologue"}
    assert len(ours) == 6
    assert all(ours.values())


def test_a_file_that_cannot_be_written_is_one_line() -> None:
    done = _command("--json", "/no/such/folder/x.json")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr

"""Figures from made-up runs: percentiles, the report, its table, JSON and picture."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from duologue.bench.caller import Call
from duologue.bench.crowd import Outcome
from duologue.bench.footprint import Usage
from duologue.bench.peers import load_peers
from duologue.bench.plots import draw, require_drawable
from duologue.bench.report import BESIDE, SCHEMA, Report, RunReport, faults, make_report, report_run
from duologue.bench.run import Newcomers, Run
from duologue.bench.stats import percentile, summarise
from duologue.bench.table import render
from duologue.bench.timeline import Answer, Interruption, Take, TurnLog
from duologue.errors import ConfigError


def turn(start_at: float, delay_s: float | None) -> TurnLog:
    """Two seconds of speech, answered ``delay_s`` after its end, or not at all."""
    end_at = start_at + 2.0
    log = TurnLog(clip="a", text="two people", baseline_text="two", speech_start_at=start_at, speech_end_at=end_at)
    if delay_s is not None:
        heard = Take(item_id="i", speech_stopped_at=end_at + 0.1, transcript_at=end_at + 0.2)
        heard.transcript = "Two people."
        log.takes.append(heard)
        sounds_at = end_at + delay_s
        log.answers.append(
            Answer(
                response_id="r",
                created_at=end_at + 0.15,
                first_delta_at=sounds_at,
                plays_at=sounds_at,
                audible_at=sounds_at,
                play_ends_at=sounds_at + 1,
            )
        )
    return log


def made_up(
    delays_s: list[float | None], *, late_ms: float = 1.0, callers: int = 1, server: str = "", **more: object
) -> RunReport:
    logs = [turn(10.0 * number, delay_s) for number, delay_s in enumerate(delays_s)]
    call = Call(duration_s=60.0, late_ms=[late_ms] * 100)
    outcome = Outcome(turns=logs, call=call, interruptions=[Interruption(onset_at=1.0, silent_at=1.2)], **more)  # type: ignore[arg-type]
    usage = Usage(cpu_ms_per_session_second=12.5, memory_peak_mib=200.0, memory_mib_per_session=3.0)
    run = Run(
        callers=callers,
        turns_planned=len(logs),
        outcomes=[outcome],
        usage=usage,
        newcomers=Newcomers(connect_ms=[3.0, 4.0], refused=1),
    )
    return report_run(run, server)


def whole(*runs: RunReport) -> Report:
    return make_report(runs, options={"turns": 4}, connections_ms=[1.0, 2.0, 3.0], notes=["a note"])


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 5.0), (0.9, 9.0), (0.95, 10.0), (0.99, 10.0), (1.0, 10.0), (0.01, 1.0)]
)
def test_percentiles_are_measured_values(share: float, value: float) -> None:
    assert percentile([float(n) for n in range(1, 11)], share) == value


def test_a_summary_of_nothing_says_so() -> None:
    assert summarise([None, None]).n == 0
    assert summarise([3.0, None, 1.0]).n == 2


def test_a_run_in_figures() -> None:
    report = made_up([0.4, 0.5, 0.6, None])
    assert (report.turns_answered, report.turns_unanswered) == (3, 1)
    assert report.voice_to_voice_ms.p50 == pytest.approx(500, abs=0.1)
    assert report.voice_to_voice_ms.n == 3
    assert report.endpointing_ms.p95 == pytest.approx(100, abs=0.1)
    assert report.interruption_stop_ms.p50 == pytest.approx(200, abs=0.1)
    assert (report.cut_offs.turns, report.cut_offs.cut, report.cut_offs.rate) == (4, 0, 0.0)
    assert report.word_errors.wer == 0.0
    assert report.word_errors_beside_baseline == report.word_errors
    assert report.baseline_word_errors.wer == 0.5


def test_faults_in_words() -> None:
    assert faults(made_up([0.4])) == []
    bad = made_up([0.4, None], late_ms=30.0, refused="503: full", complaints=["x: y", "x: y"])
    assert faults(bad) == [
        "1 of 2 turns were not answered",
        "a caller was turned away: 503: full",
        "the server complained (2x): x: y",
        "not valid: the callers themselves were late (p95 30 ms); this machine is too busy to tell",
    ]


def test_the_json_is_versioned_and_says_what_it_was_measured_on() -> None:
    data = json.loads(whole(made_up([0.4, 0.5])).to_json())
    assert data["schema"] == SCHEMA
    assert data["machine"]["cpus"] >= 1
    assert data["machine"]["python"]
    assert data["connection_ms"]["p50"] == 2.0
    assert data["runs"][0]["turns"][0]["waterfall"]["voice_to_voice_ms"] == pytest.approx(400, abs=0.1)


def test_the_table_has_every_figure() -> None:
    out = io.StringIO()
    Console(file=out, width=120).print(render(whole(made_up([0.4, 0.5]), made_up([0.7, None]))))
    text = out.getvalue()
    for words in (
        "voice to voice",
        "400 / 500",
        "false cut-offs",
        "12.5",
        "1 of 2 turns were not answered",
        "a note",
    ):
        assert words in text


def test_a_run_without_any_answer_can_be_shown_and_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra 'bench' is not installed")
    report = whole(made_up([None]))
    Console(file=io.StringIO()).print(render(report))
    draw(report, tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").read_text().lstrip().startswith("<?xml")


def test_the_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra 'bench' is not installed")
    draw(whole(made_up([0.4, 0.5]), made_up([0.7, None])), tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match="cannot be written"):
        draw(whole(made_up([0.4])), tmp_path / "plot.nonsense")


def test_each_run_is_set_beside_the_first_of_its_server() -> None:
    runs = (
        made_up([0.5]),
        made_up([0.4], server=BESIDE),
        made_up([0.53], callers=8, late_ms=30.0),
        made_up([0.9], callers=8, server=BESIDE),
    )
    report = whole(*runs)
    assert [run.p95_over_first_ms for run in report.runs] == pytest.approx([0, 0, 30, 500])
    console = Console(file=io.StringIO(), width=200)
    console.print(render(report))
    assert isinstance(console.file, io.StringIO)
    table = console.file.getvalue()
    assert "8 (!)" in table
    assert "8 beside" in table
    assert "+500" in table
    assert "3.0 / 4.0 (n=2), 1 refused" in table


def test_the_curves_have_other_servers_points_where_the_rule_is_known(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra 'bench' is not installed")
    runs = (made_up([0.58]), made_up([0.6], callers=32), made_up([0.7], callers=32, server=BESIDE))
    draw(make_report(runs, options={}, connections_ms=[], notes=[], rule_ms=500.0), tmp_path / "curve.svg")
    drawn = (tmp_path / "curve.svg").read_text()
    draw(make_report(runs, options={}, connections_ms=[], notes=[]), tmp_path / "plain.svg")
    assert len(drawn) > len((tmp_path / "plain.svg").read_text())


def test_peers_figures_come_with_their_source() -> None:
    peers = load_peers()
    assert "500 ms rule" in peers.source
    assert {peer.name for peer in peers.server} >= {"pipecat 1.14", "livekit-agents 1.8.9", "bare loop"}
    for peer in peers.server:
        assert len(peer.callers) == len(peer.over_p50_ms) == len(peer.over_p95_ms) == len(peer.cpu_ms)
        assert peer.holds in peer.callers


def test_without_matplotlib_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match="pip install"):
        require_drawable(Path("figures.svg"))

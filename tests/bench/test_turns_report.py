"""The report of the benchmark of conversation: what is promised, its tables, JSON and pictures."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from duologue.bench.crowd import Outcome
from duologue.bench.machine import this_machine
from duologue.bench.report import RunReport, report_run
from duologue.bench.run import Run
from duologue.bench.stats import Summary, summarise
from duologue.bench.turns.calls import Attempts
from duologue.bench.turns.curve import Curve, Setting
from duologue.bench.turns.figures import Alone, Effect, Interruptions, Remembered
from duologue.bench.turns.plots import draw, require_folder
from duologue.bench.turns.report import SCHEMA, CurveSet, Part, TurnsReport, TurnsUnder
from duologue.bench.turns.table import render
from duologue.bench.wire import ServerEvent
from duologue.errors import ConfigError
from tests.bench.test_report import turn

NONE = Summary(n=0)


def effect(kind: str, **counts: int) -> Effect:
    return Effect(
        kind=kind,
        source="recorded",
        n=sum(counts.values()),
        counts=counts,
        unusable=0,
        seconds=10.0,
        silent_ms=summarise([150.0]),
        lowered_ms=NONE,
        verdicts={"backchannel": 3},
    )


def curve(detector: str, *settings: tuple[float, float]) -> Curve:
    """Of (share of pauses cut, mean wait in ms)."""
    return Curve(detector, [Setting("", share, wait, wait, wait) for share, wait in settings])


def spoken(*delays_s: float) -> RunReport:
    logs = [turn(10.0 * number, delay_s) for number, delay_s in enumerate(delays_s)]
    for log in logs:
        log.pauses = [(log.speech_start_at + 0.5, log.speech_start_at + 1.0)]
    return report_run(Run(callers=1, turns_planned=len(logs), outcomes=[Outcome(turns=logs)]))


def report(**given: object) -> TurnsReport:
    return TurnsReport(made_at="now", machine=this_machine(), options={"callers": 1}, is_plain=False, **given)  # type: ignore[arg-type]


def whole(*, stopped: int = 0, duck_ms: float = 80.0, unheard: int = 0, ours: float = 0.1) -> TurnsReport:
    return report(
        curves=[
            CurveSet(
                what="recordings",
                pauses=100,
                ends=50,
                curves=[
                    curve("silence", (0.6, 200), (0.5, 300), (0.05, 900)),
                    curve("model", (0.3, 290), (0.1, 500)),
                    curve("ours", (ours, 295), (0.05, 400)),
                ],
            )
        ],
        turns=[TurnsUnder(what="recorded, quiet room", run=spoken(0.3, 0.35, 0.5))],
        backchannels=[effect("backchannel", ignored=20 - stopped, stopped=stopped)],
        noise=[effect("cough", held=3, cut=1)],
        noise_an_hour=36.0,
        alone=[Alone(kind="keys", n=2, seconds=10.0, onsets=1, turns=0, answers=0)],
        interruptions=Interruptions(
            n=20,
            missed=1,
            unusable=0,
            duck_ms=summarise([duck_ms] * 19),
            silence_ms=summarise([200.0] * 19),
            verdict_ms=summarise([350.0] * 19),
            verdicts={"interruption": 19},
            by_words={"stop": "9 of 10", "no": "10 of 10"},
        ),
        remembered=[
            Remembered(
                account="clock",
                n=19,
                with_unheard=min(1, unheard),
                unheard_words=unheard,
                lost_words=2,
                not_a_beginning=0,
                not_told=0,
                by={"synthesizer": 19},
            )
        ],
        parts=[
            Part(
                name="noise",
                talked_s=60.0,
                caller_late_ms=summarise([1.0]),
                troubles={"boom: no": 2},
                attempts=attempts(),
            )
        ],
    )


def attempts() -> Attempts:
    """As they are told, one by one."""
    found = Attempts()
    for is_kept, level, compute_ms in ((True, "sound", 400.0), (True, "text", 300.0), (False, "words", 150.0)):
        event = ServerEvent(type="duologue.attempt.ended", kept=is_kept, level=level, compute_ms=compute_ms)
        found.on_event(event)
    found.on_event(ServerEvent(type="response.created"))
    return found


def kept(made: TurnsReport) -> dict[str, bool | None]:
    return {check.promise.split(":")[0]: check.is_kept for check in made.checks()}


def test_every_promise_is_kept_where_it_is() -> None:
    assert set(kept(whole()).values()) == {True}
    assert len(whole().checks()) == 9


@pytest.mark.parametrize(
    ("made", "missed"),
    [
        (whole(stopped=2), "backchannels that stop an answer"),
        (whole(duck_ms=130.0), "interruption to lowered p95"),
        (whole(unheard=1), "unheard words in history"),
        (whole(ours=0.25), "pauses cut at a mean wait of 300 ms, recordings"),
    ],
)
def test_a_promise_that_is_missed_is_told(made: TurnsReport, missed: str) -> None:
    assert [promise for promise, is_kept in kept(made).items() if not is_kept] == [missed]


def test_what_was_not_measured_is_neither() -> None:
    assert report().checks() == []
    assert kept(report(noise=[effect("cough")])) == {"noises that stop an answer for good": None}


def test_a_client_of_the_plain_protocol_is_not_promised_that_answers_are_lowered() -> None:
    plain = TurnsReport(
        made_at="now",
        machine=this_machine(),
        options={},
        is_plain=True,
        interruptions=whole().interruptions,
    )
    assert "interruption to lowered p95" not in kept(plain)
    assert "interruption to silence p95" in kept(plain)


def test_the_tables_have_every_figure_and_every_trouble() -> None:
    out = io.StringIO()
    Console(file=out, width=200).print(render(whole(stopped=2)))
    text = out.getvalue()
    for words in (
        "100 pauses, 50 ends",
        "10.0%",
        "400 ms",
        "350 / 500 (n=3)",
        "together",
        "an hour of noise over answers: 36.0",
        "200 / 200 (n=19)",
        "19 synthesizer",
        "2 of 20",
        "MISSED",
        "noise: 2x boom: no",
        "noise: 2 of 3 attempts at an answer kept (1 sound, 1 text, 1 words); engine time 0.7 s on those kept, 0.1 s",
    ):
        assert words in text, words


def test_an_empty_report_can_be_shown_and_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra 'bench' is not installed")
    Console(file=io.StringIO()).print(render(report()))
    assert draw(report(), tmp_path / "plots") == []


def test_the_json_is_versioned_and_whole() -> None:
    data = json.loads(whole().to_json())
    assert data["schema"] == SCHEMA
    assert data["curves"][0]["curves"][2]["detector"] == "ours"
    assert data["interruptions"]["by_words"]["stop"] == "9 of 10"
    assert data["turns"][0]["run"]["voice_to_voice_ms"]["n"] == 3


def test_the_pictures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra 'bench' is not installed")
    drawn = draw(whole(), tmp_path / "plots")
    assert [path.name for path in drawn] == ["curve.svg", "overlaps.svg", "interruptions.svg"]
    assert all(path.read_text().lstrip().startswith("<?xml") for path in drawn)


def test_where_nothing_can_be_drawn_it_is_said_before_the_bench(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"not \.xyz"):
        require_folder(tmp_path, ".xyz")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made"):
        require_folder(tmp_path / "file" / "plots", ".svg")

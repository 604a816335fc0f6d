"""``duologue bench turns`` as a command, and a whole run of it against a stand-in server on a clock that runs fast."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from duologue.bench.clock import WallClock
from duologue.bench.plan import Plan, Progress
from duologue.bench.turns.plan import TurnsPlan
from duologue.bench.turns.report import TurnsReport
from duologue.bench.turns.run import measure
from duologue.bench.wire import WireError
from duologue.cli.bench_turns import turns
from tests.bench.standin import Script, silence, standing_in, tone
from tests.bench.test_command import write_wav

SPEED = 16.0

app = typer.Typer()
app.command()(turns)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A command and a turn with a pause, and a noise."""
    folder = tmp_path / "clips"
    (folder / "commands").mkdir(parents=True)
    (folder / "turns").mkdir()
    write_wav(folder / "commands" / "a_stop.wav", np.concatenate((tone(0.6), silence(0.1))))
    write_wav(folder / "turns" / "a_halting.wav", np.concatenate((tone(0.4), silence(0.3), tone(0.4), silence(0.1))))
    write_wav(folder / "knock.wav", np.concatenate((silence(0.1), tone(0.2), silence(0.1))))
    rows = [
        {"file": "commands/a_stop.wav", "transcript": "stop", "duration_s": 0.7},
        {"file": "turns/a_halting.wav", "transcript": "hello there"},
        {"file": "knock.wav", "label": "noise:keyboard"},
    ]
    (folder / "manifest.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


async def measured(clips: Path, script: Script, **asked: object) -> TurnsReport:
    clock = WallClock(SPEED)
    async with standing_in(script, clock) as standin:
        plan = TurnsPlan(server=Plan(url=standin.url, clips=clips), **asked)  # type: ignore[arg-type]
        return await measure(plan, Progress(), clock)


@pytest.mark.anyio
async def test_a_run_of_every_part_that_wants_a_server(clips: Path) -> None:
    parts = ("turns", "backchannels", "noise", "echo", "interruptions")
    made = await measured(
        clips,
        Script(long_answer_s=20.0),
        parts=parts,
        callers=4,
        is_plain=True,
        turns=1,
        backchannels=2,
        noises=1,
        interruptions=2,
        snr_db=(),
        echo_db=(-40.0,),
        echo_delay_ms=(60.0,),
    )
    assert made.turns[0].run.turns_answered == 1
    # The stand-in hears by level alone, and whatever is loud cuts it off. What it then says is what it said before.
    assert sum(effect.counts.get(each, 0) for effect in made.backchannels for each in ("stopped", "cut")) == 2
    assert [(noise.kind, noise.n) for noise in made.noise] == [("keys", 1)]
    assert made.noise_an_hour is not None
    assert made.noise_an_hour > 0
    assert [each.turns for each in made.alone] == [1]
    assert [effect.kind for effect in made.echo] == ["-40 dB, 60 ms"]
    assert made.interruptions is not None
    assert made.interruptions.n == 2
    assert made.remembered[0].not_told > 0
    assert [act.part for act in made.acts if act.outcome == "answer ended"] == []
    assert len(made.acts) == 2 + 1 + 1 + 3 + 2
    assert [part.troubles for part in made.parts] == [{}] * len(made.parts)
    assert made.options["material"]["turns"] == ["turns/a_halting.wav"]
    assert "api_key" not in made.options["server"]


@pytest.mark.anyio
async def test_nobody_got_in_is_an_error(clips: Path) -> None:
    with pytest.raises(WireError, match="503"):
        await measured(clips, Script(refuses_with=503), parts=("backchannels",), backchannels=1)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("http://127.0.0.1:1", "--parts", "backchannels"), "no server answers at http://127.0.0.1:1"),
        (("--parts", "curve,cures"), "--parts wants some of curve, turns"),
        (("--echoes", "-20,loud"), "--echoes wants numbers such as -30,-20"),
        (("--ami", "."), "--ami: there is no .wav in ."),
        (("--json", "."), "it is a folder"),
        (("--profile", "nonesuch", "--parts", "echo"), "duologue bench turns:"),
    ],
)
def test_what_cannot_work_is_one_clear_line(clips: Path, words: tuple[str, ...], told: str) -> None:
    done = run(*words, "--clips", clips)
    assert done.exit_code == 2
    assert told in done.output
    assert "Traceback" not in done.output


def test_clips_without_a_manifest_are_refused(tmp_path: Path) -> None:
    done = run("--clips", tmp_path)
    assert done.exit_code == 2
    assert "has no manifest.jsonl" in done.output

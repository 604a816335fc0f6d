"""``duologue bench`` as a command, against a stand-in server."""

from __future__ import annotations

import json
import shlex
import sys
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import typer
from anyio.from_thread import start_blocking_portal
from typer.testing import CliRunner, Result

from duologue.audio.frame import Int16
from duologue.bench.clock import WallClock
from duologue.cli.bench import conversations
from tests.bench.standin import Script, StandIn, silence, standing_in, tone

# Serves pages, and speaks no protocol.
MUTE = """
import http.server
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
"""

app = typer.Typer()
app.command()(conversations)


@contextmanager
def a_server(script: Script) -> Iterator[StandIn]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(standing_in(script, WallClock())) as standin,
    ):
        yield standin


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    write_wav(folder / "hello.wav", np.concatenate((tone(0.4), silence(0.1))))
    return folder


def write_wav(path: Path, pcm: Int16) -> None:
    """24 kHz mono."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(pcm.tobytes())


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_figures_in_the_terminal_and_in_a_file(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    quick = Script(silence_s=0.1, reply_delay_s=0.02, answer_s=0.1)
    with a_server(quick) as standin:
        words = ("--clips", clips, "--turns", 1, "--callers", "1,2", "--gap", 0.1, "--connections", 2)
        done = run(standin.url, "--api-key", "secret-key", "--json", out, *words)
    assert done.exit_code == 0, done.output
    assert "voice to voice" in done.output
    data = json.loads(out.read_text())
    assert [each["callers"] for each in data["runs"]] == [1, 2]
    assert [each["turns_answered"] for each in data["runs"]] == [1, 2]
    assert data["connection_ms"]["n"] == 2
    assert data["options"]["clip_names"] == ["hello"]
    assert "secret-key" not in out.read_text()


def test_an_unanswered_turn_is_exit_code_1(clips: Path) -> None:
    with a_server(Script(answers=False)) as standin:
        words = ("--clips", clips, "--turns", 1, "--gap", 0.1, "--connections", 0, "--answer-timeout", 0.3)
        done = run(standin.url, *words)
    assert done.exit_code == 1
    assert "1 of 1 turns were not answered" in done.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("http://127.0.0.1:1",), "no server answers at http://127.0.0.1:1"),
        (("--callers", "1,x"), "--callers wants numbers"),
        (("--turn-detection", "{oops"), "turn detection is no JSON object"),
        (("--plot", "a.xyz"), "--plot: .png, .svg or .pdf, not a.xyz"),
        (("--plot", "figures"), "--plot: .png, .svg or .pdf, not figures"),
        (("--json", "."), "it is a folder"),
        (("--beside", "/bin/nonesuch --port 0"), "--beside: there is no command /bin/nonesuch"),
        (("--beside", "'half a word"), "--beside is no command line: No closing quotation"),
        (("--beside", " "), "--beside is empty"),
    ],
)
def test_what_cannot_work_is_one_clear_line(clips: Path, words: tuple[str, ...], told: str) -> None:
    done = run(*words, "--clips", clips)
    assert done.exit_code == 2
    assert told in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("raise SystemExit(3)", "--beside: the server did not come up: it said nothing (exit code 3)"),
        (MUTE, "does not speak WebSocket"),
    ],
)
def test_a_server_beside_that_is_none_is_one_clear_line(clips: Path, program: str, told: str) -> None:
    with a_server(Script()) as standin:
        words = ("--clips", clips, "--turns", 1, "--connections", 0)
        done = run(standin.url, *words, "--beside", shlex.join([sys.executable, "-c", program]))
    assert done.exit_code == 2
    assert told in done.output
    assert "Traceback" not in done.output
    assert len(done.output.strip().splitlines()) == 1

"""``duologue transcribe`` as a person meets it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from duologue.cli.transcribe import STDOUT, Format, targets_of
from duologue.engines.scripted import TRANSCRIPT
from duologue.engines.wav import to_wav
from duologue.errors import ConfigError
from tests.served import serving

pytestmark = pytest.mark.timeout(60)

COMMAND = [sys.executable, "-m", "duologue.cli.main", "transcribe"]


def _hum(seconds: float) -> bytes:
    """What the real detector, which the scripted profile has, takes for a voice."""
    rate_hz = 16_000
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    pitch_hz = 130 + 20 * np.sin(2 * np.pi * 3 * time_s)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / rate_hz
    voice = sum(np.sin(n * phase) / n for n in range(1, 25)) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time_s))
    return to_wav((0.1 * voice).astype(np.float32), rate_hz)


def _run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False, cwd=folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a recording of somebody, silence, and what is no sound."""
    speech = Path(__file__).parents[3] / "shared" / "audio" / "commands" / "google_book_a_room.wav"
    (tmp_path / "talk.wav").write_bytes(speech.read_bytes() if speech.is_file() else _hum(2.0))
    (tmp_path / "quiet.wav").write_bytes(to_wav(np.zeros(32_000, np.float32)))
    (tmp_path / "notes.txt").write_text("no sound")
    (tmp_path / "empty.wav").touch()
    return tmp_path


def test_the_words_of_one_file_go_to_the_terminal(folder: Path) -> None:
    done = _run("talk.wav", "--profile", "scripted", folder=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{TRANSCRIPT}\n", "")


def test_silence_has_no_words(folder: Path) -> None:
    done = _run("quiet.wav", "--profile", "scripted", folder=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def test_several_files_are_written_beside_them_and_a_bad_one_stops_none(folder: Path) -> None:
    names = ["notes.txt", "missing.wav", "empty.wav", "talk.wav", "quiet.wav"]
    done = _run(*names, "--format", "srt", "--profile", "scripted", folder=folder)
    assert done.returncode == 1
    assert done.stdout == ""
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == names
    assert "notes.txt: this is no sound file: send WAV" in done.stderr
    assert "empty.wav: the file is empty" in done.stderr
    assert "missing.wav: it cannot be read: No such file" in done.stderr
    assert (folder / "talk.srt").read_text().startswith("1\n00:00:0")
    assert (folder / "quiet.srt").read_text() == ""
    assert (folder / "notes.txt").read_text() == "no sound"


def test_json_has_the_times_of_words_when_asked(folder: Path) -> None:
    done = _run("talk.wav", "-f", "verbose-json", "--words", "--profile", "scripted", folder=folder)
    found = json.loads(done.stdout)
    assert [word["word"] for word in found["words"]] == TRANSCRIPT.split()
    assert found["segments"][0]["text"] == TRANSCRIPT


def test_by_a_server(folder: Path) -> None:
    with serving("scripted") as url:
        text = _run("talk.wav", "--server", url, folder=folder)
        found = _run("talk.wav", "--server", url, "-f", "json", folder=folder)
        bad = _run("notes.txt", "--server", url, folder=folder)
    assert (text.returncode, text.stdout) == (0, f"{TRANSCRIPT}\n")
    assert json.loads(found.stdout)["text"] == TRANSCRIPT
    assert bad.returncode == 1
    assert bad.stderr.startswith("notes.txt: the server says: this is no sound file")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--words",), "verbose-json only"),
        (("--language", "English, please"), "is no language"),
        (("-o", "nowhere/a.txt"), "there is no folder nowhere"),
        (("--asr", "nonesuch"), "There is no asr engine 'nonesuch'"),
        (("--asr", "whisper"), "duologue pull whisper"),
        (("--server", "127.0.0.1:8710"), "write a URL"),
        (("--server", "http://127.0.0.1:9"), "does not answer"),
        (("--set", "whisper"), "write table.option=value"),
    ],
)
def test_what_cannot_work_is_one_line(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    done = _run("talk.wav", *arguments, folder=folder)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_urls_are_fetched_with_care(folder: Path) -> None:
    done = _run("https://127.0.0.1/a.wav", "http://example.com/b.wav", "--profile", "scripted", folder=folder)
    assert done.returncode == 1
    inside, plain = done.stderr.splitlines()
    assert "not on the open internet" in inside
    assert "https only" in plain


def test_a_pipe(folder: Path) -> None:
    with (
        (folder / "talk.wav").open("rb") as speech,
        subprocess.Popen(["cat"], stdin=speech, stdout=subprocess.PIPE) as cat,
    ):
        command = [*COMMAND, "/dev/stdin", "--profile", "scripted"]
        done = subprocess.run(command, stdin=cat.stdout, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{TRANSCRIPT}\n", "")


def _on_a_terminal(folder: Path, *arguments: str, stdout: int | None = None) -> tuple[int, str]:
    """(exit code, what was on the terminal)."""
    ours, theirs = pty.openpty()
    command = [*COMMAND, *arguments, "--profile", "scripted"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        command, stdout=theirs if stdout is None else stdout, stderr=theirs, cwd=folder, env=environment
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65_536):
                shown += piece
        except OSError:  # Linux's way of saying that the other end is closed
            pass
        code = process.wait(30)
    os.close(ours)
    return code, shown.decode()


def test_on_a_terminal_there_is_a_bar_and_the_words_are_whole(folder: Path) -> None:
    code, shown = _on_a_terminal(folder, "talk.wav")
    assert code == 0
    assert "\u2501" in shown
    assert f"{TRANSCRIPT}\r\n" in shown


def test_words_that_go_into_a_file_are_not_on_the_terminal(folder: Path) -> None:
    with (folder / "out.txt").open("wb") as out:
        code, shown = _on_a_terminal(folder, "talk.wav", stdout=out.fileno())
    assert code == 0
    assert (folder / "out.txt").read_text() == f"{TRANSCRIPT}\n"
    assert TRANSCRIPT not in shown


def test_a_long_file_shows_that_it_moves_and_is_stopped_by_ctrl_c(folder: Path) -> None:
    (folder / "long.wav").write_bytes(to_wav(np.zeros(8_000 * 1200, np.float32), 8_000))
    command = [*COMMAND, "long.wav", "--profile", "scripted"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "long.wav: 10 %\n"
        asked_s = time.monotonic()
        process.send_signal(signal.SIGINT)
        written, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - asked_s < 15
    assert written == ""
    assert said.splitlines()[-1] == "duologue transcribe: stopped"
    assert "Traceback" not in said


# --- where the words go ---------------------------------------------------------------------------------------


def test_targets(tmp_path: Path) -> None:
    here = tmp_path / "out"
    here.mkdir()
    assert targets_of(["a.wav"], Format.text, None) == [STDOUT]
    assert targets_of(["a.wav", "b.wav"], Format.text, STDOUT) == [STDOUT, STDOUT]
    assert targets_of(["x/a.wav", "b.mp3"], Format.srt, None) == [Path("x/a.srt"), Path("b.srt")]
    assert targets_of(["x/a.wav"], Format.json, here) == [here / "a.json"]
    assert targets_of(["a.wav"], Format.vtt, here / "b.vtt") == [here / "b.vtt"]
    assert targets_of(["a.wav", "a.mp3"], Format.verbose_json, None) == [Path("a.json"), Path("a.mp3.json")]
    assert targets_of(["a.txt", "b.wav"], Format.text, None) == [Path("a.txt.txt"), Path("b.txt")]
    assert targets_of(["https://a.example/b/talk.ogg?x=1/2", "b"], Format.text, None) == [
        Path("talk.txt"),
        Path("b.txt"),
    ]
    for output in (tmp_path / "no" / "x.srt", tmp_path / "one.srt"):
        with pytest.raises(ConfigError, match="--output"):
            targets_of(["a.wav", "b.wav"], Format.srt, output)

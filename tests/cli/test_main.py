"""The command line as a person meets it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.served import serving


def _duologue(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "duologue.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_help_names_the_commands_without_loading_them() -> None:
    heavy = ("numpy", "anyio", "rich.console")
    code = f"import sys; from duologue.cli import main; print([m for m in {heavy} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    shown = _duologue("--help")
    assert shown.returncode == 0
    assert all(name in shown.stdout for name in ("serve", "talk", "doctor", "bench"))
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--profile", "nonesuch"), "There is no profile 'nonesuch'. Profiles: cascade, cpu, embedded,"),
        (("--llm", "http://127.0.0.1:9/v1"), "127.0.0.1:9"),
        (("--max-sessions", "0"), "max_sessions"),
        (("--asr", "nonesuch"), "There is no asr engine 'nonesuch'. Known: "),
        (("--profile", "voxtral", "--tts", "espeak", "--set", "voxtral.device=cpu"), "duologue pull voxtral-mini"),
        (("--profile", "cpu"), "duologue pull qwen2.5-1.5b. llama-server is not on this machine. "),
        (("--asr", "whisper", "--set", "whisper.size=tiny"), "Unknown setting 'whisper.size'. whisper has: model"),
    ],
)
def test_a_setting_that_cannot_work_is_one_line(arguments: tuple[str, ...], said: str) -> None:
    done = _duologue("serve", "--port", "0", *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = _duologue("serve", "--port", str(port))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"duologue: Cannot listen on 127.0.0.1:{port}")


@pytest.mark.timeout(60)
def test_a_server_stops_when_it_is_told_to() -> None:
    with serving("scripted") as url:
        assert url.startswith("http://127.0.0.1:")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("after_s", [0.6, 1.0, 1.3])
def test_a_server_that_is_stopped_while_it_loads_says_nothing(after_s: float) -> None:
    command = [sys.executable, "-m", "duologue.cli.main", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(after_s)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert "Traceback" not in said


@pytest.mark.timeout(60)
def test_the_doctor_looks_at_every_part() -> None:
    done = _duologue("doctor")
    assert done.returncode == 0
    for part in ("Voice activity", "End of turn", "Speech to text", "Answers", "Text to speech", "Sound card"):
        assert part in done.stdout
    for name in ("cascade", "cpu", "embedded *", "remote", "voxtral", "voxtral-vllm"):
        assert name in done.stdout
    assert "suits this machine best: duologue serve --profile" in done.stdout

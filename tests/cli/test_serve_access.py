"""``duologue serve`` towards the network: what it refuses to start with, and https with a certificate of its own."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

KEY = "right-key-4f1c9a"
SERVE = [sys.executable, "-m", "duologue.cli.main", "serve", "--port", "0", "--profile", "scripted"]


def _environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DUOLOGUE_")}
    return kept | variables


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_beyond_this_machine_without_a_key_it_does_not_start(host: str) -> None:
    done = subprocess.run(
        [*SERVE, "--host", host], capture_output=True, text=True, timeout=60, check=False, env=_environment()
    )
    assert (done.returncode, done.stdout) == (1, "")
    (said,) = done.stderr.splitlines()
    assert said.startswith(f"duologue: Without a key everybody who reaches {host}:0 could listen and talk here.")
    for way_out in ("DUOLOGUE_API_KEY", "--api-key-file", "--host 127.0.0.1", "--allow-no-key"):
        assert way_out in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--tls-cert", "nowhere.pem"), "nowhere.pem cannot be read: No such file or directory."),
        (("--tls-key", "nowhere.pem"), "give --tls-cert too"),
        (("--api-key-file", "nowhere"), "The keys in nowhere cannot be read: No such file or directory."),
        (("--api-key", "with a blank"), "Key 1 has characters that no header carries"),
        (("--allowed-origin", "ours.example"), "'ours.example' is no origin"),
    ],
)
def test_what_cannot_be_is_one_line(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [*SERVE, *options], capture_output=True, text=True, timeout=60, check=False, env=_environment(), cwd=tmp_path
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "blank" not in done.stderr


@contextmanager
def _served(said: Path, *options: str, **variables: str) -> Iterator[str]:
    """The URL of a server; what it says on standard error goes into ``said``."""
    with (
        said.open("w") as errors,
        subprocess.Popen(
            [*SERVE, *options], stdout=subprocess.PIPE, stderr=errors, text=True, env=_environment(**variables)
        ) as process,
    ):
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert "Duologue is ready: " in line, said.read_text()
            yield line.split("ready: ", 1)[1].strip()
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.close()
            process.wait(60)


def _status(url: str, context: ssl.SSLContext | None = None, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10, context=context) as got:
            return int(got.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


@pytest.mark.timeout(90)
def test_https_with_a_key_beyond_this_machine(tmp_path: Path) -> None:
    said, data = tmp_path / "said", tmp_path / "data"
    where = {"XDG_DATA_HOME": str(data), "DUOLOGUE_API_KEY": KEY}
    with _served(said, "--host", "0.0.0.0", "--tls-self-signed", **where) as url:
        assert re.fullmatch(r"https://localhost:\d+", url)
        certificate = data / "duologue" / "certificate.pem"
        context = ssl.create_default_context(cafile=certificate)
        assert _status(f"{url}/readyz", context) == 200
        post = f"{url}/v1/realtime/nowhere"
        assert _status(post, context) == 401
        assert _status(post, context, Authorization="Bearer wrong-key-77aa01") == 401
        assert _status(post, context, Authorization=f"Bearer {KEY}") == 404
    words = said.read_text()
    assert f"NODE_EXTRA_CA_CERTS={certificate}" in words
    assert re.search(r"SHA-256: ([0-9A-F]{2}:){31}[0-9A-F]{2}\n", words)
    assert "session_refused" in words
    assert "microphone" not in words
    assert KEY not in words
    assert "wrong-key" not in words


@pytest.mark.timeout(90)
def test_beyond_this_machine_without_https_the_microphone_is_mentioned(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"{KEY}\n")
    said = tmp_path / "said"
    with _served(said, "--host", "0.0.0.0", "--api-key-file", str(keys), "--log-level", "debug") as url:
        assert _status(f"{url}/v1/nowhere", Authorization=f"Bearer {KEY}") == 404
    assert "the microphone on https only: --tls-self-signed, or --tls-cert" in said.read_text()
    assert KEY not in said.read_text()

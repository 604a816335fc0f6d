"""Https: certificates that cannot be served with, one of the server's own, and real handshakes."""

from __future__ import annotations

import datetime
import shutil
import socket
import ssl
import stat
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from duologue.bench.wire import WireError, dial
from duologue.config import Settings, setup_of
from duologue.errors import ConfigError
from duologue.server import own_certificate as own
from duologue.server import run
from duologue.server.own_certificate import TlsFiles, data_folder, own_certificate, own_names
from duologue.server.state import State
from duologue.server.tls import tls_files
from tests.server.serving import engines, until
from tests.web import Web

pytestmark = pytest.mark.anyio

NAMES = ["localhost", "127.0.0.1", "::1"]
TODAY = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)


def _today() -> datetime.datetime:
    return TODAY


def _days_on(days: float) -> own.Clock:
    return lambda: TODAY + datetime.timedelta(days=days)


def _load(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


@pytest.fixture
def pair(tmp_path: Path) -> TlsFiles:
    """As an operator has it: a certificate of today, and its key."""
    return own_certificate(tmp_path / "operator", NAMES, _today)


# --- the operator's --------------------------------------------------------------------------------------------------


def test_without_a_certificate_it_is_http() -> None:
    assert tls_files(Settings()) is None


def test_a_certificate_and_its_key(pair: TlsFiles, tmp_path: Path) -> None:
    assert pair.key is not None
    given = tls_files(Settings(tls_cert=pair.certificate, tls_key=pair.key), _today)
    assert given == TlsFiles(pair.certificate, pair.key, pair.fingerprint)
    both = tmp_path / "both.pem"
    both.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
    assert tls_files(Settings(tls_cert=both), _today) == TlsFiles(both, None, pair.fingerprint)


def test_what_cannot_be_served_with_is_said(pair: TlsFiles, tmp_path: Path) -> None:
    cert, key, rubbish, locked = pair.certificate, pair.key, tmp_path / "rubbish", tmp_path / "locked"
    assert key is not None
    rubbish.write_bytes(b"\x00no pem")
    made = ec.generate_private_key(ec.SECP256R1())
    encryption = serialization.BestAvailableEncryption(b"word")
    locked.write_bytes(made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    other = own_certificate(tmp_path / "other", NAMES, _today)
    nowhere = tmp_path / "nowhere"
    cases: list[tuple[dict[str, Any], str]] = [
        ({"tls_cert": cert}, r"no private key .*Give its file with --tls-key"),
        ({"tls_key": key}, "give --tls-cert too"),
        ({"tls_cert": nowhere, "tls_key": key}, "nowhere cannot be read: No such file"),
        ({"tls_cert": cert, "tls_key": nowhere}, "nowhere cannot be read: No such file"),
        ({"tls_cert": tmp_path, "tls_key": key}, "cannot be read: Is a directory"),
        ({"tls_cert": rubbish, "tls_key": key}, "no certificate in .*rubbish"),
        ({"tls_cert": key, "tls_key": key}, "no certificate in .*key.pem"),
        ({"tls_cert": cert, "tls_key": rubbish}, r"no private key \(PEM\) in .*rubbish.$"),
        ({"tls_cert": cert, "tls_key": locked}, "passphrase"),
        ({"tls_cert": cert, "tls_key": other.key}, "is not the key of the certificate"),
        ({"tls_cert": cert, "tls_key": key, "tls_self_signed": True}, "either --tls-self-signed, or"),
    ]
    for given, said in cases:
        with pytest.raises(ConfigError, match=said):
            tls_files(Settings(**given), _today)


def test_a_certificate_out_of_its_time(pair: TlsFiles) -> None:
    settings = Settings(tls_cert=pair.certificate, tls_key=pair.key)
    with pytest.raises(ConfigError, match="expired on 2028-06-02: renew it"):
        tls_files(settings, _days_on(825))
    with pytest.raises(ConfigError, match="is not valid before 2026-02-28"):
        tls_files(settings, _days_on(-2))


# --- the server's own ------------------------------------------------------------------------------------------------


def test_it_is_kept_until_it_ends_soon(tmp_path: Path) -> None:
    first = own_certificate(tmp_path, NAMES, _today)
    assert own_certificate(tmp_path, NAMES[:2], _days_on(790)) == first
    renewed = own_certificate(tmp_path, NAMES, _days_on(800))
    assert renewed.fingerprint != first.fingerprint
    assert _load(renewed.certificate).not_valid_after_utc > TODAY + datetime.timedelta(days=1600)


def test_its_key_is_for_its_owner_alone_and_stays(tmp_path: Path) -> None:
    folder = tmp_path / "duologue"
    made = own_certificate(folder, NAMES, _today)
    assert made.key is not None
    before = made.key.read_bytes()
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert b"PRIVATE" not in made.certificate.read_bytes()
    made.key.chmod(0o644)
    own_certificate(folder, [*NAMES, "box.local"], _today)
    assert made.key.read_bytes() == before
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600


def test_a_new_name_makes_a_new_one_that_keeps_the_old_names(tmp_path: Path) -> None:
    first = own_certificate(tmp_path, [*NAMES, "192.0.2.7"], _today)
    second = own_certificate(tmp_path, [*NAMES, "192.0.2.8", "box.local"], _today)
    assert second.fingerprint != first.fingerprint
    assert own_certificate(tmp_path, [*NAMES, "192.0.2.7"], _today) == second
    for n in range(40):
        last = own_certificate(tmp_path, [*NAMES, f"198.51.100.{n}"], _today)
    names = _load(last.certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert len(list(names)) == 4 + own.MOST_OLD_NAMES


@pytest.mark.parametrize("spoilt", ["certificate.pem", "key.pem"])
def test_a_spoilt_file_is_made_anew(tmp_path: Path, spoilt: str) -> None:
    first = own_certificate(tmp_path, NAMES, _today)
    (tmp_path / spoilt).write_bytes(b"half a fi")
    again = own_certificate(tmp_path, NAMES, _today)
    assert again.fingerprint != first.fingerprint
    assert tls_files(Settings(tls_cert=again.certificate, tls_key=again.key), _today) is not None


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="XDG_DATA_HOME"):
        own_certificate(tmp_path / "file" / "duologue", NAMES, _today)


def test_it_is_no_authority(pair: TlsFiles) -> None:
    certificate = _load(pair.certificate)
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.value.ca, basic.critical) == (False, True)
    assert not certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert pair.fingerprint.replace(":", "") == certificate.fingerprint(hashes.SHA256()).hex().upper()
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert life <= datetime.timedelta(days=825)


def test_names_beyond_this_machine_only_where_it_listens_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Box.example")
    assert own_names(Settings()) == NAMES
    named = own_names(Settings(host="::1", allowed_hosts="voice.example,*"))
    assert named == [*NAMES, "voice.example"]
    names = own_names(Settings(host="0.0.0.0"))
    assert names[: len(NAMES) + 2] == [*NAMES, "box.example", "box.local"]
    assert "0.0.0.0" not in names


def test_where_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert data_folder() == tmp_path / "duologue"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder() == tmp_path / ".local" / "share" / "duologue"


# --- handshakes ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _https(**settings: Any) -> AsyncIterator[int]:
    """The port of a server with a certificate of its own."""
    given = Settings(profile="scripted", tls_self_signed=True, **settings)
    tls = await anyio.to_thread.run_sync(tls_files, given)
    state = State(given, setup_of(given), engines(), voice="tone", is_ready=True)
    listener = run.listen("127.0.0.1", 0)
    server = Web(run.uvicorn_config(given, state, tls))
    with listener:
        async with anyio.create_task_group() as tg:
            tg.start_soon(lambda: server.serve(sockets=[listener]))
            await until(lambda: server.started)
            yield listener.getsockname()[1]
            server.should_exit = True


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the server will keep its own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path / "duologue" / "certificate.pem"


def _greeting(port: int, name: str, context: ssl.SSLContext) -> str:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as wrapped,
    ):
        wrapped.sendall(f"GET /healthz HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n".encode())
        return f"{wrapped.version()} {wrapped.recv(4096).decode().splitlines()[0]}"


async def test_who_is_given_the_certificate_trusts_the_server_and_nobody_else_does(certificate: Path) -> None:
    async with _https() as port:
        context = ssl.create_default_context(cafile=certificate)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        for name in ("localhost", "127.0.0.1"):
            assert await anyio.to_thread.run_sync(_greeting, port, name, context) == "TLSv1.3 HTTP/1.1 200 OK"
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            await anyio.to_thread.run_sync(_greeting, port, "evil.example", context)
        with pytest.raises(ssl.SSLCertVerificationError, match="self-signed"):
            await anyio.to_thread.run_sync(_greeting, port, "localhost", ssl.create_default_context())


async def test_a_conversation_over_tls(certificate: Path) -> None:
    async with _https(api_key="right-key-4f1c9a,other-key") as port:
        url = f"https://localhost:{port}"
        async with dial(url, ca=certificate, api_key="right-key-4f1c9a,other-key") as wire:
            await wire.session_created()
        with pytest.raises(WireError, match=r"401.*give the key with --api-key"):
            async with dial(url, ca=certificate):
                pass
        with pytest.raises(WireError, match=r"is not trusted .*give its file with --ca"):
            async with dial(url):
                pass
        with pytest.raises(WireError, match="cannot be used as --ca: No such file"):
            async with dial(url, ca=certificate.with_name("nowhere")):
                pass
        with pytest.raises(WireError, match="there is no certificate in it"):
            async with dial(url, ca=certificate.with_name("certificate.lock")):
                pass


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
async def test_node_trusts_it_by_its_variable(certificate: Path) -> None:
    async with _https() as port:
        url = f"https://localhost:{port}/healthz"
        ask = (
            f"require('https').get('{url}', r => {{ console.log(r.statusCode); r.resume() }})"
            ".on('error', e => console.log(e.code))"
        )

        def run_node(environment: dict[str, str]) -> str:
            done = subprocess.run(
                ["node", "-e", ask], capture_output=True, text=True, timeout=15, check=True, env=environment
            )
            return done.stdout.strip()

        path = {"PATH": str(Path(shutil.which("node") or "").parent)}
        trusting = path | {"NODE_EXTRA_CA_CERTS": str(certificate)}
        assert await anyio.to_thread.run_sync(run_node, trusting) == "200"
        assert await anyio.to_thread.run_sync(run_node, path) == "DEPTH_ZERO_SELF_SIGNED_CERT"


async def test_a_proxy_is_believed_when_it_is_named_and_nobody_else() -> None:
    given = Settings(profile="scripted", api_key="right-key-4f1c9a")
    state = State(given, setup_of(given), engines(), is_ready=True)
    assert not run.uvicorn_config(given, state).proxy_headers
    named = Settings(profile="scripted", trust_forwarded_for="10.0.0.0/8, 127.0.0.1")
    config = run.uvicorn_config(named, state)
    assert (config.proxy_headers, config.forwarded_allow_ips) == (True, ["10.0.0.0/8", "127.0.0.1"])

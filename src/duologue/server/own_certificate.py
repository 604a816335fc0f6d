"""A certificate of the server's own making, kept from start to start so that it need be trusted but once."""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from filelock import FileLock

from duologue.config import Settings
from duologue.errors import ConfigError
from duologue.server.auth import is_loopback

# Apple's systems take no longer one; a new one must be trusted anew wherever this one was.
LIFE = datetime.timedelta(days=825)
RENEW_BEFORE = datetime.timedelta(days=30)
# For machines whose clock is behind.
BACKDATED = datetime.timedelta(days=1)
# A laptop that comes back to a network finds its certificate good; more old names than this are forgotten.
MOST_OLD_NAMES = 16

Clock = Callable[[], datetime.datetime]


@dataclass(frozen=True)
class TlsFiles:
    """PEM files to serve with; ``key`` None: it is in ``certificate``, too. ``fingerprint``: SHA-256, in hex."""

    certificate: Path
    key: Path | None
    fingerprint: str
    is_self_signed: bool = False


def calendar() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the whole certificate, as browsers and openssl show it."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def public_part(key: PublicKeyTypes) -> bytes:
    encoded: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return encoded


def data_folder() -> Path:
    """Where Duologue keeps what is the user's and not to be lost."""
    home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(home).expanduser() / "duologue"


def own_names(settings: Settings) -> list[str]:
    """By what names and addresses the server can be reached; beyond this machine only where it listens there."""
    names = ["localhost", "127.0.0.1", "::1"]
    if settings.host not in ("", "0.0.0.0", "::"):
        names.append(settings.host.strip("[]").split("%")[0])
    names += [name for name in settings.allowed_hosts if name != "*"]
    if not is_loopback(settings.host):
        machine = socket.gethostname()
        names += [machine, f"{machine.split('.')[0]}.local", *_lan_addresses()]
    return list(dict.fromkeys(name.lower() for name in names if name.isascii()))


def _lan_addresses() -> list[str]:
    """This machine's addresses towards the network. Nothing is sent: a datagram socket only looks up the way."""
    found: list[str] = []
    for family, beyond in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((beyond, 9))
                found.append(str(probe.getsockname()[0]).split("%")[0])
        except OSError:
            continue
    return found


def own_certificate(folder: Path, names: Sequence[str], now: Clock = calendar) -> TlsFiles:
    """The certificate kept in ``folder``, made anew when it ends soon or lacks one of ``names``; its key stays.

    It vouches for itself, so that a client which is given it trusts it, and for nothing else: it is no authority
    (basicConstraints CA:FALSE), so whoever installs it and loses the key loses this server alone.
    """
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(folder / "certificate.lock"):
            key = _own_key(key_file)
            certificate = _kept(certificate_file, key)
            old = [] if certificate is None else _names_in(certificate)
            ends_soon = certificate is None or certificate.not_valid_after_utc - now() < RENEW_BEFORE
            if certificate is None or ends_soon or not set(names) <= set(old):
                forgotten = [name for name in old if name not in names][:MOST_OLD_NAMES]
                certificate = _make([*names, *forgotten], key, now())
                _write(certificate_file, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    except OSError as error:
        raise ConfigError(
            f"The certificate cannot be kept in {folder}: {error.strerror}. Set XDG_DATA_HOME to another folder."
        ) from None
    return TlsFiles(certificate_file, key_file, fingerprint(certificate), is_self_signed=True)


def _own_key(file: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            file.chmod(0o600)
            return key
    except (FileNotFoundError, ValueError, TypeError, UnsupportedAlgorithm):
        pass
    made = ec.generate_private_key(ec.SECP256R1())
    pem = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(file, pem, 0o600)
    return made


def _kept(file: Path, key: ec.EllipticCurvePrivateKey) -> x509.Certificate | None:
    """The certificate in ``file``, unless it is another key's or nothing at all."""
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return certificate if public_part(certificate.public_key()) == public_part(key.public_key()) else None


def _names_in(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    names = extension.value.get_values_for_type(x509.DNSName)
    return names + [str(address) for address in extension.value.get_values_for_type(x509.IPAddress)]


def _make(names: Sequence[str], key: ec.EllipticCurvePrivateKey, now: datetime.datetime) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Duologue on this machine")])
    public = key.public_key()
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LIFE - BACKDATED)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(file: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, and never readable by others for a moment."""
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    part.replace(file)

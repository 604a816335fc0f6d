"""Https: the operator's certificate, looked at before anything loads, or one of the server's own making."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from duologue.config import Settings
from duologue.errors import ConfigError
from duologue.server.own_certificate import (
    Clock,
    TlsFiles,
    calendar,
    data_folder,
    fingerprint,
    own_certificate,
    own_names,
    public_part,
)


def tls_files(settings: Settings, now: Clock = calendar) -> TlsFiles | None:
    """What to serve https with; None for http. Makes or renews the server's own certificate where that is wanted.
    Raises ConfigError for files that cannot be served with."""
    if settings.tls_self_signed:
        if settings.tls_cert or settings.tls_key:
            raise ConfigError("Give either --tls-self-signed, or --tls-cert and --tls-key.")
        return own_certificate(data_folder(), own_names(settings), now)
    if settings.tls_cert is None:
        if settings.tls_key is not None:
            raise ConfigError("--tls-key goes with the certificate: give --tls-cert too.")
        return None
    certificate = _certificate(settings.tls_cert)
    _check_dates(certificate, settings.tls_cert, now())
    _check_pair(certificate, settings)
    return TlsFiles(settings.tls_cert, settings.tls_key, fingerprint(certificate))


def _certificate(file: Path) -> x509.Certificate:
    """The first of the file, which is the server's own."""
    try:
        return x509.load_pem_x509_certificates(_read(file))[0]
    except ValueError:
        raise ConfigError(f"There is no certificate in {file}: it must be a PEM file.") from None


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from None


def _check_dates(certificate: x509.Certificate, file: Path, now: datetime.datetime) -> None:
    ends, begins = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if now >= ends:
        raise ConfigError(f"The certificate in {file} expired on {ends:%Y-%m-%d}: renew it.")
    if now < begins:
        raise ConfigError(f"The certificate in {file} is not valid before {begins:%Y-%m-%d %H:%M} UTC.")


def _check_pair(certificate: x509.Certificate, settings: Settings) -> None:
    file = settings.tls_key or settings.tls_cert
    assert file is not None
    try:
        key = serialization.load_pem_private_key(_read(file), password=None)
    except TypeError:
        raise ConfigError(f"The key in {file} is locked with a passphrase: give one that is not.") from None
    except (ValueError, UnsupportedAlgorithm):
        hint = "" if settings.tls_key else " Give its file with --tls-key."
        raise ConfigError(f"There is no private key (PEM) in {file}.{hint}") from None
    if public_part(key.public_key()) != public_part(certificate.public_key()):
        raise ConfigError(f"The key in {file} is not the key of the certificate in {settings.tls_cert}.")

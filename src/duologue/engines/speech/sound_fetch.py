"""A file from an https URL that somebody else chose: nothing inside the house is reached, and nothing endless read."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from duologue.engines.addresses import Address, is_public
from duologue.errors import ClientError

MAX_BYTES = 25 * 1024 * 1024
_TIMEOUT_S = 30.0
_CHUNK_BYTES = 65_536


def fetch(
    url: str,
    *,
    permits: Callable[[Address], bool] = is_public,
    context: ssl.SSLContext | None = None,
    timeout_s: float = _TIMEOUT_S,
) -> bytes:
    """What lies at ``url``: at most 25 MiB, within ``timeout_s`` altogether; redirects are not followed.

    ``permits``: which addresses may be connected to, asked of the very address that is then used; ``context``: whose
    certificates are trusted. Raises ClientError.
    """
    host, port, target = _parts(url)
    deadline_s = time.monotonic() + timeout_s
    connection = _Checked(host, port, permits, context or ssl.create_default_context(), deadline_s)
    # A socket's own time-out begins anew with every byte that comes.
    watch = threading.Timer(timeout_s, connection.cut)
    watch.start()
    try:
        connection.request("GET", target, headers={"Accept": "audio/*", "User-Agent": "duologue"})
        response = connection.getresponse()
        if response.status != 200:
            raise ClientError(f"{host} answered with status {response.status}; redirects are not followed")
        return _body(response, connection, host)
    except TimeoutError as error:
        raise ClientError(f"{host} did not send the sound within {timeout_s:g} s") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise ClientError(f"the sound cannot be fetched from {host}: {error}") from error
    finally:
        watch.cancel()
        connection.close()


def _parts(url: str) -> tuple[str, int, str]:
    """(host, port, path with query)."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 443
    except ValueError as error:
        raise ClientError("the sound's URL is not a URL") from error
    if parts.scheme != "https" or not host:
        raise ClientError("sound is fetched by https only")
    if parts.username or parts.password:
        raise ClientError("the sound's URL must hold no name and password")
    if any(character <= " " or character > "~" for character in url):
        raise ClientError("the sound's URL must be ASCII without blanks: escape what is not")
    return host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class _Checked(http.client.HTTPSConnection):
    """Connects to an address that was looked at first, so that the name cannot mean another one a moment later."""

    def __init__(
        self, host: str, port: int, permits: Callable[[Address], bool], context: ssl.SSLContext, deadline_s: float
    ) -> None:
        super().__init__(host, port, context=context)
        self._permits = permits
        self._tls = context
        self._deadline_s = deadline_s
        self._wire: ssl.SSLSocket | None = None

    def connect(self) -> None:
        address = self._address()
        plain = socket.create_connection((address, self.port), timeout=self.left_s())
        try:
            self.sock = self._wire = self._tls.wrap_socket(plain, server_hostname=self.host)
        except OSError:
            plain.close()
            raise

    def cut(self) -> None:
        """End what is being read, from another thread."""
        if self._wire is not None:
            with suppress(OSError):
                self._wire.shutdown(socket.SHUT_RDWR)

    def left_s(self) -> float:
        """Seconds until it must be over. Raises TimeoutError when it is."""
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s

    def _address(self) -> str:
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ClientError(f"there is no server named {self.host}") from error
        addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
        if not addresses or not all(self._permits(ipaddress.ip_address(address)) for address in addresses):
            raise ClientError(f"{self.host} is not on the open internet: sound is not fetched from there")
        return addresses[0]


def _body(response: http.client.HTTPResponse, connection: _Checked, host: str) -> bytes:
    body = bytearray()
    while True:
        data = response.read1(_CHUNK_BYTES)
        connection.left_s()
        if not data:
            if response.length:
                raise ClientError(f"{host} broke off: {response.length} bytes of the sound are missing")
            return bytes(body)
        body += data
        if len(body) > MAX_BYTES:
            raise ClientError(f"the sound at {host} is too large: at most {MAX_BYTES} bytes are taken")

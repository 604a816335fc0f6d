"""Who may come in, as rules without I/O: keys, pages' origins, the names that the server answers to, guesses.

A browser sends along where a page came from; any page that its user visits could otherwise talk through this
server with the user's microphone. Programs send no ``Origin`` and are let in. (CORS does not guard WebSockets.)
A page can also make its own name point to 127.0.0.1 (DNS rebinding): it then is of the same origin as the server,
and only the name that it asks for tells it apart.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from duologue.config import Settings
from duologue.errors import ConfigError

ANY = "*"
# A person who mistypes stays below it; a guesser of even a weak key needs years.
MOST_GUESSES = 20
GUESSES_WINDOW_S = 60.0
# Addresses remembered, the most recent ones: 1.5 MB.
MOST_ADDRESSES = 10_000
SECRET_PREFIX = "ek_"
_DEFAULT_PORTS = {"http": 80, "https": 443}
# What proxies add to the requests that they hand on.
_HANDED_ON = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def digest(key: str) -> bytes:
    """What is kept of a key or a secret."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


class Keys:
    """The operator's keys. Only their digests are kept; the names, ``key-1`` and so on, are for logs and limits."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._digests = [(f"key-{n}", digest(key)) for n, key in enumerate(keys, 1)]

    def __len__(self) -> int:
        return len(self._digests)

    def name_of(self, given: str) -> str | None:
        """The name of the key ``given``, None for a wrong one. Takes as long for either."""
        wanted, found = digest(given), None
        for name, known in self._digests:
            if hmac.compare_digest(known, wanted):
                found = name
        return found

    def owner_of(self, name: str) -> str | None:
        """By what the conversations of the key ``name`` are known: the same wherever the key stands in its file, and
        telling nothing of it."""
        known = next((known for each, known in self._digests if each == name), None)
        if known is None:
            return None
        return hashlib.sha256(b"duologue owner of conversations\0" + known).hexdigest()[:32]


def read_keys(settings: Settings) -> Keys:
    """The keys of ``api_key`` and ``api_key_file``. Raises ConfigError, which never quotes one."""
    keys = [] if settings.api_key is None else _split(settings.api_key.get_secret_value().split(","))
    if settings.api_key_file is not None:
        keys += _in_file(settings.api_key_file)
    for number, key in enumerate(keys, 1):
        if not all("!" <= char <= "~" for char in key):
            raise ConfigError(f"Key {number} has characters that no header carries: use letters, digits, - and _.")
        if key.startswith(SECRET_PREFIX):
            raise ConfigError(f"Key {number} begins with {SECRET_PREFIX}, as client secrets do: choose another.")
    return Keys(dict.fromkeys(keys))


def _in_file(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"The keys in {file} cannot be read: {reason}.") from None
    keys = _split(line for line in lines if not line.startswith("#"))
    if not keys:
        raise ConfigError(f"There is no key in {file}: write one on each line.")
    return keys


def _split(words: Iterable[str]) -> list[str]:
    return [word.strip() for word in words if word.strip()]


def check_access(settings: Settings) -> None:
    """Raises ConfigError for keys and origins that cannot be, and when the whole network could come in."""
    origins(settings.allowed_origins)
    if not read_keys(settings) and not settings.allow_no_key and not is_loopback(settings.host):
        raise ConfigError(
            f"Without a key everybody who reaches {settings.host}:{settings.port} could listen and talk here. Set a "
            "key with DUOLOGUE_API_KEY or --api-key-file, or serve this machine alone with --host 127.0.0.1. "
            "--allow-no-key starts all the same, where the network itself is guarded."
        )


def is_loopback(host: str) -> bool:
    """Whether a server on ``host`` is reached from this machine alone: an address, or a name with such only."""
    if (address := _address(host)) is not None:
        return address.is_loopback
    try:
        found = socket.getaddrinfo(host or "0.0.0.0", None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    addresses = [_address(str(entry[4][0])) for entry in found]
    return all(address is not None and address.is_loopback for address in addresses)


def is_this_machine(address: str) -> bool:
    """Whether a connection's other end, an address, is on this machine. Asks nobody."""
    found = _address(address)
    return found is not None and found.is_loopback


def is_handed_on(headers: Mapping[str, str], bound: str) -> bool:
    """Whether a request to a server on ``bound``, which only this machine reaches, was made elsewhere and handed on by
    a proxy here: it says so, or it asks for a name that is not this machine's."""
    if any(name in headers for name in _HANDED_ON):
        return True
    name = _name_in(headers.get("host"))
    return name is None or not (is_this_machine(name) or name in {"localhost", bound.lower().strip("[]")})


def _name_in(host: str | None) -> str | None:
    """The name or address in a ``Host`` header; None for one that has none."""
    try:
        return urlsplit(f"//{host}").hostname if host and "@" not in host else None
    except ValueError:
        return None


def _address(host: str) -> Address | None:
    """None: a name. Of an IPv4 address in IPv6 clothes, the IPv4 one."""
    try:
        address = ipaddress.ip_address(host.split("%", maxsplit=1)[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def is_allowed_origin(origin: str | None, host: str | None, allowed: Collection[str], *, is_tls: bool = False) -> bool:
    """``origin``, ``host``: the request's headers; ``allowed``: as `origins` gives them, besides the server's own
    page. ``is_tls``: the connection is encrypted up to here; then so must the page have been. Without, it may
    have been up to a proxy, which nobody can tell."""
    if origin is None or ANY in allowed or origin.lower() in allowed:
        return True
    try:
        page, asked = urlsplit(origin.lower()), urlsplit(f"//{host}")
        default_port = _DEFAULT_PORTS.get(page.scheme)
        page_port, asked_port = page.port or default_port, asked.port or default_port
    except ValueError:
        return False
    if not host or default_port is None or (is_tls and page.scheme != "https"):
        return False
    is_plain = origin.lower() == f"{page.scheme}://{page.netloc}" and "@" not in page.netloc + asked.netloc
    return is_plain and bool(page.hostname) and (page.hostname, page_port) == (asked.hostname, asked_port)


def origins(given: Sequence[str]) -> frozenset[str]:
    """``allowed_origins`` as browsers write them. Raises ConfigError for what no browser would."""
    return frozenset(_origin(text) for text in given)


def _origin(text: str) -> str:
    origin = text.lower().removesuffix("/")
    if origin in (ANY, "null"):
        return origin
    try:
        parts = urlsplit(origin)
        is_whole = bool(parts.scheme and parts.netloc) and not (parts.path or parts.query or parts.fragment)
        port = parts.port
    except ValueError:
        is_whole, port = False, None
    if not is_whole:
        raise ConfigError(f"'{text}' is no origin: write scheme://host or scheme://host:port, or * for every page.")
    if port is not None and port == _DEFAULT_PORTS.get(parts.scheme):
        return origin.removesuffix(f":{port}")
    return origin


@dataclass(frozen=True)
class OwnNames:
    """The names by which a server without a key may be called. ``bound``: the address that it listens on."""

    bound: str
    allowed: frozenset[str]
    is_local: bool
    machine: str

    @classmethod
    def of(cls, settings: Settings) -> OwnNames:
        allowed = frozenset(name.lower().strip("[]") for name in settings.allowed_hosts)
        machine = socket.gethostname().lower().split(".")[0]
        return cls(settings.host.lower().strip("[]"), allowed, is_loopback(settings.host), machine)

    def has(self, host: str | None) -> bool:
        """``host``: the request's header, with any port. No page can point an address elsewhere, so beyond this
        machine every address will do."""
        if ANY in self.allowed:
            return True
        name = _name_in(host)
        if not name:
            return False
        address = _address(name)
        if address is not None:
            return address.is_loopback or not self.is_local or name in {self.bound, *self.allowed}
        own = {"localhost", self.bound, *self.allowed}
        return name in own if self.is_local else name in own | {self.machine, f"{self.machine}.local"}


class Guesses:
    """Wrong keys by address, within a minute of the first. ``clock``: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float], most: int = MOST_GUESSES) -> None:
        self._clock, self._most = clock, most
        self._by_address: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """How long ``address`` must wait before its next try; 0: it need not."""
        since, count = self._by_address.get(network_of(address), (0.0, 0))
        left_s = since + GUESSES_WINDOW_S - self._clock()
        return max(left_s, 0.0) if count >= self._most else 0.0

    def note(self, address: str) -> None:
        """One more wrong key from ``address``."""
        group, now = network_of(address), self._clock()
        since, count = self._by_address.pop(group, (now, 0))
        if now - since >= GUESSES_WINDOW_S:
            since, count = now, 0
        self._by_address[group] = (since, count + 1)
        if len(self._by_address) > MOST_ADDRESSES:
            self._by_address.popitem(last=False)


def network_of(host: str) -> str:
    """Whom an address counts for. Of IPv6 the network: one customer has 2^64 addresses."""
    address = _address(host)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return host if address is None else str(address)

"""How two hosts find a way to each other, as far as this server has a say in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from duologue.errors import ConfigError

_SERVER = re.compile(
    r"(?P<scheme>stun|turns?):(?:(?P<user>[^:@]+):(?P<password>[^@]+)@)?"
    r"(?P<address>[^:@?\[\]]+(?::\d{1,5})?(?P<way>\?transport=(?:udp|tcp))?)"
)
# A peer is asked about once a second whether it is still there. Four times no answer, each waited for 0.5 s, and it is
# gone: 5 s. aioice's own pace would take half a minute (RFC 7675 allows less, and forbids more).
CONSENT_INTERVAL_S, CONSENT_FAILURES = 0.8, 4
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class IceServer:
    """``url`` as RFC 7064 and 7065 have it; ``user`` and ``password`` for TURN."""

    url: str
    user: str | None = None
    password: str | None = None


def parse_servers(urls: Sequence[str]) -> list[IceServer]:
    """``stun:host``, ``turn:user:password@host:3478?transport=tcp``. Raises ConfigError for what is neither."""
    return [_parse(url) for url in urls]


def _parse(url: str) -> IceServer:
    match = _SERVER.fullmatch(url)
    if match is None or (match["scheme"] == "stun" and match["way"]):
        raise ConfigError(
            f"'{_without_password(url)}' in ice_servers is no STUN or TURN server. "
            "Write stun:HOST:PORT or turn:USER:PASSWORD@HOST:PORT."
        )
    scheme = match["scheme"]
    if scheme.startswith("turn") and match["user"] is None:
        raise ConfigError(f"'{url}' in ice_servers needs a user and a password: turn:USER:PASSWORD@HOST:PORT.")
    return IceServer(f"{scheme}:{match['address']}", match["user"], match["password"])


def _without_password(url: str) -> str:
    return re.sub(r":[^:@]*@", ":***@", url)


def remote_candidates_wanted(sdp: str) -> str:
    """An offer without what would only hold up the answer.

    Browsers hide their addresses behind ``.local`` names, which take 1 s and multicast to resolve; a browser calls
    this server anyway, and is answered where it called from. For the same reason no list of candidates is complete.
    """
    lines = sdp.splitlines(keepends=True)
    return "".join(line for line in lines if not (_is_hidden(line) or line.startswith("a=end-of-candidates")))


def _is_hidden(line: str) -> bool:
    return line.startswith("a=candidate:") and ".local " in line


def mend(*, uses_loopback: bool) -> None:
    """Set up aioice for this process: consent at the pace above; and, for a server that listens on the loopback
    interface alone or has no other, that interface too, which aioice leaves out."""
    import aioice.ice

    aioice.ice.CONSENT_INTERVAL = CONSENT_INTERVAL_S  # type: ignore[assignment]  # a number of seconds
    aioice.ice.CONSENT_FAILURES = CONSENT_FAILURES
    found = getattr(aioice.ice.get_host_addresses, "mended", aioice.ice.get_host_addresses)

    def addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        others: list[str] = found(use_ipv4=use_ipv4, use_ipv6=use_ipv6)
        return [*others, LOOPBACK] if uses_loopback or not others else others

    addresses.mended = found  # type: ignore[attr-defined]
    aioice.ice.get_host_addresses = addresses

"""Client secrets: short-lived keys for browsers, each with the session that it was made for."""

from __future__ import annotations

import heapq
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from duologue.errors import CapacityError
from duologue.server.auth import SECRET_PREFIX, digest

MOST_SECRETS = 10_000
# All sessions that secrets were made with, as JSON.
MOST_BYTES = 64 * 2**20
RANDOM_BYTES = 24
_SHAPE = re.compile(SECRET_PREFIX + f"[0-9a-f]{{{2 * RANDOM_BYTES}}}")


def is_secret(key: str) -> bool:
    """Whether ``key`` looks like one of ours, alive or not."""
    return _SHAPE.fullmatch(key) is not None


@dataclass(frozen=True)
class Secret:
    """``expires_at``: seconds of the calendar, for people; ``key_name``: whose key made it."""

    expires_at: int
    key_name: str
    encoded_session: bytes
    deadline_s: float

    @property
    def session(self) -> dict[str, Any]:
        """What the secret was made with, as the wire has it; one's own copy."""
        session: dict[str, Any] = msgspec.json.decode(self.encoded_session)
        return session


class Secrets:
    """All client secrets of this process, known by their digests only. They end with it.

    ``clock``: monotonic seconds, by which they expire whatever happens to the calendar; ``calendar``: Unix seconds.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        calendar: Callable[[], float] = time.time,
        most: int = MOST_SECRETS,
    ) -> None:
        self._clock, self._calendar, self._most = clock, calendar, most
        self._by_digest: dict[bytes, Secret] = {}
        self._deadlines: list[tuple[float, bytes]] = []
        self._bytes = 0

    @property
    def alive(self) -> int:
        """How many have not expired."""
        self._sweep()
        return len(self._by_digest)

    def make(self, session: Mapping[str, Any], lives_s: int, key_name: str) -> tuple[str, Secret]:
        """A new secret, and what is kept of it. Raises CapacityError while too many are alive."""
        self._sweep()
        encoded = msgspec.json.encode(session)
        if len(self._by_digest) >= self._most or self._bytes + len(encoded) > MOST_BYTES:
            raise CapacityError("Too many client secrets are alive. Try again when some have expired.")
        value = SECRET_PREFIX + secrets.token_hex(RANDOM_BYTES)
        secret = Secret(int(self._calendar()) + lives_s, key_name, encoded, self._clock() + lives_s)
        name = digest(value)
        self._by_digest[name] = secret
        self._bytes += len(encoded)
        heapq.heappush(self._deadlines, (secret.deadline_s, name))
        return value, secret

    def find(self, value: str) -> Secret | None:
        """What the secret was made with, as often as wanted until it expires; None for any other string.

        Looked up by its digest, so that the time it takes says nothing about the secrets that there are.
        """
        self._sweep()
        return self._by_digest.get(digest(value))

    def _sweep(self) -> None:
        now = self._clock()
        while self._deadlines and self._deadlines[0][0] <= now:
            _, name = heapq.heappop(self._deadlines)
            self._bytes -= len(self._by_digest.pop(name).encoded_session)

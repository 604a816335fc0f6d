"""Other servers' figures, as they are in ``peers.toml`` with where they come from."""

from __future__ import annotations

import tomllib
from importlib import resources

import msgspec


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """One server; the lists go together, one place a number of callers. ``over_*_ms``: above the silence rule."""

    name: str
    how: str
    holds: int
    broken: str
    callers: list[int]
    over_p50_ms: list[float]
    over_p95_ms: list[float]
    cpu_ms: list[float]


class Peers(msgspec.Struct, frozen=True, kw_only=True):
    """All of them, and ``source`` in words."""

    source: str
    server: list[Peer]


def load_peers() -> Peers:
    """What comes with this package."""
    text = resources.files("duologue.bench").joinpath("peers.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Peers)

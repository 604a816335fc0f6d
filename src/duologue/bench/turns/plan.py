"""What the benchmark of conversation is asked to measure."""

from __future__ import annotations

from pathlib import Path

import msgspec

from duologue.bench.plan import Plan

PARTS = ("curve", "turns", "backchannels", "noise", "echo", "interruptions")


class TurnsPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be measured: ``parts`` of `PARTS` with the ``server`` of an ordinary plan, by ``callers`` at once.

    Counts None: everything there is, once. ``tts``: the server's synthesizer, where it is not one of our own profiles.
    """

    server: Plan = Plan()
    parts: tuple[str, ...] = PARTS
    callers: int = 1
    is_plain: bool = False
    ami: Path | None = None
    turns: int | None = 30
    backchannels: int | None = None
    noises: int | None = None
    interruptions: int = 20
    noise_dbfs: tuple[float, ...] = (-30.0,)
    snr_db: tuple[float, ...] = (10.0,)
    echo_db: tuple[float, ...] = (-40.0, -30.0, -20.0, -10.0)
    echo_delay_ms: tuple[float, ...] = (60.0, 180.0)
    tts: str | None = None
    cache: Path | None = None

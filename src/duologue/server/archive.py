"""Whether this server keeps conversations, in which file, and for how long."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import structlog
from starlette.datastructures import Headers

from duologue import telemetry
from duologue.config import Settings
from duologue.errors import ConfigError, StoreFailed
from duologue.server.auth import is_handed_on, is_loopback
from duologue.server.own_certificate import data_folder
from duologue.store.records import Store
from duologue.store.sqlite import SqliteStore

log = structlog.get_logger(__name__)

SWEEP_S = 3600.0
DAY_S = 86_400.0
# A session lasts a day at most: by then nobody can be in a conversation in which nothing was said.
EMPTY_S = 2 * DAY_S


def keeps(settings: Settings) -> bool:
    """Whether conversations are to be kept. By default only for who uses the machine itself: where others are let in,
    by a proxy as well, it has to be asked for."""
    lets_others_in = settings.allowed_hosts or settings.allowed_origins or settings.trust_forwarded_for
    return settings.store == "on" or (settings.store == "auto" and not lets_others_in and is_loopback(settings.host))


def keeps_for(settings: Settings, scope: Mapping[str, Any]) -> bool:
    """Whether whoever makes this request is kept, and sees what is. A proxy that nobody has told us of may stand before
    a server for this machine alone: its public is not whom such a server keeps by default."""
    return settings.store == "on" or not is_handed_on(Headers(raw=scope["headers"]), settings.host)


def file_of(settings: Settings) -> Path:
    return settings.store_file or data_folder() / "conversations.db"


async def open_store(settings: Settings) -> SqliteStore | None:
    """None where no conversations are kept. Raises ConfigError where they are wanted and cannot be."""
    if not keeps(settings):
        return None
    try:
        return await SqliteStore.open(file_of(settings))
    except ConfigError as error:
        if settings.store == "on":
            raise
        log.warning(telemetry.STORE_OFF, reason=error.message)
        return None


@asynccontextmanager
async def opened_store(settings: Settings) -> AsyncIterator[SqliteStore | None]:
    """As `open_store`, closed at the end."""
    store = await open_store(settings)
    try:
        yield store
    finally:
        if store is not None:
            with anyio.CancelScope(shield=True):
                await store.aclose()


async def sweep_for_ever(store: Store, days: float, clock: Callable[[], float] = time.time) -> None:
    """Deletes what is older than ``days``, now and every hour. ``clock``: seconds of the calendar."""
    while True:
        await sweep(store, days, clock())
        await anyio.sleep(SWEEP_S)


async def sweep(store: Store, days: float, now_s: float) -> None:
    """``days``: how long a conversation is kept after it was last talked in; 0: for ever."""
    try:
        await store.forget_empty_before(now_s - EMPTY_S)
        forgotten = await store.forget_before(now_s - days * DAY_S) if days else 0
    except StoreFailed as error:
        log.warning(telemetry.STORE_FAILED, operation="sweep", reason=error.message)
        return
    await store.purge()
    if forgotten:
        log.info(telemetry.STORE_SWEPT, conversations=forgotten)

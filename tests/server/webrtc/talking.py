"""Phones that call a real server with scripted engines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.server.serving import Serving
from tests.server.webrtc.phone import Phone, listening, post_sdp, voice


@asynccontextmanager
async def on_the_phone(server: Serving, phone: Phone | None = None, **query: str) -> AsyncIterator[Phone]:
    """A call that is up, its events flowing; hung up at the end."""
    phone = phone or Phone()
    phone.open_channel()
    answer = await post_sdp(server.http, await phone.offer(), **query)
    assert answer.status_code == 201, answer.text
    phone.call_id = answer.headers["location"].rsplit("/", 1)[1]
    await phone.accept(answer.text)
    async with listening(phone):
        await phone.wait("session.created")
        yield phone


async def say(phone: Phone, seconds: float = 0.4, **how: Any) -> None:
    """A voice, as long as it lasts; a phone that is not spoken into sends silence."""
    phone.voice.say(voice(seconds, **how))
    await phone.spoken()

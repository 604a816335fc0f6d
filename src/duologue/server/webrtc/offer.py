"""The body of a request for a call: an SDP offer, alone or in a form with the session that is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from duologue.errors import ClientError
from duologue.protocols.openai_realtime.messages import LARGEST_OBJECT_BYTES, parse_object

# Chromium's offers are some 5 kB; a session with many tools may be larger.
MAX_SDP_BYTES = 256 << 10
# Both parts, and what a form has around them.
MAX_FORM_BYTES = MAX_SDP_BYTES + LARGEST_OBJECT_BYTES + (16 << 10)


@dataclass(frozen=True, slots=True)
class Asked:
    """``session``: the part of that name, None where there is none."""

    offer: str
    session: dict[str, Any] | None = None


async def read(request: Request) -> Asked:
    """Raises ClientError for a body that has no offer in it, and ClientDisconnect."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return Asked(_offer(await _body(request, MAX_SDP_BYTES)))
    parts = await _parts(request, await _body(request, MAX_FORM_BYTES))
    if parts["sdp"] is None:
        raise ClientError("The form has no part 'sdp'.", code="invalid_offer", param="sdp")
    return Asked(_offer(parts["sdp"]), _session(parts["session"]))


async def _body(request: Request, most: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise ClientError("The SDP offer is too long.", code="invalid_offer", param="sdp")
    return bytes(body)


async def _parts(request: Request, body: bytes) -> dict[str, bytes | None]:
    """The parts that count. A form is parsed once it is here, so that no part fills the disk."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    whole = Request(request.scope, receive)
    try:
        async with whole.form(max_files=4, max_fields=4, max_part_size=MAX_FORM_BYTES) as form:
            return {name: await _bytes(form.get(name)) for name in ("sdp", "session")}
    except HTTPException as error:
        raise ClientError(f"The form cannot be read: {error.detail}", code="invalid_form") from None


async def _bytes(part: UploadFile | str | None) -> bytes | None:
    if isinstance(part, UploadFile):
        return await part.read()
    return None if part is None else part.encode()


def _offer(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    if len(body) > MAX_SDP_BYTES:
        raise ClientError("The SDP offer is too long.", code="invalid_offer", param="sdp")
    if not text.startswith("v=0"):
        raise ClientError("The body is no SDP offer: it begins with 'v=0'.", code="invalid_offer", param="sdp")
    return text


def _session(part: bytes | None) -> dict[str, Any] | None:
    return parse_object(msgspec.Raw(part), "session") if part and part.strip() else None

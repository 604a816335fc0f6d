"""The body of a request -> fields and a file, within bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import msgspec
from anyio import to_thread
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message

from duologue.errors import ClientError
from duologue.server.rest.quoted import quoted
from duologue.server.rest.work import Job

MIB = 2**20
# Fields around the file, and the form's own lines.
_SLACK_BYTES = 64 * 1024
# As JSON a sound of 25 MiB has a third more characters.
_JSON_BYTES = 36 * MIB
# A field of a form stays in memory; sound belongs into the file, which goes to the disk beyond 1 MiB.
_FIELD_BYTES = 64 * 1024
_MAX_FIELDS = 50
# Beyond this a body is parsed in a thread: a MiB of JSON takes milliseconds.
_INLINE_BYTES = 65_536
_LOCATION = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING = re.compile(r"missing required field `(\w+)`")
# What some programs write without the brackets of a list.
_LISTS = frozenset({"timestamp_granularities"})

Form = dict[str, Any]
Fields = TypeVar("Fields", bound=msgspec.Struct)


async def read_fields(job: Job, kind: type[Fields], limit_mib: float) -> tuple[Fields, UploadFile | None]:
    """A form's or a JSON object's fields as ``kind``, and the form's ``file``; it is closed with the job.

    Unknown fields are passed over. Raises ClientError, HTTPException for a form that cannot be read.
    """
    given = job.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given == "application/json":
        return await read_json(job.request, kind, _JSON_BYTES), None
    if given not in {"multipart/form-data", "application/x-www-form-urlencoded"}:
        raise ClientError(f"send multipart/form-data with a field 'file', or JSON, not {quoted(given or 'nothing')}")
    fields, file = await _read_form(job, limit_mib)
    with _named_fields():
        return msgspec.convert(fields, kind, strict=False), file


async def _read_form(job: Job, limit_mib: float) -> tuple[Form, UploadFile | None]:
    message = f"the file is too large: at most {limit_mib:g} MiB are taken (setting max_upload_mib)"
    bounded = Bounded(job.request, int(limit_mib * MIB) + _SLACK_BYTES, message)
    try:
        form = await bounded.request.form(max_files=1, max_fields=_MAX_FIELDS, max_part_size=_FIELD_BYTES)
    except (HTTPException, MultiPartException):
        bounded.check()
        raise
    job.cleanup.push_async_callback(form.close)
    fields: Form = {}
    file: UploadFile | None = None
    for name in form:
        values = form.getlist(name)
        if isinstance(values[0], UploadFile):
            if name != "file":
                raise ClientError(f"the file must be in the field 'file', not {quoted(name)}", param="file")
            file = values[0]
        elif values[0] != "":
            bare = name.removesuffix("[]")
            fields[bare] = list(values) if name.endswith("[]") or bare in _LISTS else values[0]
    if file is None and "file" in fields:
        raise ClientError("'file' is a text: send it as a file, with a file name", param="file")
    return fields, file


async def read_json(request: Request, kind: type[Fields], limit_bytes: int) -> Fields:
    """A JSON object as ``kind``. What is not among its fields is not even built. Raises ClientError."""
    message = f"the JSON is too large: at most {limit_bytes} bytes are taken"
    body = await Bounded(request, limit_bytes, message).read()
    decode = partial(msgspec.json.decode, body, type=kind, strict=False)
    with _named_fields():
        return await to_thread.run_sync(decode) if len(body) > _INLINE_BYTES else decode()


@contextmanager
def _named_fields() -> Iterator[None]:
    """Raises ClientError, with the field to blame, for what does not fit."""
    try:
        yield
    except msgspec.ValidationError as error:
        raise _misfit(str(error)) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ClientError("the body is not valid JSON", code="invalid_json") from error


def _misfit(message: str) -> ClientError:
    """Of the decoder's own words: what is missing, or which field is of the wrong kind."""
    found = _LOCATION.search(message)
    name = re.split(r"[.\[]", found[1])[0] if found else ""
    if missing := _MISSING.search(message):
        param = f"{name}.{missing[1]}".lstrip(".")
        return ClientError(f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param)
    words = _LOCATION.sub("", message)
    return ClientError(f"{name}: {words}" if name else words, param=name or None)


class Bounded:
    """A request whose body ends with an error, ``message``, where it is too long."""

    def __init__(self, request: Request, limit_bytes: int, message: str) -> None:
        self.request = Request(request.scope, self._receive)
        self._receive_all = request.receive
        self._left = limit_bytes
        self._message = message
        told = request.headers.get("content-length", "")
        if told.isascii() and told.isdigit() and int(told) > limit_bytes:
            self._left = -1
            self.check()

    async def read(self) -> bytes:
        """All of it. Raises ClientError."""
        try:
            return await self.request.body()
        except MultiPartException:
            self.check()
            raise

    def check(self) -> None:
        """Raises ClientError where it was too long."""
        if self._left < 0:
            raise ClientError(self._message, code="body_too_large")

    async def _receive(self) -> Message:
        message = await self._receive_all()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            # What closes the form's files.
            raise MultiPartException(self._message)
        return message

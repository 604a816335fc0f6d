"""The client's end of the OpenAI Realtime (GA) protocol over a WebSocket, as the bench and ``talk`` speak it.

Only what a client needs: it connects, sends events, and gives the server's events one by one. An event that it
does not know is handed on with its ``type`` alone, so that any server of the protocol can be pointed at.
"""

from __future__ import annotations

import binascii
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import anyio
import msgspec
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from duologue.audio.frame import VOICE_RATE_HZ, Int16
from duologue.errors import DuologueError

FRAME_S = 0.02
FRAME_SAMPLES = int(VOICE_RATE_HZ * FRAME_S)
# Far above what a call can owe, so that a slow server never holds back the caller's next frame.
WRITE_LIMIT_BYTES = 16 * 1024 * 1024
CLOSE_TIMEOUT_S = 2.0
REALTIME_PATH = "/v1/realtime"
# What a client asks of Duologue in the address: to be told to lower, hold and resume what it plays (and it promises to
# do so), and to be told what was measured.
OBEYS_PLAYOUT = {"x_playout": "1"}
SEES_METRICS = {"x_metrics": "1"}


class WireError(DuologueError):
    """The server cannot be talked to: away, refusing, or not speaking the protocol."""

    code = "server_unreachable"


class Refused(WireError):
    """The server answered, and let nobody in. ``status``: of HTTP; ``reason``: its error's ``code``, "" where it
    names none; ``position``: in its line, where it keeps one; ``retry_after_s``: when it asks to be called again."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        reason: str = "",
        position: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.position = position
        self.retry_after_s = retry_after_s


class ResponseBody(msgspec.Struct, kw_only=True):
    """The part of a ``response`` object that a caller looks at."""

    id: str | None = None
    status: str | None = None
    status_details: Any = None


class ContentBody(msgspec.Struct, kw_only=True):
    """One part of an item: written ``text``, or the ``transcript`` of sound."""

    type: str | None = None
    text: str | None = None
    transcript: str | None = None


class ItemBody(msgspec.Struct, kw_only=True):
    """The part of a conversation ``item`` that a caller looks at."""

    id: str | None = None
    role: str | None = None
    status: str | None = None
    content: list[ContentBody] | None = None

    def words(self) -> str:
        """All that is written or said in it."""
        return " ".join(part.transcript or part.text or "" for part in self.content or ()).strip()


class ServerEvent(msgspec.Struct, kw_only=True):
    """One event of the server; fields that its ``type`` does not have are None. Unknown fields are skipped. From
    ``gain`` on they are those of Duologue's own events, which are only sent to clients that ask for them."""

    type: str
    item_id: str | None = None
    response_id: str | None = None
    delta: str | None = None
    transcript: str | None = None
    text: str | None = None
    response: ResponseBody | None = None
    item: ItemBody | None = None
    error: Any = None
    gain: float | None = None
    verdict: str | None = None
    audio_start_ms: float | None = None
    took_ms: float | None = None
    kept: bool | None = None
    level: str | None = None
    compute_ms: float | None = None

    def audio(self) -> Int16:
        """The samples of a ``response.output_audio.delta``: int16 [n]; half a sample at the end is dropped."""
        try:
            raw = binascii.a2b_base64(self.delta or "")
        except binascii.Error:
            raise WireError(f"{self.type} carries audio that is not base64") from None
        return np.frombuffer(raw[: len(raw) // 2 * 2], dtype="<i2").astype(np.int16)

    def audio_samples(self) -> int:
        """How many samples `audio` would give, without decoding them."""
        delta = self.delta or ""
        return (len(delta) * 3 // 4 - delta.count("=", -2)) // 2

    def complaint(self) -> str:
        """An ``error`` event, or a failed response, in words."""
        error = self.error
        if error is None and self.response is not None and isinstance(self.response.status_details, dict):
            error = self.response.status_details.get("error")
        if isinstance(error, dict):
            return f"{error.get('code') or error.get('type')}: {error.get('message')}"
        return str(error)


class _Append(msgspec.Struct, tag_field="type", tag="input_audio_buffer.append"):
    audio: bytes


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(ServerEvent)


def encode_append(pcm: Int16) -> bytes:
    """``input_audio_buffer.append`` for int16 [n]; msgspec writes bytes as base64."""
    return _encoder.encode(_Append(pcm.astype("<i2").tobytes()))


def encode_event(event: Mapping[str, object]) -> bytes:
    """One client event as JSON."""
    return _encoder.encode(event)


def whole_message(event: bytes) -> bytes:
    """A text message of a client as it goes over the socket, header, mask and all: RFC 6455, section 5.2. What is
    said often is put together once, for `Wire.put`."""
    return Frame(Opcode.TEXT, event).serialize(mask=True)


def realtime_url(url: str, model: str | None, asks: Mapping[str, str] | None = None) -> str:
    """The WebSocket address for what a person types: ``host:port``, ``http(s)://``, ``ws(s)://``, with or
    without ``/v1/realtime``; ``asks`` goes into its query. Raises WireError for anything else."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    if parts.scheme not in schemes or not parts.hostname:
        raise WireError(f"{url!r} is no address of a server: give one such as http://127.0.0.1:8710")
    path = parts.path.rstrip("/")
    if not path.endswith("/realtime"):
        path = path.removesuffix("/v1") + REALTIME_PATH
    query = dict(parse_qsl(parts.query))
    if model:
        query["model"] = model
    query |= asks or {}
    return urlunsplit((schemes[parts.scheme], parts.netloc, path, urlencode(query), ""))


class Wire:
    """An open connection. ``close_words`` says how it ended, once it has."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.close_words = ""

    async def send(self, event: Mapping[str, object]) -> None:
        """Send one client event. After the connection has ended this does nothing."""
        await self.send_encoded(encode_event(event))

    async def send_encoded(self, event: bytes) -> None:
        """Send one event that is JSON already."""
        try:
            await self._socket.send(event, text=True)
        except ConnectionClosed as closed:
            self._note(closed)

    def put(self, message: bytes) -> None:
        """Send a `whole_message` without waiting, past what `websockets` does for each one: 6 instead of 40 us.
        After the connection has ended this does nothing."""
        if self._socket.state is State.OPEN:
            self._socket.transport.write(message)

    async def receive(self) -> ServerEvent | None:
        """The next event, or None when the connection has ended. Raises WireError on what is no event."""
        try:
            message = await self._socket.recv()
        except ConnectionClosed as closed:
            self._note(closed)
            return None
        try:
            return _decoder.decode(message)
        except msgspec.MsgspecError as error:
            raise WireError(f"the server sent what is no Realtime event: {error}") from None

    async def session_created(self) -> None:
        """Wait for the greeting. Raises WireError when something else comes first."""
        event = await self.receive()
        if event is None:
            raise WireError(f"the server hung up before it greeted ({self.close_words})")
        if event.type == "error":
            raise WireError(f"the server refused the session: {event.complaint()}")
        if event.type != "session.created":
            raise WireError(f"the server began with {event.type} instead of session.created")

    def _note(self, closed: ConnectionClosed) -> None:
        frame = closed.rcvd
        if not self.close_words:
            self.close_words = f"{frame.code} {frame.reason}".strip() if frame else "connection lost"


@asynccontextmanager
async def dial(
    url: str,
    *,
    model: str | None = None,
    api_key: str | None = None,
    ca: Path | None = None,
    asks: Mapping[str, str] | None = None,
    timeout_s: float = 10.0,
) -> AsyncIterator[Wire]:
    """Connect to ``url`` (see `realtime_url`, also for ``asks``); compression is off. ``api_key``: of several by
    commas, as a server may have them, the first; ``ca``: a certificate (PEM) to trust, and no other. Raises
    WireError with one clear line."""
    address = realtime_url(url, model, asks)
    key = (api_key or "").split(",")[0].strip()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    is_local = urlsplit(address).hostname in {"127.0.0.1", "localhost", "::1"}
    opening = connect(
        address,
        additional_headers=headers,
        compression=None,
        max_size=None,
        open_timeout=timeout_s,
        close_timeout=CLOSE_TIMEOUT_S,
        write_limit=WRITE_LIMIT_BYTES,
        proxy=None if is_local else True,
        ssl=(trust(ca) if ca else True) if address.startswith("wss:") else None,
    )
    try:
        socket = await opening
    except InvalidStatus as refused:
        raise _refusal(url, refused) from None
    except TimeoutError:
        raise WireError(f"{url} did not answer within {timeout_s:g} s") from None
    except (InvalidHandshake, InvalidURI, EOFError) as error:
        raise WireError(f"{url} does not speak WebSocket: {error}") from None
    except ssl.SSLCertVerificationError as error:
        raise WireError(
            f"the certificate of {url} is not trusted ({error.verify_message}); if it is the server's own, give its "
            "file with --ca"
        ) from None
    except ssl.SSLError as error:
        raise WireError(f"{url} does not speak https ({error.reason or error})") from None
    except OSError as error:
        raise WireError(f"no server answers at {url} ({error.strerror or error})") from None
    try:
        yield Wire(socket)
    finally:
        # Also one who is called off says goodbye: the server is to know at once that the place is free.
        with anyio.move_on_after(CLOSE_TIMEOUT_S, shield=True):
            await socket.close()


def trust(ca: Path) -> ssl.SSLContext:
    """For a server whose certificate is ``ca``'s. Raises WireError for a file that has none."""
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        reason = "there is no certificate in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise WireError(f"{ca} cannot be used as --ca: {reason}") from None


def _refusal(url: str, refused: InvalidStatus) -> Refused:
    """``{"error": {"message": ..., "code": ...}}`` where the server says why, else the status."""
    response = refused.response
    try:
        error = msgspec.json.decode(response.body or b"null")["error"]
        words, code, position = str(error["message"]), str(error.get("code") or ""), error.get("position")
    except (msgspec.MsgspecError, TypeError, KeyError):
        words, code, position = response.reason_phrase, "", None
    status = response.status_code
    hint = "; give the key with --api-key" if status == 401 else ""
    return Refused(
        f"{url} refused the call with {status}: {words.removesuffix('.')}{hint}",
        status=status,
        reason=code,
        position=position if isinstance(position, int) else None,
        retry_after_s=_seconds(response.headers.get("Retry-After", "")),
    )


def _seconds(words: str) -> float | None:
    return float(words) if words.isdigit() else None

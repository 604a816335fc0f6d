"""What engines behind OpenAI-compatible URLs share: one HTTP client a server, time-outs, refusals in plain words."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import anyio
import httpx2
import msgspec

from duologue.engines.chat.sse import SseReader
from duologue.errors import EngineError, EngineLost, EngineUnavailable

CONNECT_TIMEOUT_S = 3.0
_PROBE_TIMEOUT_S = 5.0
_KEEP_ALIVE_S = 300.0
# After the last word a response is read to its end, so that its connection serves the next request; a server that
# dawdles there costs a reconnection instead.
_DRAIN_S = 0.5
_MAX_ERROR_BODY_BYTES = 16_384
_MAX_ERROR_CHARS = 200
_MAX_WHOLE_BYTES = 4 * 1_048_576
_OWN_MACHINE = {"127.0.0.1", "localhost", "::1"}

Fields = Mapping[str, str]
File = tuple[str, bytes, str]


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model] | None = None


def host_of(url: str) -> str:
    """The host of an address, "" where it has none."""
    return urlsplit(url).hostname or ""


def is_own_machine(url: str) -> bool:
    """Whether what is sent there stays on this machine."""
    return host_of(url) in _OWN_MACHINE


def without_password(url: str) -> str:
    """``url`` as it may be shown: a name and password in it belong in no message."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def api_key_for(url: str) -> str | None:
    """``OPENAI_API_KEY`` for https and for this machine, else None: plain HTTP would show it to all on the way."""
    if urlsplit(url).scheme in {"https", "wss"} or is_own_machine(url):
        return os.environ.get("OPENAI_API_KEY") or None
    return None


def auth_headers(url: str) -> dict[str, str]:
    """What shows the key to the server, where it may see one."""
    key = api_key_for(url)
    return {"Authorization": f"Bearer {key}"} if key else {}


class HttpServer:
    """One API root, as ``http://127.0.0.1:8000/v1``. Its connections are kept alive and serve all sessions.

    ``what`` names it in messages ("the speech server"), ``advice`` says how to start it and which setting holds its
    address.
    """

    def __init__(self, url: str, *, what: str, advice: str) -> None:
        self.url = url.rstrip("/")
        self.shown_url = without_password(self.url)
        self.what = what
        self._advice = advice
        self._client = httpx2.AsyncClient(
            headers=auth_headers(self.url),
            timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S),
            limits=httpx2.Limits(max_connections=None, keepalive_expiry=_KEEP_ALIVE_S),
            # A proxy set for the outside world must not be asked for this machine's own server.
            trust_env=not is_own_machine(self.url),
        )

    async def probe(self, model: str) -> str | None:
        """Reach the server; what is odd about ``model`` there, None where nothing is.

        Raises EngineUnavailable where nothing answers or the key is refused.
        """
        status, body = await self.get("models")
        if status in {401, 403}:
            raise EngineUnavailable(self._refusal(status, body))
        try:
            models = msgspec.json.decode(body, type=_Models).data if status == 200 else None
        except msgspec.MsgspecError:
            models = None
        names = [listed.id for listed in models or []]
        if names and model not in names:
            return f"{self.shown_url} does not list a model {model!r}; it has {', '.join(names[:5])}"
        return None

    async def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a short answer. Raises EngineUnavailable where none comes within 5 s."""
        try:
            with anyio.fail_after(_PROBE_TIMEOUT_S):
                response = await self._client.get(f"{self.url}/{path}")
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            raise EngineUnavailable(self.away()) from error
        return response.status_code, response.content

    @asynccontextmanager
    async def post(
        self,
        path: str,
        *,
        deadline_s: float,
        json: Mapping[str, Any] | None = None,
        form: Fields | None = None,
        file: File | None = None,
    ) -> AsyncIterator[httpx2.Response]:
        """A response of status 200, its body still to be read. Leaving the context before that ends the work there.

        ``deadline_s``: the moment, on the event loop's clock, by which the headers must be there. Sent once more
        where a connection that was kept had just been closed. Raises EngineLost, EngineUnavailable, EngineError.
        """
        async with AsyncExitStack() as stack:
            response = await self._send(path, deadline_s, stack, json, form, file)
            if response.status_code != 200:
                raise self._refused(response.status_code, await read_some(response))
            yield response

    async def _send(
        self,
        path: str,
        deadline_s: float,
        stack: AsyncExitStack,
        json: Mapping[str, Any] | None,
        form: Fields | None,
        file: File | None,
    ) -> httpx2.Response:
        content = None if json is None else msgspec.json.encode(json)
        for is_last_try in (False, True):
            try:
                with anyio.CancelScope(deadline=deadline_s):
                    request = self._client.build_request(
                        "POST",
                        f"{self.url}/{path}",
                        content=content,
                        data=None if form is None else dict(form),
                        files=None if file is None else {"file": file},
                        headers={} if content is None else {"Content-Type": "application/json"},
                    )
                    response = await self._client.send(request, stream=True)
                    stack.push_async_callback(response.aclose)
                    return response
            except (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError) as error:
                if is_last_try:
                    raise EngineLost(self.away()) from error
            except (httpx2.TransportError, httpx2.InvalidURL) as error:
                raise EngineLost(self.away()) from error
            else:
                break
        raise EngineLost(self.silent())

    async def pieces(
        self, response: httpx2.Response, *, deadline_s: float, between_s: float
    ) -> AsyncGenerator[bytes, None]:
        """The body as it comes: the first of it by ``deadline_s``, then never ``between_s`` without more."""
        async with aclosing(response.aiter_bytes()) as body:
            while (piece := await self._next(body, deadline_s)) is not None:
                yield piece
                deadline_s = anyio.current_time() + between_s

    async def events(
        self, response: httpx2.Response, *, deadline_s: float, between_s: float
    ) -> AsyncGenerator[str, None]:
        """The payloads of server-sent events, up to "[DONE]" or the end; same time-outs as ``pieces``."""
        reader = SseReader()
        async with aclosing(self.pieces(response, deadline_s=deadline_s, between_s=between_s)) as pieces:
            async for piece in pieces:
                for payload in reader.feed(piece):
                    if payload.strip() == "[DONE]":
                        await _drain(pieces)
                        return
                    yield payload
            for payload in reader.end():
                if payload.strip() != "[DONE]":
                    yield payload

    async def whole(self, response: httpx2.Response, *, deadline_s: float) -> bytes:
        """The body, of 4 MiB at most, by ``deadline_s``."""
        body = b""
        async with aclosing(response.aiter_bytes()) as pieces:
            while (piece := await self._next(pieces, deadline_s)) is not None:
                body += piece
                if len(body) > _MAX_WHOLE_BYTES:
                    raise EngineError(
                        f"{self.what} at {self.shown_url} sent more than 4 MiB; it speaks another protocol"
                    )
        return body

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def failed(self, payload: str) -> EngineLost:
        """For an error that came in the middle of an answer."""
        said = error_text(payload.encode())
        return EngineLost(f"{self.what} at {self.shown_url} failed in the middle of its answer. It says: {said}")

    def garbage(self, payload: str) -> EngineError:
        """For an answer that is none."""
        return EngineError(
            f"{self.what} at {self.shown_url} sent something else than an answer. It says: {shorten(payload)}"
        )

    def away(self) -> str:
        return f"{self.what} does not answer at {self.shown_url}: {self._advice}"

    def silent(self) -> str:
        return f"{self.what} at {self.shown_url} sent nothing in time: it may be loading its model, be busy, or hang"

    async def _next(self, body: AsyncIterator[bytes], deadline_s: float) -> bytes | None:
        try:
            with anyio.CancelScope(deadline=deadline_s):
                return await anext(body, None)
        except httpx2.TransportError as error:
            raise EngineLost(f"{self.what} at {self.shown_url} broke off its answer; is it still up?") from error
        raise EngineLost(self.silent())

    def _refused(self, status: int, body: bytes) -> EngineError:
        """429 and 5xx: it is away for now. 401, 403, 404: a setting is wrong. All others: the request is."""
        kind = EngineError
        if status in {401, 403, 404}:
            kind = EngineUnavailable
        elif status == 429 or status >= 500:
            kind = EngineLost
        return kind(self._refusal(status, body))

    def _refusal(self, status: int, body: bytes) -> str:
        said = error_text(body)
        where = f"{self.what} at {self.shown_url}"
        if status in {401, 403}:
            return f"{where} refuses the key ({status}): set OPENAI_API_KEY. It says: {said}"
        if status == 404:
            return f"{where} does not know the model or the path (404): {self._advice}. It says: {said}"
        if status == 429:
            return f"{where} takes no more requests now (429). It says: {said}"
        return f"{where} answered with status {status}. It says: {said}"


async def _drain(rest: AsyncIterator[bytes]) -> None:
    """Read to the end if that is quick; whatever goes wrong now is no longer part of the answer."""
    with anyio.move_on_after(_DRAIN_S):
        try:
            async for _ in rest:
                pass
        except (httpx2.TransportError, EngineError):
            return


async def read_some(response: httpx2.Response) -> bytes:
    """The beginning of a body that explains a refusal: what comes of it within 2 s, some 16 KiB at most."""
    body = b""
    with anyio.move_on_after(_DRAIN_S * 4):
        try:
            async for data in response.aiter_bytes():
                body += data
                if len(body) > _MAX_ERROR_BODY_BYTES:
                    break
        except httpx2.TransportError:
            return body
    return body


def is_error(field: msgspec.Raw) -> bool:
    """Whether the ``error`` field of a streamed chunk was there and says something."""
    return bytes(field) not in {b"", b"null"}


def error_text(body: bytes) -> str:
    """The message of ``{"error": {"message": ...}}`` and its relatives, else the body itself; shortened."""
    try:
        found = msgspec.json.decode(body)
    except msgspec.MsgspecError:
        found = body.decode("utf-8", "replace")
    for key in ("error", "message", "detail"):
        if isinstance(found, dict) and found.get(key):
            found = found[key]
    return shorten(found if isinstance(found, str) else str(found))


def shorten(text: str) -> str:
    """One line of at most 200 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_ERROR_CHARS else f"{line[: _MAX_ERROR_CHARS - 3]}..."

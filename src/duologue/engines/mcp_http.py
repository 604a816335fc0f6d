"""HTTP to a server that a client of ours named: where it may lead, how much may come back, and what became of it.

The ``mcp`` package tells a failed request in words of JSON-RPC, or by falling over with all its tasks. What HTTP knew
of it (the status, that nobody answered) is written down here, for whoever sent the request, in ``seen_now``.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import anyio
import httpx2

from duologue.engines.addresses import Address
from duologue.errors import ClientError

Permits = Literal["any", "public", "none"]

_CONNECT_TIMEOUT_S = 5.0
# The stream of an idle session is silent for as long as nobody calls a tool; each call has its own time-out.
_READ_TIMEOUT_S = 300.0
_MAX_ANSWER_BYTES = 4 * 1_048_576
_MAX_REFUSAL_BYTES = 65_536
# A stream of events lasts as long as the session: 256 results of the largest kind.
_MAX_STREAM_BYTES = 16 * 1_048_576
_SESSION = "mcp-session-id"
PARAM = "session.tools"


@dataclass(slots=True)
class Seen:
    """What HTTP told of one request. ``status``: of a refusal that says nothing in JSON-RPC. ``is_unsent``: nobody
    took it. ``is_session_lost``: the server does not know our session. ``refusal``: we may not go there. ``scope``: to
    be cancelled when no answer can come any more."""

    status: int | None = None
    is_unsent: bool = False
    is_session_lost: bool = False
    refusal: ClientError | None = None
    scope: anyio.CancelScope | None = None

    @property
    def has_failed(self) -> bool:
        return self.status is not None or self.is_unsent or self.refusal is not None


# The package sends a request in the context of the one who asked.
seen_now: ContextVar[Seen | None] = ContextVar("seen_now", default=None)


class BrokenAnswer(httpx2.StreamError):
    """The body of an answer ends too early or not at all. The package takes it for an answer that is none."""


def refuse(url: str, permits: Permits) -> None:
    """Raises ClientError where ``url`` cannot be gone to, whatever its name stands for."""
    if permits == "none":
        raise _refused("MCP servers are switched off here. Whoever runs this server can set mcp to 'public' or 'any'.")
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        raise _refused("The server_url of an MCP server must be an http or https URL.")
    if permits == "public" and parts.scheme != "https":
        raise _refused(
            "Only MCP servers on https are allowed here. Whoever runs this server can allow others: mcp = 'any'."
        )


def _refused(message: str) -> ClientError:
    return ClientError(message, param=PARAM)


class Guard(httpx2.AsyncBaseTransport):
    """The way of one connection. ``is_allowed``: asked of the very address that is then connected to, None for all.

    No request fails with an exception: the package would end the whole connection for it. ``has_ended``: a stream of
    events that the server had open is over.
    """

    def __init__(self, context: ssl.SSLContext, is_allowed: Callable[[Address], bool] | None) -> None:
        self._inner = httpx2.AsyncHTTPTransport(verify=context)
        self._is_allowed = is_allowed
        self._addresses: list[str] = []
        self._verdict: ClientError | None = None
        self.has_ended = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        seen = seen_now.get() or Seen()
        seen.status, seen.is_unsent, seen.is_session_lost, seen.refusal = None, False, False, None
        try:
            response = await self._send(request)
        except ClientError as error:
            seen.refusal = self._verdict = error
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout):
            seen.is_unsent = True
        except (httpx2.TransportError, OSError, ValueError):
            # It may have arrived: it is not to be sent again.
            seen.status = 502
        else:
            return await self._judged(request, response, seen)
        return _no_answer(seen, httpx2.Response(503))

    async def _judged(self, request: httpx2.Request, response: httpx2.Response, seen: Seen) -> httpx2.Response:
        if response.status_code >= 300 or response.headers.get("content-encoding", "identity") != "identity":
            return await self._refusal(request, response, seen)
        is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
        assert isinstance(response.stream, httpx2.AsyncByteStream), "made by an asynchronous transport"
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_Body(
                response.stream,
                _MAX_STREAM_BYTES if is_stream else _MAX_ANSWER_BYTES,
                on_end=self._on_end if is_stream and request.method == "GET" else None,
            ),
            extensions=response.extensions,
        )

    async def _refusal(self, request: httpx2.Request, response: httpx2.Response, seen: Seen) -> httpx2.Response:
        """A failure with its status; the body is kept where it may say more in JSON-RPC. Redirects are among them."""
        assert isinstance(response.stream, httpx2.AsyncByteStream), "made by an asynchronous transport"
        body = b""
        try:
            async for part in _Body(response.stream, _MAX_REFUSAL_BYTES):
                body += part
        except BrokenAnswer:
            body = b""
        finally:
            await response.stream.aclose()
        seen.is_session_lost = response.status_code == 404 and _SESSION in request.headers
        kind = response.headers.get("content-type", "")
        if response.status_code >= 400 and kind.startswith("application/json") and b'"jsonrpc"' in body:
            return httpx2.Response(response.status_code, headers={"content-type": kind}, content=body)
        # An encoding that we said we do not take: the answer is of no use, whatever its status.
        seen.status = response.status_code if response.status_code >= 300 else 406
        return _no_answer(seen, httpx2.Response(seen.status if seen.status >= 400 else 502))

    def _on_end(self) -> None:
        self.has_ended = True

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        if self._is_allowed is None:
            return await self._inner.handle_async_request(request)
        if self._verdict is not None:
            # A name may stand for something else by now: it has had its chance.
            raise self._verdict
        if not self._addresses:
            self._addresses = await _resolve(request.url, self._is_allowed)
        while True:
            try:
                return await self._inner.handle_async_request(_to(self._addresses[0], request))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                # Perhaps this machine has no IPv6, or one of theirs is down.
                if len(self._addresses) == 1:
                    raise
                del self._addresses[0]

    async def aclose(self) -> None:
        await self._inner.aclose()


def _no_answer(seen: Seen, response: httpx2.Response) -> httpx2.Response:
    if seen.scope is not None:
        seen.scope.cancel()
    return response


async def _resolve(url: httpx2.URL, is_allowed: Callable[[Address], bool]) -> list[str]:
    """All addresses of a name, each of them allowed: a name that also stands for another is not trusted at all."""
    try:
        found = await anyio.getaddrinfo(url.host, url.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx2.ConnectError("there is no such name") from error
    addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    if not addresses or not all(is_allowed(ipaddress.ip_address(address)) for address in addresses):
        raise _refused(
            f"{url.host} is not on the open internet, and only MCP servers there are allowed here. Whoever runs this "
            "server can allow others: mcp = 'any'."
        )
    return addresses


def _to(address: str, request: httpx2.Request) -> httpx2.Request:
    """The same request to an address that has been looked at; its certificate must still be the name's."""
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )


class _Body(httpx2.AsyncByteStream):
    """A body of at most ``most_bytes``."""

    def __init__(
        self, inner: httpx2.AsyncByteStream, most_bytes: int, on_end: Callable[[], None] | None = None
    ) -> None:
        self._inner = inner
        self._left = most_bytes
        self._on_end = on_end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._inner:
                self._left -= len(part)
                if self._left < 0:
                    raise BrokenAnswer("the answer is too large")
                yield part
        except httpx2.TransportError as error:
            raise BrokenAnswer("the answer breaks off") from error
        finally:
            self._ended()

    async def aclose(self) -> None:
        self._ended()
        await self._inner.aclose()

    def _ended(self) -> None:
        if self._on_end is not None:
            self._on_end()


def client(guard: Guard, headers: dict[str, str]) -> httpx2.AsyncClient:
    """A client of one connection: no proxy, no credentials from files, nothing compressed (a few kB unpack to
    gigabytes)."""
    return httpx2.AsyncClient(
        transport=guard,
        headers={**headers, "accept-encoding": "identity"},
        timeout=httpx2.Timeout(_READ_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S, pool=_CONNECT_TIMEOUT_S),
        trust_env=False,
    )

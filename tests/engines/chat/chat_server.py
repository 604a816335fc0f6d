"""A chat server of a few lines, which answers with exactly the bytes that a test wants."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream

Reply = Callable[["Exchange"], Awaitable[None]]


@dataclass
class Request:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    body: dict[str, object]


@dataclass
class Exchange:
    """The open answer to one request."""

    stream: anyio.abc.SocketStream
    request: Request
    server: ChatServer

    async def head(self, status: int = 200, kind: str = "text/event-stream", **more: str) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", "Transfer-Encoding: chunked"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
        await self.stream.send("\r\n".join([*lines, "", ""]).encode())

    async def write(self, data: bytes) -> None:
        await self.stream.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def end(self) -> None:
        await self.stream.send(b"0\r\n\r\n")

    async def wait_for_leaving(self) -> None:
        """Until the client has closed the connection."""
        try:
            while True:
                await self.stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            self.server.left.set()


@dataclass
class ChatServer:
    """``replies`` answer the requests to /chat/completions in turn, the last one for ever."""

    port: int = 0
    replies: list[Reply] = field(default_factory=list)
    models: Reply | None = None
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    asked: anyio.Event = field(default_factory=anyio.Event)
    left: anyio.Event = field(default_factory=anyio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve_connection(self, stream: anyio.abc.SocketStream) -> None:
        self.connections += 1
        async with stream:
            try:
                while True:
                    exchange = Exchange(stream, await _read_request(stream), self)
                    await self._answer(exchange)
            except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    async def _answer(self, exchange: Exchange) -> None:
        self.requests.append(exchange.request)
        self.asked.set()
        if not exchange.request.path.endswith("/chat/completions"):
            await (self.models or json_reply({"data": [{"id": "tiny"}]}))(exchange)
            return
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        await reply(exchange)


async def _read_request(stream: anyio.abc.SocketStream) -> Request:
    reader = BufferedByteReceiveStream(stream)
    head = (await reader.receive_until(b"\r\n\r\n", 65_536)).decode()
    headers = {name.lower(): value for name, value in re.findall(r"^([\w-]+): (.*?)\r?$", head, re.M)}
    size = int(headers.get("content-length", "0"))
    body = json.loads(await reader.receive_exactly(size)) if size else {}
    return Request(head.split()[1], headers, body)


@asynccontextmanager
async def serving(*replies: Reply, models: Reply | None = None) -> AsyncIterator[ChatServer]:
    """A server on an ephemeral port of 127.0.0.1."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    server = ChatServer(listener.extra(anyio.abc.SocketAttribute.local_port), list(replies), models)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, server.serve_connection)
        yield server
        group.cancel_scope.cancel()


def json_reply(body: object, status: int = 200) -> Reply:
    """A whole answer in JSON."""

    async def reply(exchange: Exchange) -> None:
        await exchange.head(status, "application/json")
        await exchange.write(json.dumps(body).encode())
        await exchange.end()

    return reply


DONE = b"data: [DONE]\n\n"


def event(
    content: str | None = None, finish: str | None = None, usage: dict[str, object] | None = None, **delta: object
) -> bytes:
    """One chunk of a completion."""
    choice = {"index": 0, "delta": {"content": content, **delta}, "finish_reason": finish}
    return b"data: %s\n\n" % json.dumps({"choices": [choice], "usage": usage}, ensure_ascii=False).encode()


def usage_event(usage: dict[str, object]) -> bytes:
    """The chunk behind the last one."""
    return b"data: %s\n\n" % json.dumps({"choices": [], "usage": usage}).encode()


def sse_reply(*events: bytes, piece: int | None = None) -> Reply:
    """A stream of these bytes, cut into pieces of so many bytes."""

    async def reply(exchange: Exchange) -> None:
        await exchange.head()
        whole = b"".join(events)
        pieces = [whole[at : at + piece] for at in range(0, len(whole), piece)] if piece else list(events)
        for data in pieces:
            await exchange.write(data)
        await exchange.end()

    return reply

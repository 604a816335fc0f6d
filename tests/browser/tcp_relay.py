"""A bad stretch of network between Chromium and the server: what the server sends comes late."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

# About 64 ms of sound in base64 at a time: each takes its own time, and none overtakes another.
PIECE_BYTES = 4096


class TcpRelay:
    """``url`` leads to the server through it. ``held_back``: pieces that a stall kept."""

    def __init__(self, server: str, jitter_s: float) -> None:
        self._server = urlsplit(server)
        self._jitter_s = jitter_s
        self._random = random.Random(7)
        self._stalled_until_s = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._connections: set[asyncio.Task[None]] = set()
        self._is_cut = False
        self.held_back = 0
        self.url = ""

    def open(self) -> None:
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def stall(self, seconds: float) -> None:
        """Nothing of the server's arrives for so long."""
        self._loop.call_soon_threadsafe(self._begin_stall, seconds)

    def cut(self) -> None:
        """Nothing comes through any more."""
        self._loop.call_soon_threadsafe(self._begin_cut)

    def mend(self) -> None:
        self._is_cut = False

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _begin_stall(self, seconds: float) -> None:
        self._stalled_until_s = self._loop.time() + seconds

    def _begin_cut(self) -> None:
        self._is_cut = True
        for connection in self._connections:
            connection.cancel()

    async def _listen(self) -> str:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._listener.sockets[0].getsockname()
        return f"http://{host}:{port}"

    async def _end(self) -> None:
        self._listener.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.close()
            return
        connection = self._loop.create_task(self._carry(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._server.hostname, self._server.port)
        ways = [self._pass_on(reader, far_writer), self._pass_on_late(far_reader, writer)]
        try:
            await asyncio.gather(*ways)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            far_writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
        writer.close()

    async def _pass_on_late(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivery = self._loop.create_task(self._deliver(line, writer))
        try:
            while piece := await reader.read(PIECE_BYTES):
                line.put_nowait((self._loop.time() + self._jitter_s * self._random.random(), piece))
            line.put_nowait((0.0, b""))
            await delivery
        finally:
            delivery.cancel()

    async def _deliver(self, line: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due_s, piece = await line.get()
            if not piece:
                writer.close()
                return
            await asyncio.sleep(max(0.0, due_s - self._loop.time()))
            left_s = self._stalled_until_s - self._loop.time()
            if left_s > 0:
                self.held_back += 1
                await asyncio.sleep(left_s)
            writer.write(piece)
            await writer.drain()


@contextmanager
def tcp_relay(server: str, jitter_s: float) -> Iterator[TcpRelay]:
    """Each piece of what ``server`` sends takes up to ``jitter_s`` longer."""
    relay = TcpRelay(server, jitter_s)
    relay.open()
    try:
        yield relay
    finally:
        relay.close()

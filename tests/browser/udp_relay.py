"""A stretch of network between Chromium and the server's WebRTC, which a test can cut."""

from __future__ import annotations

import re
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Error, Page, Route

Address = tuple[str, int]

_CANDIDATE = re.compile(r"a=candidate:\S+ 1 udp \d+ (?P<host>[\d.]+) (?P<port>\d+) typ host.*\r\n", flags=re.IGNORECASE)
_ANY_CANDIDATE = re.compile(r"a=candidate:.*\r\n")


class UdpRelay:
    """Both sides know of no address but the relay's, so every packet goes through it."""

    def __init__(self) -> None:
        self._near, self._far = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self._near.bind(("127.0.0.1", 0))
        self._far.bind(("0.0.0.0", 0))
        self._client: Address | None = None
        self._server: Address | None = None
        self._is_cut = False
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def stand_between(self, page: Page) -> None:
        """Before the page starts its call."""
        page.route("**/v1/realtime/calls?*", self._exchange)
        self._thread.start()

    def cut(self) -> None:
        """From now on no packet arrives."""
        self._is_cut = True

    def mend(self) -> None:
        self._is_cut = False

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()
        self._near.close()
        self._far.close()

    def _exchange(self, route: Route) -> None:
        offer = route.request.post_data or ""
        try:
            response = route.fetch(post_data=_ANY_CANDIDATE.sub("", offer))
        except Error:  # the server is away
            route.abort()
            return
        answer = response.text()
        found = _CANDIDATE.search(answer)
        assert found is not None, answer
        self._server = (found["host"], int(found["port"]))
        host, port = self._near.getsockname()
        ours = f"a=candidate:1 1 udp 2130706431 {host} {port} typ host\r\n"
        body = _ANY_CANDIDATE.sub("", answer.replace(found[0], "@@", 1)).replace("@@", ours)
        route.fulfill(response=response, body=body)

    def _run(self) -> None:
        while not self._is_over.is_set():
            for ready in select.select([self._near, self._far], [], [], 0.1)[0]:
                packet, sender = ready.recvfrom(65_536)
                if self._is_cut:
                    continue
                self._pass_on(packet, sender, is_near=ready is self._near)

    def _pass_on(self, packet: bytes, sender: Address, *, is_near: bool) -> None:
        if is_near:
            self._client = sender
            if self._server is not None:
                self._far.sendto(packet, self._server)
        elif self._client is not None:
            self._near.sendto(packet, self._client)


@contextmanager
def udp_relay(page: Page) -> Iterator[UdpRelay]:
    relay = UdpRelay()
    relay.stand_between(page)
    try:
        yield relay
    finally:
        relay.close()

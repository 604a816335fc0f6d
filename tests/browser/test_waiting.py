"""Who cannot be let in at once: their place in the line, a server that still loads, and no place at all."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import MARKS, PATIENCE_MS, end, expect_carrier, expect_state, private
from tests.served import START_S, serving

pytestmark = MARKS

WATCH = """
window.streams = [];
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await ask(wanted);
  streams.push(stream);
  return stream;
};
"""
WAYS = [("", "over WebRTC"), ("?transport=websocket", "over WebSocket")]


@contextmanager
def _person(browser: Browser, url: str) -> Iterator[Page]:
    """Somebody who asks to talk, in a browser of their own."""
    with private(browser, permissions=["microphone"]) as context:
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto(url)
        page.locator(".talk").click()
        yield page


def _expect_title(page: Page, title: str) -> None:
    expect(page.locator(".words .title").first).to_have_text(title, timeout=PATIENCE_MS)


@pytest.mark.parametrize(("address", "carrier"), WAYS)
def test_the_second_sees_its_place_and_gets_in_when_the_first_leaves(
    one_chromium: Browser, server: str, address: str, carrier: str
) -> None:
    url = server + address
    with _person(one_chromium, url) as first:
        expect_state(first, "listening")
        with _person(one_chromium, url) as second:
            _expect_title(second, "You are next in line")
            expect(second).to_have_title(re.compile("next in line"))
            assert second.evaluate("streams.every((stream) => !stream.active)"), "nobody listens to who waits"
            with _person(one_chromium, url) as third:
                _expect_title(third, "You are 2nd of 2 in line")
                end(first)
                expect_state(second, "listening")
                expect_carrier(second, carrier)
                expect(second).to_have_title("Duologue")
                assert second.evaluate("streams.at(-1).active")
                _expect_title(third, "You are next in line")
                third.get_by_text("Leave the line").click()
                expect_state(third, "idle")
            end(second)
    _expect_no_line(server)


def test_the_line_is_left_with_the_page(one_chromium: Browser, server: str) -> None:
    with _person(one_chromium, server) as first:
        expect_state(first, "listening")
        with _person(one_chromium, server) as second:
            expect_state(second, "waiting")
            second.goto("about:blank")
            _expect_no_line(server)
        end(first)


def test_where_the_line_is_full_the_server_says_so(one_chromium: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_MAX_WAITING", "0")
    with serving("scripted", "--max-sessions", "1") as url, _person(one_chromium, url) as first:
        expect_state(first, "listening")
        with _person(one_chromium, url) as second:
            alert = second.locator(".words [role=alert]")
            expect(alert).to_contain_text("All places are taken", timeout=PATIENCE_MS)
            assert second.evaluate("streams.every((stream) => !stream.active)")
            expect(second.get_by_role("button", name="Try again")).to_be_visible()
        end(first)


@pytest.mark.parametrize(("address", "carrier"), WAYS)
def test_who_comes_while_the_models_load_is_connected_when_they_are_there(
    one_chromium: Browser, tmp_path: Path, address: str, carrier: str
) -> None:
    loaded = tmp_path / "loaded"
    with _slow_server(loaded) as url, _person(one_chromium, url + address) as page:
        _expect_title(page, "The server is starting")
        hint = page.locator(".words .hint").first
        expect(hint).to_contain_text("4 of 5 ready, waiting for slow.", timeout=PATIENCE_MS)
        loaded.touch()
        expect_state(page, "listening")
        expect_carrier(page, carrier)
        end(page)


@contextmanager
def _slow_server(loaded: Path) -> Iterator[str]:
    """Its URL, before its models are there; they are when ``loaded`` exists."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "tests.browser.slow", str(loaded), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(url)
            yield url
        finally:
            loaded.touch()
            process.send_signal(signal.SIGTERM)
            process.wait(START_S)


def _wait_for(url: str) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s:
        try:
            httpx.get(f"{url}/healthz")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the server did not start")


def _expect_no_line(server: str) -> None:
    """Nobody waits any more, and soon: who leaves says so."""
    deadline_s = time.monotonic() + 5
    while (waiting := _waiting(server)) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert waiting == 0


def _waiting(server: str) -> int:
    return int(httpx.get(f"{server}/ops/state").json()["admission"]["waiting"])

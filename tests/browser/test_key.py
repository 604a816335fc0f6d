"""A server that asks for a key, over http and over https with a certificate of its own making."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.chromium import MARKS, PATIENCE_MS, end, expect_carrier, expect_state, private, say_typed
from tests.served import serving

pytestmark = MARKS

KEY = "sk-right_1"
# A header carries it, a WebSocket's subprotocol does not.
AWKWARD_KEY = "sk/awk=ward"
WAYS = [("", "over WebRTC"), ("?transport=websocket", "over WebSocket")]


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys.txt"
    path.write_text(f"{KEY}\n{AWKWARD_KEY}\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def locked_server(key_file: Path) -> Iterator[str]:
    with serving("embedded", "--max-sessions", "1", "--api-key-file", str(key_file)) as url:
        yield url


def _give(page: Page, key: str) -> None:
    field = page.get_by_label("Key", exact=True)
    expect(field).to_be_focused(timeout=PATIENCE_MS)
    field.fill(key)
    page.keyboard.press("Enter")


@pytest.mark.parametrize(("address", "carrier"), WAYS)
def test_a_key_is_asked_for_until_it_is_right(
    browser: BrowserContext, locked_server: str, address: str, carrier: str
) -> None:
    page = browser.new_page()
    page.goto(locked_server + address)
    page.locator(".talk").click()
    alert = page.locator(".words [role=alert]")
    expect(alert).to_contain_text("asks for a key", timeout=PATIENCE_MS)
    _give(page, "sk-wrong")
    expect(alert).to_contain_text("not accepted", timeout=PATIENCE_MS)
    _give(page, KEY)
    expect_carrier(page, carrier)
    say_typed(page, "What is two plus three?")
    expect(page.locator(".transcript")).to_contain_text("five", timeout=PATIENCE_MS)
    end(page)


def test_a_key_is_kept_for_its_tab_alone(browser: BrowserContext, locked_server: str) -> None:
    page = browser.new_page()
    page.goto(f"{locked_server}#key={KEY}")
    assert KEY not in page.url
    page.reload()
    page.locator(".talk").click()
    expect_state(page, "listening")
    end(page)
    assert page.evaluate("localStorage.length + document.cookie.length") == 0
    other = browser.new_page()
    other.goto(locked_server)
    other.locator(".talk").click()
    expect(other.get_by_label("Key")).to_be_focused(timeout=PATIENCE_MS)


def test_a_key_that_a_websocket_cannot_carry(browser: BrowserContext, locked_server: str) -> None:
    page = browser.new_page()
    page.goto(f"{locked_server}#key={AWKWARD_KEY}")
    page.locator(".talk").click()
    expect_carrier(page, "over WebRTC")
    end(page)
    page.goto(f"{locked_server}?transport=websocket")
    page.locator(".talk").click()
    expect(page.locator(".words [role=alert]")).to_contain_text("cannot be sent over WebSocket", timeout=PATIENCE_MS)


def test_https_with_a_certificate_of_its_own(one_chromium: Browser, key_file: Path, tmp_path: Path) -> None:
    with (
        serving("embedded", "--tls-self-signed", "--api-key-file", str(key_file), data_folder=tmp_path) as url,
        private(one_chromium, permissions=["microphone"], ignore_https_errors=True) as browser,
    ):
        for address, carrier in WAYS:
            page = browser.new_page()
            page.goto(f"{url}{address}#key={KEY}")
            page.locator(".talk").click()
            expect_carrier(page, carrier)
            end(page)

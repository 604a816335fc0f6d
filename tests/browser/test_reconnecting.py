"""The server dies and comes back, or the network does: the talk goes on by itself, and knows what was said."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chromium import (
    MARKS,
    PATIENCE_MS,
    WAYS,
    answered,
    end,
    entries,
    expect_carrier,
    expect_state,
)
from tests.browser.mortal import mortal_server
from tests.browser.speech import MOUTH
from tests.browser.tcp_relay import tcp_relay
from tests.browser.udp_relay import udp_relay

pytestmark = MARKS


def _begun(browser: BrowserContext, url: str) -> Page:
    """A talk, in which the assistant was told a name."""
    page = browser.new_page()
    _begin(page, url)
    return page


def _begin(page: Page, url: str) -> None:
    page.add_init_script(MOUTH)
    page.goto(url)
    page.locator(".talk").click()
    answered(page, "My name is Anna.", "Anna")


def _expect_gone_on(page: Page) -> None:
    """Nobody pressed anything, the words are there, and the name is remembered."""
    expect_state(page, "listening")
    expect(page.locator(".transcript li")).to_have_count(2)
    expect(entries(page, "user").locator("p")).to_have_text("My name is Anna.")
    answered(page, "What is my name?", "Anna")
    end(page)


@pytest.mark.parametrize(("address", "carrier"), WAYS)
@pytest.mark.parametrize("store", ["on", "off"])
def test_the_server_is_killed_and_started_again(
    browser: BrowserContext, tmp_path: Path, address: str, carrier: str, store: str
) -> None:
    with mortal_server(tmp_path, store) as server:
        page = _begun(browser, server.url + address)
        expect_carrier(page, carrier)
        server.kill()
        expect_state(page, "reconnecting")
        expect(page.locator(".words .title").first).to_have_text("Reconnecting")
        expect(page.locator(".transcript li")).to_have_count(2)
        server.start()
        _expect_gone_on(page)


def test_the_network_is_lost_and_comes_back_over_websocket(browser: BrowserContext, tmp_path: Path) -> None:
    with mortal_server(tmp_path) as server, tcp_relay(server.url, 0) as network:
        page = _begun(browser, f"{network.url}/?transport=websocket")
        network.cut()
        expect_state(page, "reconnecting")
        network.mend()
        _expect_gone_on(page)


def test_the_network_is_lost_and_comes_back_over_webrtc(browser: BrowserContext, tmp_path: Path) -> None:
    page = browser.new_page()
    with mortal_server(tmp_path) as server, tcp_relay(server.url, 0) as network, udp_relay(page) as media:
        _begin(page, network.url)
        expect_carrier(page, "over WebRTC")
        media.cut()
        network.cut()
        expect_state(page, "reconnecting")
        media.mend()
        network.mend()
        _expect_gone_on(page)


def test_a_talk_is_ended_while_it_reconnects(browser: BrowserContext, tmp_path: Path) -> None:
    with mortal_server(tmp_path) as server:
        page = _begun(browser, server.url)
        server.kill()
        expect_state(page, "reconnecting")
        page.get_by_role("button", name="Cancel").click()
        expect_state(page, "ended")
        server.start()
        page.wait_for_timeout(1500)
        expect_state(page, "ended")
        page.get_by_role("button", name="Continue").click()
        _expect_gone_on(page)


def test_a_server_that_stays_away_is_told_of_at_the_next_start(browser: BrowserContext, tmp_path: Path) -> None:
    with mortal_server(tmp_path) as server:
        page = _begun(browser, server.url)
        end(page)
        server.kill()
        page.get_by_role("button", name="Continue").click()
        alert = page.locator(".words [role=alert]")
        expect(alert).to_contain_text("The server cannot be reached", timeout=PATIENCE_MS)
        server.start()
        page.get_by_role("button", name="Try again").click()
        _expect_gone_on(page)

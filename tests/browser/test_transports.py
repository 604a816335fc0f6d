"""What carries the talk: WebRTC where it can, WebSocket where it cannot, and the page says which."""

from __future__ import annotations

import time
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chromium import MARKS, PATIENCE_MS, end, expect_carrier, expect_state, say_typed
from tests.browser.speech import MOUTH, Speech, expect_thanks
from tests.browser.udp_relay import udp_relay

pytestmark = MARKS

# With relays only, and none given, a connection has no candidates and never stands.
NO_WAY = """
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(setup) { super({ ...setup, iceTransportPolicy: "relay" }); }
};
"""
NO_WEBRTC = "delete window.RTCPeerConnection;"
# What the page holds, so that a test can see that it lets go.
WATCH = """
window.held = { streams: [], peers: [], sent: [] };
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await ask(wanted);
  held.streams.push(stream);
  return stream;
};
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(setup) { super(setup); held.peers.push(this); }
};
for (const kind of [RTCDataChannel, WebSocket]) {
  const send = kind.prototype.send;
  kind.prototype.send = function (text) {
    held.sent.push(JSON.parse(text).type);
    return send.call(this, text);
  };
}
"""


def _start(browser: BrowserContext, url: str, *scripts: str, before: str = "") -> Page:
    page = browser.new_page()
    page.add_init_script("\n".join([before, WATCH, *scripts]))
    page.goto(url)
    page.locator(".talk").click()
    return page


def _refuse_calls(page: Page) -> None:
    page.route("**/v1/realtime/calls*", lambda route: route.fulfill(status=HTTPStatus.NOT_FOUND, json={}))


def _sent(page: Page) -> set[str]:
    return set(page.evaluate("held.sent"))


def test_over_webrtc_the_server_keeps_account_of_what_was_heard(
    browser: BrowserContext, server: str, speech: Speech, tmp_path: Path
) -> None:
    page = browser.new_page()
    hosts: list[str] = []
    page.on("request", lambda request: hosts.append(urlsplit(request.url).netloc))
    page.add_init_script(MOUTH + WATCH)
    page.goto(server)
    page.locator(".talk").focus()
    page.keyboard.press("Enter")
    expect_carrier(page, "over WebRTC")
    speech.talk(page)
    told = {"conversation.item.truncate", "input_audio_buffer.append", "duologue.output_audio.played"}
    assert not _sent(page) & told
    page.screenshot(path=tmp_path / "talk.png")
    end(page)
    assert set(hosts) == {urlsplit(server).netloc}


def test_a_server_without_calls_is_talked_to_over_websocket(listening_browser: BrowserContext, server: str) -> None:
    page = listening_browser.new_page()
    page.add_init_script(WATCH)
    _refuse_calls(page)
    page.goto(server)
    page.locator(".talk").click()
    expect_carrier(page, "over WebSocket")
    expect_carrier(page, "does not offer WebRTC")
    expect_thanks(page)
    assert "input_audio_buffer.append" in _sent(page)
    end(page)


def test_a_network_without_a_way_is_talked_over_by_websocket(
    browser: BrowserContext, server: str, speech: Speech
) -> None:
    page = _start(browser, server, NO_WAY, before=MOUTH)
    expect_carrier(page, "over WebSocket")
    expect_carrier(page, "no way to the server")
    speech.talk(page)
    told = {"conversation.item.truncate", "input_audio_buffer.append", "duologue.output_audio.played"}
    assert _sent(page) >= told
    assert page.evaluate("held.streams.length") == 1, "the microphone is asked for once"
    end(page)
    page.locator(".talk").click()
    expect_carrier(page, "over WebSocket")
    assert page.evaluate("held.peers.length") == 1, "what cannot be is not waited for twice"
    end(page)


def test_a_talk_goes_on_when_webrtc_breaks_off(browser: BrowserContext, server: str) -> None:
    page = browser.new_page()
    with udp_relay(page) as network:
        page.goto(server)
        page.locator(".talk").click()
        expect_carrier(page, "over WebRTC")
        say_typed(page, "Hello")
        answers = page.locator(".transcript li[data-role=assistant][data-status=final]")
        expect(answers).to_be_visible(timeout=PATIENCE_MS)
        network.cut()
        expect_carrier(page, "over WebSocket")
        expect(page.locator(".words [role=alert]")).to_contain_text("broke", timeout=PATIENCE_MS)
        expect(page.locator(".transcript li")).to_have_count(2)
        say_typed(page, "What is two plus three?")
        expect(page.locator(".transcript")).to_contain_text("five", timeout=PATIENCE_MS)
        end(page)


@pytest.mark.parametrize(
    ("address", "script", "carrier"),
    [
        ("", NO_WEBRTC, "over WebSocket: This browser has no WebRTC"),
        ("?transport=websocket", "", "over WebSocket: This page's address asks for it"),
        ("?transport=webrtc", "", "over WebRTC"),
    ],
)
def test_the_way_is_chosen(browser: BrowserContext, server: str, address: str, script: str, carrier: str) -> None:
    page = _start(browser, server + address, script)
    expect(page.locator(".carrier")).to_contain_text(carrier, timeout=PATIENCE_MS)
    end(page)


def test_nothing_takes_the_place_of_a_transport_that_was_asked_for(browser: BrowserContext, server: str) -> None:
    page = _start(browser, f"{server}?transport=webrtc", NO_WAY)
    expect(page.locator(".words [role=alert]")).to_contain_text("WebRTC did not work", timeout=PATIENCE_MS)


@pytest.mark.parametrize("address", ["", "?transport=websocket"])
@pytest.mark.parametrize("leave", ["stop", "close"])
def test_whoever_leaves_frees_everything(browser: BrowserContext, server: str, address: str, leave: str) -> None:
    page = _start(browser, server + address)
    expect_state(page, "listening")
    assert _places_taken(server) == 1
    if leave == "stop":
        end(page)
        assert page.evaluate("held.streams.map((stream) => stream.active)") == [False]
        assert page.evaluate("held.peers.every((peer) => peer.connectionState === 'closed')")
    else:
        page.goto("about:blank")
    deadline_s = time.monotonic() + PATIENCE_MS / 1000
    while _places_taken(server) > 0 and time.monotonic() < deadline_s:
        page.wait_for_timeout(100)
    assert _places_taken(server) == 0


@pytest.mark.parametrize("address", ["", "?transport=websocket"])
def test_a_microphone_refused_and_then_allowed(wary_browser: BrowserContext, server: str, address: str) -> None:
    page = wary_browser.new_page()
    page.goto(server + address)
    page.locator(".talk").click()
    expect(page.locator(".words [role=alert]")).to_contain_text("not allowed", timeout=PATIENCE_MS)
    wary_browser.grant_permissions(["microphone"])
    page.locator(".talk").click()
    expect_state(page, "listening")
    end(page)


def test_who_only_types_interrupts_over_webrtc_too(wary_browser: BrowserContext, server: str) -> None:
    page = _start(wary_browser, server)
    page.get_by_text("Type instead").click()
    expect_carrier(page, "over WebRTC")
    say_typed(page, "Tell me a story.")
    expect_state(page, "speaking")
    page.wait_for_timeout(1000)
    say_typed(page, "What is two plus three?")
    expect(page.locator(".transcript li[data-status=interrupted] s")).not_to_be_empty(timeout=PATIENCE_MS)
    expect(page.locator(".transcript li").last).to_contain_text("five", timeout=PATIENCE_MS)
    end(page)


def test_a_call_that_the_server_ends_is_over(browser: BrowserContext, server: str) -> None:
    page = browser.new_page()
    page.goto(server)
    with page.expect_response("**/v1/realtime/calls?*") as answered:
        page.locator(".talk").click()
    expect_state(page, "listening")
    call = answered.value.header_value("Location")
    assert httpx.post(f"{server}{call}/hangup").status_code == HTTPStatus.OK
    expect(page.locator(".words [role=alert]")).to_contain_text(
        "The server ended the conversation", timeout=PATIENCE_MS
    )
    page.get_by_text("Reconnect", exact=True).click()
    expect_carrier(page, "over WebRTC")
    end(page)


def _places_taken(server: str) -> int:
    return int(httpx.get(f"{server}/readyz").json()["sessions"])

"""Spoken with: answered, interrupted, muted, held to talk, typed to beside speech; over both transports."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chromium import (
    MARKS,
    PATIENCE_MS,
    WAYS,
    answered,
    close_panel,
    end,
    entries,
    expect_carrier,
    expect_state,
    expect_true,
    panel,
)
from tests.browser.speech import MOUTH, QUESTION, THANKS, WISH, Speech, expect_thanks

pytestmark = MARKS

# Every state that the page showed.
STATES = """
window.states = [];
new MutationObserver(() => {
  const state = document.querySelector("main")?.dataset.state;
  if (state && state !== states.at(-1)) states.push(state);
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-state"] });
"""
MICROPHONES = """
window.microphones = [];
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await ask(wanted);
  microphones.push(...stream.getAudioTracks());
  return stream;
};
"""


def _opened(browser: BrowserContext, url: str, script: str = MOUTH) -> Page:
    page = browser.new_page()
    page.add_init_script(STATES + script)
    page.goto(url)
    return page


@pytest.mark.parametrize(("address", "carrier"), WAYS)
def test_it_is_spoken_with_and_interrupted(
    browser: BrowserContext, server: str, speech: Speech, address: str, carrier: str
) -> None:
    page = _opened(browser, server + address)
    page.locator(".talk").click()
    expect_carrier(page, carrier)
    expect_state(page, "listening")
    speech.say(page, WISH)
    expect(entries(page, "user")).to_contain_text("story", timeout=PATIENCE_MS)
    expect_state(page, "speaking")
    page.wait_for_timeout(1500)  # some words are heard
    speech.say(page, QUESTION)
    cut = entries(page, "assistant", "interrupted")
    expect(cut).to_have_count(1, timeout=PATIENCE_MS)
    expect(cut.locator("s")).not_to_be_empty(timeout=PATIENCE_MS)
    assert cut.locator("p").evaluate("(said) => said.firstChild.textContent.trim()"), "some words were heard"
    expect(entries(page, "assistant")).to_have_count(1, timeout=PATIENCE_MS)
    order = iter(page.evaluate("states"))
    expected = ["connecting", "listening", "hearing", "thinking", "speaking", "interrupted", "thinking", "speaking"]
    assert all(state in order for state in expected), page.evaluate("states")
    answered(page, "What is two plus three?", "five")
    end(page)


@pytest.mark.parametrize(("address", "carrier"), WAYS)
def test_who_is_muted_is_not_heard(
    browser: BrowserContext, server: str, speech: Speech, address: str, carrier: str
) -> None:
    page = _opened(browser, server + address)
    page.locator(".talk").click()
    expect_state(page, "listening")
    page.get_by_role("button", name="Mute", exact=True).click()
    expect_state(page, "muted")
    speech.say_out(page, WISH)
    page.keyboard.press("m")
    expect_state(page, "listening")
    speech.say(page, THANKS)
    expect_thanks(page)
    expect(page.locator(".transcript li[data-role=user]")).to_have_count(1)
    end(page)


@pytest.mark.parametrize(("address", "carrier"), WAYS)
def test_with_push_to_talk_it_listens_while_the_space_bar_is_held(
    browser: BrowserContext, server: str, speech: Speech, address: str, carrier: str
) -> None:
    page = _opened(browser, server + address)
    panel(page, "Settings").get_by_label("Push to talk").check()
    close_panel(page)
    page.locator(".talk").click()
    expect_carrier(page, carrier)
    expect(page.locator(".words .title").first).to_have_text("Hold to talk")
    speech.say_out(page, WISH)
    page.keyboard.down("Space")
    expect_state(page, "hearing")
    speech.say_out(page, THANKS)
    page.keyboard.up("Space")
    expect_thanks(page)
    expect(page.locator(".transcript li[data-role=user]")).to_have_count(1)
    end(page)


@pytest.mark.parametrize(("address", "carrier"), WAYS)
def test_another_microphone_is_chosen_in_mid_talk(
    browser: BrowserContext, server: str, address: str, carrier: str
) -> None:
    page = _opened(browser, server + address, MICROPHONES)
    page.locator(".talk").click()
    expect_carrier(page, carrier)
    microphone = panel(page, "Settings").get_by_label("Microphone", exact=True)
    expect(microphone.locator("option", has_text="Fake Audio Input 2")).to_have_count(1)
    microphone.select_option(label="Fake Audio Input 2")
    expect_true(page, "microphones.some(({ label }) => label === 'Fake Audio Input 2')")
    expect_true(page, "microphones.filter(({ readyState }) => readyState === 'live').length === 1")
    live = "microphones.find(({ readyState }) => readyState === 'live').label"
    assert page.evaluate(live) == "Fake Audio Input 2"
    close_panel(page)
    expect_carrier(page, carrier)
    end(page)
    assert page.evaluate("microphones.every(({ readyState }) => readyState === 'ended')")
    page.reload()
    page.locator(".talk").click()
    expect_carrier(page, carrier)
    assert page.evaluate(live) == "Fake Audio Input 2"
    end(page)

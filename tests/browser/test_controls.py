"""What a person can do on the page in a talk, by keyboard and by hand."""

from __future__ import annotations

import json

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.axe import expect_accessible
from tests.browser.chromium import MARKS, PATIENCE_MS, end, expect_state, say_typed

pytestmark = MARKS


def _talk(browser: BrowserContext, url: str, **devices: object) -> Page:
    page = browser.new_page()
    page.add_init_script(f"localStorage.setItem('duologue-devices', '{json.dumps(devices)}')")
    page.goto(url)
    page.locator(".talk").click()
    return page


def test_the_shape_is_the_button_too(browser: BrowserContext, server: str) -> None:
    page = browser.new_page()
    page.goto(server)
    page.locator(".shape").click()
    expect(page.locator(".control.mute")).to_be_visible(timeout=PATIENCE_MS)
    end(page)


def test_mute_and_unmute_by_key_and_by_hand(browser: BrowserContext, server: str) -> None:
    page = _talk(browser, server)
    expect(page.get_by_role("button", name="Mute", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    page.keyboard.press("m")
    expect(page.get_by_role("button", name="Unmute")).to_be_visible()
    expect_state(page, "muted")
    expect(page.get_by_role("status").filter(has_text="Muted")).to_have_count(1)
    page.get_by_role("button", name="Unmute").click()
    expect(page.get_by_role("button", name="Mute", exact=True)).to_be_visible()
    page.locator(".composer input").fill("mm")
    expect(page.get_by_role("button", name="Mute", exact=True)).to_be_visible()
    end(page)


def test_escape_closes_what_is_open_before_it_ends_the_talk(browser: BrowserContext, server: str) -> None:
    page = _talk(browser, server)
    expect(page.locator(".control.mute")).to_be_visible(timeout=PATIENCE_MS)
    opener = page.get_by_role("button", name="Timing")
    opener.click()
    expect(page.get_by_role("heading", name="Timing")).to_be_focused()
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()
    page.get_by_role("button", name="Volume").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("slider")).to_have_count(0)
    expect(page.locator(".control.mute")).to_be_visible()
    end(page)


def test_with_push_to_talk_nobody_is_heard_until_the_space_bar_is_held(browser: BrowserContext, server: str) -> None:
    page = _talk(browser, server, isPushToTalk=True)
    hold = page.get_by_role("button", name="Hold to talk")
    expect(hold).to_have_attribute("aria-pressed", "false", timeout=PATIENCE_MS)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.down(" ")
    expect(hold).to_have_attribute("aria-pressed", "true")
    page.keyboard.up(" ")
    expect(hold).to_have_attribute("aria-pressed", "false")
    end(page)


def test_an_entry_is_reached_by_keyboard_and_the_page_is_accessible(browser: BrowserContext, server: str) -> None:
    page = _talk(browser, server)
    expect(page.locator(".composer")).to_be_visible(timeout=PATIENCE_MS)
    say_typed(page, "What is two plus three?")
    expect(page.locator(".transcript")).to_contain_text("five", timeout=PATIENCE_MS)
    page.locator(".transcript").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.locator(".transcript li[data-role=user]").first).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Copy")).to_be_focused()
    expect_accessible(page)
    end(page)


def test_the_chosen_theme_stands_before_the_page_is_drawn(browser: BrowserContext, server: str) -> None:
    page = browser.new_page()
    page.add_init_script("localStorage.setItem('duologue-look', JSON.stringify({ theme: 'dark' }))")
    page.emulate_media(color_scheme="light")
    page.route("**/assets/index-*.js", lambda route: route.abort())
    page.goto(server)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 22)"

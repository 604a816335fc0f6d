"""No rule of axe's is broken, whatever the page shows: in both themes, on a desktop and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from tests.browser.axe import expect_accessible
from tests.browser.chromium import (
    MARKS,
    PATIENCE_MS,
    answered,
    close_panel,
    end,
    expect_state,
    panel,
    private,
    say_typed,
)
from tests.browser.speech import MOUTH
from tests.served import serving

pytestmark = MARKS

KEY = "sk-right_1"
PANELS = ["Conversations", "Timing", "Settings", "Developer"]
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def talkative(playwright: object) -> Iterator[str]:
    with serving("scripted", "--chat", "builtin") as url:
        yield url


@pytest.fixture(scope="module")
def locked(playwright: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path: Path = tmp_path_factory.mktemp("keys") / "keys.txt"
    path.write_text(f"{KEY}\n", encoding="utf-8")
    with serving("scripted", "--api-key-file", str(path)) as url:
        yield url


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def page(one_chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Its microphone is silent."""
    with private(one_chromium, viewport=request.param, permissions=["microphone"]) as context:
        opened = context.new_page()
        opened.add_init_script(MOUTH)
        yield opened


def test_the_talk(page: Page, talkative: str) -> None:
    page.goto(talkative)
    expect_accessible(page)
    page.locator(".talk").click()
    expect_state(page, "listening")
    expect_accessible(page)
    answered(page, "My name is Anna.", "Anna")
    page.locator(".transcript li").first.focus()
    expect_accessible(page)
    say_typed(page, "Tell me a story.")
    expect_state(page, "speaking")
    expect_accessible(page)
    say_typed(page, "What is my name?")
    expect(page.locator(".transcript li[data-status=interrupted] s").last).to_be_visible(timeout=PATIENCE_MS)
    expect_accessible(page)
    for box in ("Volume", "More"):
        page.get_by_role("button", name=box, exact=True).click()
        expect_accessible(page)
        page.keyboard.press("Escape")
    page.locator(".mute").click()
    expect_accessible(page)
    end(page)
    expect_accessible(page)


def test_the_panels(page: Page, talkative: str) -> None:
    page.goto(talkative)
    for name in PANELS:
        panel(page, name)
        expect_accessible(page)
        close_panel(page)
    page.locator(".talk").click()
    answered(page, "My name is Anna.", "Anna")
    for name in PANELS:
        _show_all(name, panel(page, name))
        expect_accessible(page)
        close_panel(page)
    panel(page, "Developer").get_by_role("tab", name="Connect an SDK").click()
    expect_accessible(page)
    close_panel(page)
    end(page)


def _show_all(name: str, opened: Locator) -> None:
    """Of what the panel has when there was a talk."""
    if name == "Conversations":
        # What was said just now is written down within half a second.
        search = opened.get_by_label("Search what was said")
        for query in ("Anna", "Ann") * 5:
            search.fill(query)
            expect(opened.get_by_text("Nothing found").or_(opened.locator("mark").first)).to_be_visible()
            if opened.locator("mark").count():
                break
        expect(opened.locator("mark").first).to_be_visible()
    if name == "Timing":
        expect(opened.get_by_text("Asked in writing").last).to_be_visible()


def test_push_to_talk(page: Page, talkative: str) -> None:
    page.goto(talkative)
    panel(page, "Settings").get_by_label("Push to talk").check()
    close_panel(page)
    page.locator(".talk").click()
    expect(page.locator(".words .title").first).to_have_text("Hold to talk", timeout=PATIENCE_MS)
    expect_accessible(page)
    end(page)


def test_the_form_for_a_key(page: Page, locked: str) -> None:
    page.goto(locked)
    page.locator(".talk").click()
    expect(page.get_by_label("Key")).to_be_focused(timeout=PATIENCE_MS)
    expect_accessible(page)
    panel(page, "Conversations")
    expect(page.locator("#conversations").get_by_label("Key")).to_be_visible()
    expect_accessible(page)


def test_a_refused_microphone(one_chromium: Browser, talkative: str) -> None:
    for viewport in (DESKTOP, PHONE):
        with private(one_chromium, viewport=viewport) as context:
            page = context.new_page()
            page.goto(talkative)
            page.locator(".talk").click()
            expect(page.locator(".words [role=alert]")).to_contain_text("not allowed", timeout=PATIENCE_MS)
            expect_accessible(page)


def test_the_operators_page(page: Page, talkative: str, locked: str) -> None:
    page.goto(f"{talkative}/ops")
    expect(page.get_by_label("Engines")).to_be_visible(timeout=PATIENCE_MS)
    expect_accessible(page)
    page.goto(f"{locked}/ops")
    expect(page.get_by_label("Key")).to_be_visible(timeout=PATIENCE_MS)
    expect_accessible(page)

"""What the server keeps: shown again after a reload, gone on with, found, renamed, deleted, taken over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

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
    panel,
)
from tests.browser.speech import MOUTH
from tests.served import serving

pytestmark = MARKS

NAME, SUM = "My name is Anna.", "What is two plus three?"


@pytest.fixture
def keeper(playwright: object) -> Iterator[str]:
    """A server of one's own: nobody else's conversations are in its list."""
    with serving("scripted", "--chat", "builtin") as url:
        yield url


def _talk(browser: BrowserContext, url: str) -> Page:
    page = browser.new_page()
    page.add_init_script(MOUTH)
    page.goto(url)
    page.locator(".talk").click()
    return page


def _rows(page: Page) -> Locator:
    return page.locator("#conversations .row")


def _kept(server: str) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = httpx.get(f"{server}/v1/conversations").json()["data"]
    return data


@pytest.mark.parametrize(("address", "carrier"), WAYS)
def test_after_a_reload_it_is_shown_and_gone_on_with(
    browser: BrowserContext, keeper: str, address: str, carrier: str
) -> None:
    page = _talk(browser, keeper + address)
    answered(page, NAME, "Anna")
    expect_state(page, "listening")
    page.reload()
    expect_state(page, "idle")
    expect(page.locator(".words .title").first).to_have_text("Ready to go on")
    expect(entries(page, "user").locator("p")).to_have_text(NAME)
    expect(entries(page, "assistant")).to_contain_text("Anna")
    page.get_by_role("button", name="Continue").click()
    expect_carrier(page, carrier)
    answered(page, "What is my name?", "Anna")
    expect(page.locator(".transcript li")).to_have_count(4)
    end(page)
    assert [each["turns"] for each in _kept(keeper)] == [2]


def test_it_is_found_renamed_and_deleted_for_good(browser: BrowserContext, keeper: str) -> None:
    page = _talk(browser, keeper)
    answered(page, NAME, "Anna")
    end(page)
    page.locator(".dock").get_by_role("button", name="New conversation").click()
    expect(page.locator(".transcript")).to_have_count(0)
    page.locator(".talk").click()
    answered(page, SUM, "five")
    end(page)
    kept = panel(page, "Conversations")
    expect(_rows(page)).to_have_count(2)
    kept.get_by_label("Search what was said").fill("Anna")
    expect(_rows(page)).to_have_count(1)
    expect(kept.locator("mark").first).to_have_text("Anna")
    _rename(page, "The one with the name")
    page.reload()
    kept = panel(page, "Conversations")
    renamed = _rows(page).filter(has_text="The one with the name")
    expect(renamed).to_have_count(1)
    renamed.locator(".row-main").click()
    expect(entries(page, "user").locator("p")).to_have_text(NAME)
    renamed.get_by_role("button", name="Delete", exact=True).click()
    renamed.get_by_role("button", name="Cancel").click()
    expect(_rows(page)).to_have_count(2)
    renamed.get_by_role("button", name="Delete", exact=True).click()
    renamed.get_by_role("button", name="Delete for good").click()
    expect(_rows(page)).to_have_count(1)
    expect(page.locator(".transcript")).to_have_count(0)
    assert len(_kept(keeper)) == 1
    assert "Anna" not in httpx.get(f"{keeper}/v1/conversations/{_kept(keeper)[0]['id']}/items").text


def _rename(page: Page, title: str) -> None:
    row = _rows(page)
    about = row.locator(".row-head > .icon-button")
    if about.get_attribute("aria-expanded") == "false":
        about.click()
    row.get_by_role("button", name="Rename").click()
    page.get_by_label("Title").fill(title)
    page.keyboard.press("Enter")
    expect(row.locator(".row-title")).to_have_text(title)


def test_an_older_one_is_gone_on_with_from_the_list(browser: BrowserContext, keeper: str) -> None:
    page = _talk(browser, keeper)
    answered(page, NAME, "Anna")
    end(page)
    page.locator(".dock").get_by_role("button", name="New conversation").click()
    panel(page, "Conversations")
    row = _rows(page)
    row.locator(".row-head > .icon-button").click()
    row.get_by_role("button", name="Continue").click()
    expect_state(page, "listening")
    expect(entries(page, "user").locator("p")).to_have_text(NAME)
    expect(row).to_contain_text("here")
    close_panel(page)
    answered(page, "What is my name?", "Anna")
    end(page)
    assert [each["turns"] for each in _kept(keeper)] == [2]


@pytest.mark.parametrize(("address", "carrier"), WAYS)
def test_it_is_taken_over_in_a_second_tab(browser: BrowserContext, keeper: str, address: str, carrier: str) -> None:
    first = _talk(browser, keeper + address)
    answered(first, NAME, "Anna")
    second = browser.new_page()
    second.add_init_script(MOUTH)
    second.goto(keeper + address)
    panel(second, "Conversations")
    row = _rows(second)
    expect(row).to_contain_text("live")
    row.locator(".row-head > .icon-button").click()
    expect(row).to_contain_text("Continuing here ends it there")
    row.get_by_role("button", name="Continue").click()
    expect_carrier(second, carrier)
    close_panel(second)
    alert = first.locator(".words [role=alert]")
    expect(alert).to_contain_text("The conversation goes on elsewhere", timeout=PATIENCE_MS)
    answered(second, "What is my name?", "Anna")
    expect(alert).to_contain_text("The conversation goes on elsewhere")
    expect(first.locator("main")).to_have_attribute("data-state", "error")
    expect_state(second, "listening")
    end(second)


def test_the_talk_is_deleted_where_it_is_shown(browser: BrowserContext, keeper: str) -> None:
    page = _talk(browser, keeper)
    answered(page, NAME, "Anna")
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_role("button", name="Delete this conversation").click()
    page.get_by_role("button", name="Delete for good").click()
    expect_state(page, "idle")
    expect(page.locator(".transcript")).to_have_count(0)
    assert _kept(keeper) == []
    page.reload()
    expect(page.locator(".transcript")).to_have_count(0)

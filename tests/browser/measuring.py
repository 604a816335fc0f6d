"""For the scripts here that measure the page: a browser, a server that is warm, and figures as they are printed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil

from playwright.sync_api import BrowserContext, Page, sync_playwright

from tests.browser.chromium import WAYS, answered, chromium, end, private
from tests.browser.speech import MOUTH
from tests.served import serving


@contextmanager
def measured_browser() -> Iterator[BrowserContext]:
    """Its microphone hears what a test says."""
    with (
        sync_playwright() as playwright,
        chromium(playwright) as browser,
        private(browser, permissions=["microphone"]) as context,
    ):
        context.add_init_script(MOUTH)
        yield context


@contextmanager
def warm_server() -> Iterator[str]:
    """At the address that the command line names, else one of our own."""
    if len(sys.argv) > 1:
        yield sys.argv[1].rstrip("/")
        return
    with serving("embedded") as url:
        yield url


def warm_up(browser: BrowserContext, url: str) -> None:
    """A talk over each transport that nobody counts."""
    for address, _ in WAYS:
        page = browser.new_page()
        page.goto(url + address)
        page.locator(".talk").click()
        answered(page, "What is two plus three?", "five")
        end(page)
        page.close()


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of them that ``share`` of all do not exceed."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def opened(browser: BrowserContext, url: str, script: str = "") -> Page:
    page = browser.new_page()
    if script:
        page.add_init_script(script)
    page.goto(url)
    return page

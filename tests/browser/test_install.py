"""The page as an application of the device: it can be installed, and opens while the server is away."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

from tests.browser.chromium import CHROMIUM, FLAGS, MARKS, PATIENCE_MS, private
from tests.served import serving

pytestmark = MARKS

WORKS = "navigator.serviceWorker.ready.then((registration) => registration.active.scriptURL)"
KEPT = "async () => (await caches.keys()).length"
KEPT_FILES = """async () => {
  const [name] = await caches.keys();
  return (await (await caches.open(name)).keys()).map(({ url }) => new URL(url).pathname);
}"""


def _opened(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    assert page.evaluate(WORKS) == f"{url.rstrip('/')}/sw.js"
    return page


def test_it_can_be_installed(playwright: Playwright, server: str, tmp_path: Path) -> None:
    """In a browser that keeps what it learns: private windows install nothing."""
    context = playwright.chromium.launch_persistent_context(tmp_path, executable_path=CHROMIUM, args=FLAGS)
    page = _opened(context, server)
    page.reload()
    devtools = context.new_cdp_session(page)
    manifest = devtools.send("Page.getAppManifest")
    errors = devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]
    context.close()
    assert (manifest["errors"], errors) == ([], [])


@pytest.mark.parametrize("path", ["/v1/models", "/readyz", "/ops/"])
def test_the_worker_leaves_alone_what_is_not_the_page(one_chromium: Browser, server: str, path: str) -> None:
    with private(one_chromium) as context:
        page = _opened(context, server)
        page.reload()
        page.evaluate("(path) => fetch(path).then((answer) => answer.text())", path)
        assert not [kept for kept in page.evaluate(KEPT_FILES) if kept.startswith(path)]


def test_it_opens_while_the_server_is_away(one_chromium: Browser) -> None:
    with private(one_chromium) as context:
        with serving("scripted") as url:
            page = _opened(context, url)
            expect(page.locator(".away")).to_have_count(0)
        page.goto(url)
        expect(page.locator(".away")).to_contain_text("cannot be reached", timeout=PATIENCE_MS)
        expect(page.locator(".away")).to_be_visible()
        expect(page.locator(".talk")).to_be_visible()
        assert page.evaluate("getComputedStyle(document.body).margin") == "0px"  # its style is there, too
        assert page.evaluate(KEPT) == 1

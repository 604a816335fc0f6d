"""The operator's page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import MARKS, PATIENCE_MS, end, expect_state, private, say_typed
from tests.served import serving

pytestmark = MARKS

KEY = "sk-operator_1"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path: Path = tmp_path_factory.mktemp("keys") / "keys.txt"
    path.write_text(f"{KEY}\n", encoding="utf-8")
    with serving("scripted", "--max-sessions", "4", "--api-key-file", str(path)) as url:
        yield url


def _cells(page: Page, column: int) -> list[str]:
    return page.get_by_label("Conversations").locator(f"tbody td:nth-child({column})").all_inner_texts()


def test_it_shows_two_conversations(one_chromium: Browser, guarded: str) -> None:
    """Also that it asks for the key once, loads nothing from elsewhere and breaks no rule of its own."""
    with private(one_chromium, permissions=["microphone"]) as context:
        talks = []
        for address in ("", "?transport=websocket"):
            page = context.new_page()
            page.goto(f"{guarded}/{address}#key={KEY}")
            page.locator(".talk").click()
            expect_state(page, "listening")
            talks.append(page)
        say_typed(talks[0], "Hello")
        operator = context.new_page()
        faults: list[str] = []
        operator.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        operator.on("pageerror", lambda error: faults.append(str(error)))
        elsewhere: list[str] = []
        operator.on("request", lambda asked: None if asked.url.startswith(guarded) else elsewhere.append(asked.url))
        operator.goto(f"{guarded}/ops")
        operator.get_by_label("Key").fill(KEY)
        operator.keyboard.press("Enter")
        expect(operator.get_by_label("Conversations").locator("tbody tr")).to_have_count(2, timeout=PATIENCE_MS)
        assert _cells(operator, 2) == ["WebRTC", "WebSocket"]
        expect(operator.get_by_label("At a glance")).to_contain_text("2 of")
        expect(operator.get_by_label("Engines").locator("tbody tr")).to_have_count(5)
        expect(operator.get_by_label("Start-up")).to_contain_text("ready in")
        end(talks[1])
        expect(operator.get_by_label("Conversations").locator("tbody tr")).to_have_count(1, timeout=PATIENCE_MS)
        operator.reload()
        expect(operator.get_by_label("Conversations").locator("tbody tr")).to_have_count(1, timeout=PATIENCE_MS)
        assert "Hello" not in operator.locator("main").inner_text()
        assert elsewhere == []
        assert [fault for fault in faults if "401" not in fault] == []
        end(talks[0])


@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits(one_chromium: Browser, guarded: str, width: int) -> None:
    with private(one_chromium, viewport={"width": width, "height": 800}) as context:
        page = context.new_page()
        page.goto(f"{guarded}/ops#key={KEY}")
        expect(page.get_by_label("Engines")).to_be_visible(timeout=PATIENCE_MS)
        assert page.evaluate("document.documentElement.scrollWidth") <= width

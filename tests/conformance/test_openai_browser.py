"""The stock OpenAI Agents SDK in Chromium holds a conversation with a real server, over both of its transports.

Its page comes from an origin of its own, with a client secret that its backend asked the server for.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.conformance.conftest import Run
from tests.conformance.test_openai_node import PARTS

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(120),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: make test installs it"),
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--autoplay-policy=no-user-gesture-required"]
LOADED_MS = 30_000


@pytest.fixture(scope="module")
def page(page_origin: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.on("console", lambda message: print(message.type, message.text))
        page.on("pageerror", lambda error: print("page error:", error))
        page.goto(f"{page_origin}/browser.html")
        page.wait_for_function("window.isReady", timeout=LOADED_MS)
        yield page
        browser.close()


def _secret(url: str) -> str:
    """What the page's backend asks for: a key for one conversation that a browser may see."""
    body = json.dumps({"session": {"type": "realtime", "model": "gpt-realtime"}}).encode()
    asked = Request(f"{url}/v1/realtime/client_secrets", body, {"Content-Type": "application/json"})
    with urlopen(asked, timeout=10) as response:
        secret: str = json.load(response)["value"]
    return secret


@pytest.mark.parametrize("transport", ["websocket", "webrtc"])
def test_openai_agents(
    page: Page, server_url: str, run_node: Run, run_python: Run, tmp_path: Path, transport: str
) -> None:
    talk: dict[str, Any] = page.evaluate(
        "([transport, url, secret]) => window.talks[transport](url, secret)",
        [transport, server_url, _secret(server_url)],
    )
    story = "\n".join(talk["lines"])
    assert all(part in story for part in PARTS), story
    frames = tmp_path / "frames.jsonl"
    frames.write_text("\n".join(map(json.dumps, talk["frames"])), encoding="utf-8")
    run_node("schemas.mjs", frames)
    run_python("client_schemas.py", frames)

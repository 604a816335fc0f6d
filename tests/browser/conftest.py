"""A server with one place, and browsers with and without somebody who speaks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import chromium, hearing, record_talk
from tests.served import serving


@pytest.fixture(scope="session")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "microphone.wav"
    record_talk(path)
    return path


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Its one place is free when a test begins: every test ends the talk that it began."""
    with serving("embedded", "--max-sessions", "1") as url:
        yield url


@pytest.fixture
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    with chromium(getattr(request, "param", [])) as browser:
        yield browser


@pytest.fixture
def listening_browser(microphone: Path) -> Iterator[Browser]:
    with chromium(hearing(microphone)) as browser:
        yield browser

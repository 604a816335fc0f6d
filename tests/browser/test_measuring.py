"""The scripts that measure the page give figures that can be: how good they are is for whoever runs them to see."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.chromium import MARKS, WAYS, close_panel, end
from tests.browser.connect_time import connect_times_ms
from tests.browser.measuring import opened
from tests.browser.speech import MOUTH, Speech
from tests.browser.voice_to_voice import timed_turns

pytestmark = MARKS


@pytest.mark.parametrize(("address", "carrier"), WAYS)
def test_from_the_click_to_listening(browser: BrowserContext, server: str, address: str, carrier: str) -> None:
    times = connect_times_ms(browser, server + address, 1)
    print(carrier, times)
    assert len(times) == 1
    assert min(times) > 0


@pytest.mark.parametrize(("address", "carrier"), WAYS)
def test_from_voice_to_voice(browser: BrowserContext, server: str, speech: Speech, address: str, carrier: str) -> None:
    page = opened(browser, server + address, MOUTH)
    page.locator(".talk").click()
    turns = timed_turns(page, speech, 1)
    print(carrier, turns)
    close_panel(page)
    end(page)
    assert turns
    for turn in turns:
        assert turn["heard"] - turn["sent"] == turn["end"] + turn["network"] + turn["buffer"]
        assert min(turn["heard"], turn["sent"]) > 0
        assert turn["buffer"] >= 0

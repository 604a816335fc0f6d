"""What a person chooses: at once in a talk, and kept in the browser; and a talk as a file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chromium import (
    MARKS,
    WAYS,
    answered,
    close_panel,
    end,
    expect_carrier,
    expect_state,
    expect_true,
    panel,
)
from tests.browser.speech import MOUTH

pytestmark = MARKS

# What the page tells the server about the session.
SENT = """
window.updates = [];
for (const kind of [RTCDataChannel, WebSocket]) {
  const send = kind.prototype.send;
  kind.prototype.send = function (text) {
    const event = JSON.parse(text);
    if (event.type === "session.update") updates.push(event.session);
    return send.call(this, text);
  };
}
"""


def _opened(browser: BrowserContext, url: str) -> Page:
    page = browser.new_page()
    page.add_init_script(MOUTH + SENT)
    page.goto(url)
    return page


def _last_update(page: Page) -> dict[str, Any]:
    update: dict[str, Any] = page.evaluate("updates.at(-1)")
    return update


@pytest.mark.parametrize(("address", "carrier"), WAYS)
def test_a_persona_and_a_voice_hold_at_once_and_are_kept(
    browser: BrowserContext, server: str, address: str, carrier: str
) -> None:
    page = _opened(browser, server + address)
    page.locator(".talk").click()
    expect_carrier(page, carrier)
    settings = panel(page, "Settings")
    tutor = settings.get_by_role("radio", name=re.compile("Patient tutor"))
    tutor.check()
    expect_true(page, "updates.at(-1)?.instructions?.includes('patient tutor')")
    assert "patient tutor" in settings.get_by_label("Instructions").input_value()
    voice = settings.get_by_label("Voice", exact=True)
    other = voice.locator("option").last.evaluate("(option) => option.value")
    assert other
    voice.select_option(other)
    expect_true(page, f"updates.at(-1)?.audio.output.voice === {json.dumps(other)}")
    settings.get_by_role("radio", name="Waits longer").check()
    expect_true(page, "updates.at(-1)?.audio.input.turn_detection.eagerness === 'low'")
    expect(page.locator(".words [role=alert]")).to_be_empty()
    close_panel(page)
    answered(page, "What is two plus three?", "five")
    end(page)
    page.reload()
    settings = panel(page, "Settings")
    expect(settings.get_by_label("Voice", exact=True)).to_have_value(other)
    expect(tutor).to_be_checked()
    close_panel(page)
    page.locator(".talk").click()
    expect_state(page, "listening")
    kept = _last_update(page)
    assert kept["audio"]["output"]["voice"] == other
    assert "patient tutor" in kept["instructions"]
    end(page)


def test_what_is_set_back_is_as_the_server_has_it(browser: BrowserContext, server: str) -> None:
    page = _opened(browser, server)
    page.locator(".talk").click()
    expect_state(page, "listening")
    settings = panel(page, "Settings")
    own = settings.get_by_label("Instructions").input_value()
    settings.get_by_role("radio", name=re.compile("Storyteller", re.IGNORECASE)).check()
    expect_true(page, f"updates.at(-1)?.instructions !== {json.dumps(own)}")
    settings.get_by_role("button", name="Reset all settings").click()
    settings.get_by_role("button", name="Reset all", exact=True).click()
    expect_true(page, f"updates.at(-1)?.instructions === {json.dumps(own)}")
    close_panel(page)
    end(page)


def test_a_voice_is_heard_before_it_is_chosen(browser: BrowserContext, server: str) -> None:
    page = _opened(browser, server)
    settings = panel(page, "Settings")
    with page.expect_response("**/v1/audio/speech") as spoken:
        settings.get_by_role("button", name=re.compile("^Listen to")).click()
    assert spoken.value.ok
    expect(settings.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    expect(settings.get_by_role("button", name=re.compile("^Listen to"))).to_be_visible(timeout=20_000)
    expect(settings.get_by_role("alert")).to_have_count(0)


def test_the_look_is_chosen_and_kept(browser: BrowserContext, server: str) -> None:
    page = _opened(browser, server)
    page.emulate_media(color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    panel(page, "Settings").get_by_role("radio", name="Dark").check()
    expect_true(page, f"{paper} !== {json.dumps(light)}")
    page.reload()
    assert page.evaluate(paper) != light


def test_a_talk_is_saved_as_a_file(browser: BrowserContext, server: str, tmp_path: Path) -> None:
    page = _opened(browser, server)
    page.locator(".talk").click()
    answered(page, "What is two plus three?", "five")
    page.get_by_role("button", name="More", exact=True).click()
    saved = {kind: _saved(page, kind, tmp_path) for kind in ("JSON", "Text", "WebVTT")}
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="JSON", exact=True)).to_have_count(0)
    end(page)
    question, answer = json.loads(saved["JSON"])["entries"]
    assert (question["role"], question["text"]) == ("user", "What is two plus three?")
    assert "five" in answer["text"] + answer.get("not_heard", "")
    lines = [line for line in saved["Text"].splitlines() if line]
    assert re.fullmatch(r"\[\d\d:\d\d:\d\d\] You: What is two plus three\?", lines[0])
    assert re.match(r"\[\d\d:\d\d:\d\d\] Duologue: ", lines[1])
    _expect_captions(saved["WebVTT"])


def _saved(page: Page, kind: str, folder: Path) -> str:
    with page.expect_download() as download:
        page.get_by_role("button", name=kind, exact=True).click()
    name = download.value.suggested_filename
    assert re.fullmatch(r"duologue-[\d-]+\.(json|txt|vtt)", name)
    download.value.save_as(folder / name)
    return (folder / name).read_text(encoding="utf-8")


def _expect_captions(text: str) -> None:
    head, *cues = text.strip().split("\n\n")
    assert head == "WEBVTT"
    time = r"\d\d:\d\d:\d\d\.\d\d\d"
    shapes = [re.fullmatch(rf"{time} --> {time}\n<v (You|Duologue)>(.+)</v>", cue, re.DOTALL) for cue in cues]
    assert [shape and shape[1] for shape in shapes] == ["You", "Duologue"]

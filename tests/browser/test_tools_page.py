"""What the assistant uses, and what it still knows: tools as cards, and where its knowledge begins."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from anyio.from_thread import start_blocking_portal
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.chromium import (
    MARKS,
    PATIENCE_MS,
    WAYS,
    close_panel,
    end,
    entries,
    expect_carrier,
    expect_state,
    panel,
    say_typed,
)
from tests.browser.speech import MOUTH
from tests.engines.chat import chat_server
from tests.engines.chat.chat_server import DONE, ChatServer, event, sse_reply
from tests.engines.standins import mcp_server
from tests.engines.standins.mcp_server import House
from tests.served import serving

pytestmark = MARKS

# Each asks for one tool of the house by its name.
LETTERS, FAILING = "Give me 4 letters", "Do fail"


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def tools(house: House) -> Iterator[str]:
    """The address of a tool server, on a thread of its own: Playwright has this one."""
    with start_blocking_portal() as portal:
        served = mcp_server.serving(mcp_server.app("streamable", house))
        with portal.wrap_async_context_manager(served) as port:
            yield f"http://127.0.0.1:{port}/mcp"


@pytest.fixture(scope="module")
def toolbox(playwright: object) -> Iterator[str]:
    with serving("scripted", "--chat", "scripted-tools") as url:
        yield url


@pytest.fixture
def listener() -> Iterator[ChatServer]:
    """A chat server that says the same, whatever it is told, and remembers what that was."""
    reply = sse_reply(event("I have heard it.", finish="stop"), DONE)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(chat_server.serving(reply)) as server:
        yield server


@pytest.fixture
def forgetful(playwright: object, listener: ChatServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that tells its chat model no more than some 190 words of a talk."""
    monkeypatch.setenv("DUOLOGUE_CONTEXT_TOKENS", "256")
    with serving("scripted", "--chat", "openai", "--llm", listener.url) as url:
        yield url


def _quiet_page(browser: BrowserContext) -> Page:
    """Nobody speaks into its microphone."""
    page = browser.new_page()
    page.add_init_script(MOUTH)
    return page


def _with_tools(browser: BrowserContext, url: str, tools: str) -> Page:
    """A tool server is added by hand, then the talk begins."""
    page = _quiet_page(browser)
    page.goto(url)
    settings = panel(page, "Settings")
    settings.get_by_role("button", name="Add a tool server").click()
    settings.get_by_label("Name", exact=True).fill("house")
    settings.get_by_label("Address").fill(tools)
    settings.get_by_role("button", name="Add", exact=True).click()
    expect(settings.get_by_label("Ask before house is used")).to_be_checked()
    close_panel(page)
    page.locator(".talk").click()
    return page


def _cards(page: Page) -> Locator:
    return page.locator(".transcript .tool")


def _roles(page: Page) -> list[str]:
    roles: list[str] = page.locator(".transcript li[data-role]").evaluate_all("(all) => all.map((e) => e.dataset.role)")
    return roles


def _ask(page: Page, words: str, status: str) -> Locator:
    """Asks for a tool; returns its card, the newest."""
    expect_state(page, "listening")
    before = _cards(page).count()
    say_typed(page, words)
    expect(_cards(page)).to_have_count(before + 1, timeout=PATIENCE_MS)
    card = _cards(page).last
    expect(card).to_have_attribute("data-tool", status, timeout=PATIENCE_MS)
    return card


def _expect_answer(page: Page, words: str) -> None:
    """It is spoken, and stands below the card."""
    lines = page.locator(".transcript li[data-role]")
    expect(lines.last).to_have_attribute("data-role", "assistant", timeout=PATIENCE_MS)
    expect(entries(page, "assistant").last).to_contain_text(words, timeout=PATIENCE_MS)
    assert _roles(page)[-3:] == ["user", "tool", "assistant"]


@pytest.mark.parametrize(("address", "carrier"), WAYS)
def test_a_tool_asks_and_its_card_tells(
    browser: BrowserContext, toolbox: str, tools: str, house: House, address: str, carrier: str
) -> None:
    page = _with_tools(browser, toolbox + address, tools)
    expect_carrier(page, carrier)
    card = _ask(page, LETTERS, "asks")
    assert house.called == []
    card.get_by_role("button", name="Allow").click()
    expect(card).to_have_attribute("data-tool", "done", timeout=PATIENCE_MS)
    _expect_answer(page, "éé")
    expect(card.locator("pre").last).to_be_hidden()
    card.locator("summary").click()
    expect(card.locator("pre").last).to_be_visible()
    expect(card.locator("pre").first).to_contain_text('"count": 4')
    expect(card.locator("pre").last).to_contain_text("éé")
    card = _ask(page, LETTERS, "asks")
    card.get_by_role("button", name="Deny").click()
    expect(card).to_have_attribute("data-tool", "denied")
    _expect_answer(page, "The tool failed")
    settings = panel(page, "Settings")
    settings.get_by_label("Ask before house is used").uncheck()
    close_panel(page)
    failed = _ask(page, FAILING, "failed")
    _expect_answer(page, "the oven is cold")
    expect(failed.locator(".tool-status")).to_have_text("failed")
    shown, roles = [s.get_attribute("data-tool") for s in _cards(page).all()], _roles(page)
    end(page)
    page.reload()
    expect(_cards(page)).to_have_count(3)
    assert [s.get_attribute("data-tool") for s in _cards(page).all()] == shown
    assert _roles(page) == roles


def test_no_tool_is_called_once_tools_are_off(browser: BrowserContext, toolbox: str, tools: str, house: House) -> None:
    page = _with_tools(browser, toolbox, tools)
    expect_state(page, "listening")
    settings = panel(page, "Settings")
    settings.get_by_label("Let the assistant use tools").uncheck()
    close_panel(page)
    say_typed(page, LETTERS)
    expect(entries(page, "assistant")).to_contain_text("twelve words", timeout=PATIENCE_MS)
    expect(_cards(page)).to_have_count(0)
    assert house.called == []
    settings = panel(page, "Settings")
    settings.get_by_label("Let the assistant use tools").check()
    close_panel(page)
    card = _ask(page, LETTERS, "asks")
    card.get_by_role("button", name="Deny").click()
    end(page)
    assert house.called == []


def _told(listener: ChatServer) -> str:
    """All that the chat model was told when it was last asked."""
    asked = [each.body for each in listener.requests if each.path.endswith("/chat/completions")]
    messages = asked[-1]["messages"]
    assert isinstance(messages, list)
    return " ".join(str(each["content"]) for each in messages)


def _tell(page: Page, fact: int) -> None:
    """Some 45 words, in which a number stands out."""
    expect_state(page, "listening")
    before = entries(page, "assistant").count()
    say_typed(page, f"Remember fact{fact}. " + "It is one of many that I shall tell you. " * 4)
    expect(entries(page, "assistant")).to_have_count(before + 1, timeout=PATIENCE_MS)


def _above(page: Page) -> tuple[list[str], list[str]]:
    """The user's words above the line and below it."""
    lines = page.locator(".transcript li").evaluate_all(
        "(all) => all.map((e) => e.className === 'horizon' ? '' : `${e.dataset.role} ${e.textContent}`)"
    )
    assert lines.count("") == 1
    at = lines.index("")
    return [s for s in lines[:at] if s.startswith("user")], [s for s in lines[at:] if s.startswith("user")]


def _expect_true_line(page: Page, listener: ChatServer) -> int:
    """What is above the line the model was not told, what is below it was; returns how much is above."""
    expect(page.locator(".horizon")).to_have_text("The assistant no longer knows what is above")
    above, below = _above(page)
    told = _told(listener)
    for words, is_told in [*((each, False) for each in above), *((each, True) for each in below)]:
        fact = re.search(r"fact\d+", words)
        assert fact is not None
        assert (f"{fact[0]}." in told) == is_told, (fact[0], above, below)
    return len(above)


def test_a_line_says_where_the_assistant_s_knowledge_begins(
    browser: BrowserContext, forgetful: str, listener: ChatServer
) -> None:
    page = _quiet_page(browser)
    page.goto(forgetful)
    page.locator(".talk").click()
    for fact in range(3):
        _tell(page, fact)
    expect(page.locator(".horizon")).to_have_count(0)
    for fact in range(3, 6):
        _tell(page, fact)
    first = _expect_true_line(page, listener)
    assert first > 0
    for fact in range(6, 8):
        _tell(page, fact)
    moved = _expect_true_line(page, listener)
    assert moved > first
    end(page)
    page.reload()
    expect(page.locator(".transcript li[data-role=user]")).to_have_count(8)
    page.get_by_role("button", name="Continue").click()
    _tell(page, 8)
    assert _expect_true_line(page, listener) >= moved
    end(page)

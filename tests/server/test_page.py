"""The chat page: self-contained, under a strict policy, and alive in a real browser."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from naga.server.page import load_page

# Playwright waits five seconds by default; a shared machine may need many more.
expect.set_options(timeout=60_000)

CHROMIUM = Path("/usr/bin/chromium")
needs_browser = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")


def test_page_loads_nothing_from_elsewhere() -> None:
    html = load_page().body.decode()
    own = html.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"(https?:)?//\w", own.replace("// ", ""))
    assert not re.search(r"\s(on\w+|style)=", html), "inline handlers and styles are barred by CSP"
    assert "innerHTML" not in html


def test_page_comes_with_a_strict_policy(served: Any) -> None:
    response = httpx.get(f"{served.url}/")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert policy.count("'sha256-") == 2
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.fixture
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


def warmer(route: Route) -> None:
    """The page asks greedily, and a greedy random model never stops thinking."""
    body = route.request.post_data_json
    max_tokens = 6_000 if body["messages"][-1]["content"] == "long" else 200
    changes = {"temperature": 1, "seed": 3, "max_tokens": max_tokens}
    route.continue_(post_data=json.dumps(body | changes))


@pytest.fixture
def page(browser: Browser, served: Any) -> Iterator[Page]:
    """A phone that speaks Chinese; any script error or barred resource fails the test."""
    context = browser.new_context(locale="zh-CN", viewport={"width": 390, "height": 844})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    page.route("**/v1/chat/completions", warmer)
    page.goto(served.url)
    yield page
    assert not problems
    context.close()


# Faster than a click from here: the model may have finished by then.
STOP_AT_THE_FIRST_WORD = """() => {
  const before = document.querySelectorAll(".answer").length;
  new MutationObserver((changes, observer) => {
    const answers = document.querySelectorAll(".answer");
    if (answers.length === before || !answers[answers.length - 1].textContent) return;
    observer.disconnect();
    document.querySelector("#send").click();
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


@needs_browser
@pytest.mark.browser
def test_page_speaks_asks_thinks_answers_and_stops(page: Page, served: Any) -> None:
    headline, field, stats = page.locator("h2"), page.locator("#input"), page.locator(".stats")
    expect(page.locator("#model")).to_have_text("tiny")
    expect(headline).to_contain_text("思考")
    page.locator("#language").click()
    expect(headline).to_contain_text("think")

    page.locator(".sample").first.click()
    expect(page.locator(".user")).to_have_text("What is 347 + 586?")
    expect(stats).to_contain_text(re.compile(r"first token \d+ ms · [\d.]+ tokens/s · 200 tokens"))
    expect(page.locator("details .thought")).not_to_be_empty()
    expect(page.locator("details")).not_to_have_attribute("open", "")
    expect(page.locator(".answer")).not_to_be_empty()

    page.locator("#thinking").click()
    field.fill("<b>bold</b>")
    field.press("Shift+Enter")
    field.press("Enter")
    expect(page.locator(".user").last).to_have_text("<b>bold</b>")
    expect(stats.last).to_contain_text("200 tokens")
    expect(page.locator("details")).to_have_count(1)

    page.evaluate(STOP_AT_THE_FIRST_WORD)
    field.fill("long")
    field.press("Enter")
    expect(stats.last).to_contain_text("stopped")

    page.locator("#language").click()
    expect(stats.last).to_contain_text("已停止")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@needs_browser
@pytest.mark.browser
def test_page_says_what_went_wrong_and_keeps_the_question(browser: Browser, served: Any) -> None:
    page = browser.new_page(locale="en-GB")
    page.goto(served.url)
    page.locator("#input").fill("7" * 17_000)
    page.locator("#send").click()
    expect(page.locator(".problem")).to_contain_text("longer than the model can read")
    expect(page.locator(".problem")).to_contain_text("17004 prompt tokens")
    expect(page.locator("#input")).to_have_value("7" * 17_000)
    page.close()

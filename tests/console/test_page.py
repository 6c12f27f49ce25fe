"""The page of the console in a real browser: every page is clicked through, dark and light."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import VIEWS, View, accessibility_faults, opened, sideways_scroll
from tests.console.seen import Console, console

expect.set_options(timeout=30_000)
_PAGES = ("Overview", "Routes", "Requests", "Logs", "Health", "Runtime")
_MARKUP = (
    "<script>window.ran=1</script>",
    "<img src=x onerror=window.ran=1>",
    "<svg/onload=window.ran=1>",
    "javascript:window.ran=1",
    "</pre><iframe srcdoc='<script>parent.ran=1</script>'>",
    "{{constructor.constructor('window.ran=1')()}}",
    '"><style>@import url(//evil.example)</style>',
    "\u202e\u2028\u0000\ud7ff\x1b[31m",
)


@pytest.fixture(scope="module")
def app() -> Iterator[Console]:
    """An app that has served a request of each kind, and everything that may break a page."""
    with console() as running:
        for path in ("/items/1", "/items/12", "/calls"):
            running.run.get(path)
        for text in _MARKUP:
            running.run.get("/say", params={"line": text})
            running.run.get("/boom", params={"line": text})
            running.run.get(f"/paths/{quote(text, safe='')}")
        yield running


def _look(page: Page) -> None:
    """Check what is true of every page: it fits the window, and axe finds no serious fault."""
    assert sideways_scroll(page) <= 0
    assert accessibility_faults(page) == []


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_the_whole_path_can_be_clicked(chromium: Browser, app: Console, view: View) -> None:
    """Link → every page → an SLO → its failing route → a request → its exception and lines.

    The address holds no token any more, the browser's console shows no error, axe finds no serious
    fault, and nothing is wider than the window.
    """
    with opened(chromium, app.link, view) as page:
        expect(page.get_by_role("heading", name="Error budgets")).to_be_visible()
        assert "token" not in page.url
        for title in _PAGES:
            page.get_by_role("navigation").get_by_role("link", name=title).click()
            expect(page.locator("nav a[aria-current=page]")).to_have_text(title)
            expect(page.locator("main .empty").filter(has_text="asking")).to_have_count(0)
            _look(page)
        page.keyboard.press("1")
        page.get_by_role("link", name="availability").click()
        _look(page)
        page.get_by_role("link", name="/boom").click()
        page.locator("table.data tbody a").first.click()
        expect(page.get_by_role("heading", name="Exception: ValueError")).to_be_visible()
        expect(page.get_by_text("Request failed").first).to_be_visible()
        _look(page)


def test_a_request_is_found_by_filter_and_shows_its_waterfall(
    chromium: Browser, app: Console
) -> None:
    """The N+1 filter finds one request; its waterfall has a bar for each of its 12 statements.

    The address of that view can be opened again, and the keys work: 4 opens the lines, u goes up.
    """
    with opened(chromium, app.link) as page:
        page.get_by_role("navigation").get_by_role("link", name="Requests").click()
        page.get_by_label("Kind").select_option("repeated")
        page.locator("table.data tbody a").first.click()
        expect(page.get_by_role("heading", name="N+1")).to_contain_text("ran 12 times")
        expect(page.locator(".waterfall li")).to_have_count(13)
        page.locator(".waterfall button").nth(1).click()
        expect(page.locator(".waterfall dl")).to_contain_text("SELECT ?, ?")
        page.reload()
        expect(page.locator(".waterfall li")).to_have_count(13)
        page.keyboard.press("u")
        expect(page.get_by_label("Kind")).to_be_visible()
        page.keyboard.press("4")
        page.get_by_label("Lowest level").select_option("ERROR")
        expect(page.locator(".lines li.level-info")).to_have_count(0)
        expect(page.locator(".lines li.level-error").first).to_be_visible()


def test_no_line_and_no_path_runs_as_a_script(chromium: Browser, app: Console) -> None:
    """Markup in lines, paths and exceptions is text: no script runs and no element appears."""
    with opened(chromium, app.link) as page:
        for place in ("#/logs", "#/requests", "#/requests?only=failed"):
            page.evaluate("place => { location.hash = place }", place)
            expect(page.locator("main .panel")).not_to_have_count(0)
            assert page.evaluate("() => window.ran") is None
            assert page.locator("main script, main img, main iframe, main style").count() == 0
        page.locator("table.data tbody a").first.click()
        expect(page.get_by_role("heading", name="Exception")).to_be_visible()
        page.keyboard.press("4")
        shown = page.locator(".lines .message")
        expect(shown.filter(has_text="<img src=x onerror=window.ran=1>").first).to_be_visible()
        assert page.evaluate("() => window.ran") is None

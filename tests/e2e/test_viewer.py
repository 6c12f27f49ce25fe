"""The viewer in a real browser, on the real stack: from an alert to the lines of one request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from etter_obs._internal.conventions import Dashboard
from frontend.viewer import viewing
from tests.browser import VIEWS, View, accessibility_faults, opened, sideways_scroll
from tests.e2e.conftest import Observed
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
KINDS = {
    "Server errors": ".stat-value",
    "Status mix": ".u-wrap canvas",
    "Distribution of durations": ".heat canvas",
    "Routes by errors, worst first": "table.data",
}
"""A panel of each kind, and what its drawing consists of."""


@pytest.fixture(scope="module")
def link(observed_under_load: Observed) -> Iterator[str]:
    """The link of a viewer of the real stack, once Prometheus has exemplars and an alert."""
    stack = observed_under_load.stack

    def has_all() -> bool:
        alerts = httpx.get(f"{stack.prometheus}/api/v1/alerts", timeout=30).json()["data"]["alerts"]
        return any(alert["labels"].get("slo") == "availability" for alert in alerts)

    eventually(has_all, deadline_s=240, every_s=2)
    with viewing(ROOT, prometheus=stack.prometheus, loki=stack.loki, traces=stack.tempo) as printed:
        yield printed


def go(page: Page, path: str) -> None:
    """Open a page of the viewer and wait until nothing is asked any more."""
    page.evaluate("path => { location.hash = path }", f"/{path}")
    page.wait_for_timeout(100)
    calm(page)


def calm(page: Page) -> None:
    """Wait until nothing is asked any more."""
    page.wait_for_function("() => document.body.ariaBusy === 'false'")


@pytest.mark.parametrize("view", [VIEWS[0], VIEWS[-1]], ids=str)
def test_from_an_alert_to_the_lines_of_one_request(
    chromium: Browser, link: str, view: View
) -> None:
    """Each click leads on: alert, dashboard, panel, exemplar, trace, its lines; and none is missed.

    No page has an error in its console, a serious fault of accessibility, or scrolls sideways.
    """
    with opened(chromium, link, view) as page:
        calm(page)
        page.get_by_role("row", name=re.compile("availability")).get_by_role("link").first.click()
        expect(page.get_by_role("heading", name="availability now")).to_be_visible()
        assert Dashboard.SLO_DETAIL in page.url
        assert "var-slo=availability" in page.url
        calm(page)
        faults = accessibility_faults(page)

        go(page, f"d/{Dashboard.SERVICE}")
        for title, drawing in KINDS.items():
            panel = page.get_by_role("region", name=title, exact=True).first
            panel.scroll_into_view_if_needed()  # what was never in view asks nothing
            expect(panel.locator(drawing).first).to_be_visible()
        faults += accessibility_faults(page)
        assert sideways_scroll(page) == 0

        durations = page.get_by_role("region", name="Duration of all requests")
        durations.scroll_into_view_if_needed()
        expect(durations.locator("a.exemplar").first).to_be_attached()
        durations.locator("a.exemplar").first.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Spans")).to_be_visible()
        calm(page)
        page.locator(".waterfall button").first.click()
        expect(page.get_by_text("http.route")).to_be_visible()
        lines = page.get_by_role("region", name="Log lines of this trace").last
        lines.locator("summary").first.click()
        expect(lines.get_by_text("request_id", exact=True).first).to_be_visible()
        faults += accessibility_faults(page)
        assert sideways_scroll(page) == 0
        assert not faults, faults


def test_every_dashboard_opens_without_a_failed_question(chromium: Browser, link: str) -> None:
    """All nine draw in both themes' colours, closed rows opened; no panel shows an error."""
    with opened(chromium, link) as page:
        page.set_viewport_size({"width": 1280, "height": 3000})
        for board in Dashboard:
            go(page, f"d/{board.value}")
            closed = page.locator(".board-row button[aria-expanded=false]")
            while closed.count():  # an opened row is no longer among them
                closed.first.click()
            calm(page)
            shown = page.locator("main").inner_text()
            for wrong in ("error", "does not answer", "does not draw", "not understood"):
                assert not re.search(rf"^.*\b{wrong}: .*$", shown, re.MULTILINE), shown
            assert not accessibility_faults(page)
        page.keyboard.press("t")
        page.keyboard.press("2")
        calm(page)
        assert Dashboard.SLO_OVERVIEW in page.url
        assert page.locator("html").get_attribute("data-theme") == "light"

"""A real browser for the tests of pages: Chromium, headless, driven by Playwright."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from frontend import npm
from frontend.chromium import chromium as chromium_program

_WITHIN = 60_000
"""Milliseconds that Playwright waits for anything: another test may have both cores."""
expect.set_options(timeout=_WITHIN)


@dataclass(frozen=True)
class View:
    """How a page is looked at."""

    theme: str
    width: int

    def __str__(self) -> str:
        """Return its name in the list of tests."""
        return f"{self.theme}-{self.width}"


VIEWS = [View(theme, width) for theme in ("dark", "light") for width in (1280, 390)]
"""Dark and light, on a desk and in a hand."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Run one browser for the tests of a module.

    Playwright's event loop runs in this thread until the end, so no other module must follow
    before: its ``asyncio.run`` would fail.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_program(), args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, url: str, view: View = VIEWS[0]) -> Iterator[Page]:
    """Open ``url`` in a fresh profile; fail at the end where the page's console showed an error."""
    context = browser.new_context(
        viewport={"width": view.width, "height": 900},
        color_scheme="light" if view.theme == "light" else "dark",
        reduced_motion="reduce",
    )
    context.set_default_timeout(_WITHIN)
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        page.goto(url)
        yield page
    finally:
        context.close()
    assert not errors, errors


def accessibility_faults(page: Page) -> list[str]:
    """Return what axe finds serious or critical on the page as it is now."""
    page.evaluate(_axe())  # not a script element: the page's policy would refuse it
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{fault['id']}: {fault['help']}: {node['html'][:200]} {node['failureSummary'][:200]}"
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


def sideways_scroll(page: Page) -> int:
    """Return by how many pixels the page is wider than its window; what it holds may scroll."""
    return int(
        page.evaluate("() => document.documentElement.scrollWidth - innerWidth"),
    )


@cache
def _axe() -> str:
    return (npm.installed() / "axe-core" / "axe.min.js").read_text(encoding="utf-8")

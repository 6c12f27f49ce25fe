"""``python -m docs.pictures``: the documentation's pictures of all dashboards and of the console.

`etter-obs view` asks the servers given, headless Chromium draws, and nothing is touched up.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from etter_obs._internal.conventions import Dashboard
from frontend.chromium import chromium
from frontend.viewer import viewing

_ROOT = Path(__file__).parents[1]
_WIDTH, _TALL = 1440, 2600
_CONSOLE_TALL = 900
_CONSOLE_SETTLED_MS = 3_000  # it never stops asking
_IDLE = "() => document.body.ariaBusy === 'false'"
_SETTLED_MS = 600


def main() -> None:
    """Draw what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m docs.pictures", description=__doc__)
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090", metavar="URL")
    parser.add_argument("--loki", default="http://127.0.0.1:3100", metavar="URL")
    parser.add_argument("--traces", default="http://127.0.0.1:3200", metavar="URL|FILE")
    parser.add_argument("--out", type=Path, default=_ROOT / "docs" / "pictures", metavar="DIR")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--span", help="time in view, 30m say (default: the dashboard's own)")
    parser.add_argument("--slo", help="objective of SLO detail (default: the first)")
    parser.add_argument("--console", metavar="LINK", help="the console's, as the app printed it")
    known = [one.value.removeprefix("etter-obs-") for one in Dashboard]
    parser.add_argument("names", nargs="*", help=f"dashboards (default: all): {', '.join(known)}")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    options = {"prometheus": given.prometheus, "loki": given.loki, "traces": given.traces}
    with viewing(_ROOT, **options) as link, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        context = browser.new_context(
            viewport={"width": _WIDTH, "height": _TALL}, color_scheme=given.theme
        )
        page = context.new_page()
        page.goto(link)
        for name in given.names or known:
            query = f"from=now-{given.span}&to=now&" if given.span else ""
            query += f"var-slo={given.slo}" if given.slo and name == "slo-detail" else ""
            _open(page, f"#/d/etter-obs-{name}?{query}")
            file = given.out / f"{name}.png"
            page.locator("body").screenshot(path=file)
            sys.stdout.write(f"{file}\n")
        if given.console:
            page.set_viewport_size({"width": _WIDTH, "height": _CONSOLE_TALL})
            page.goto(given.console)
            page.wait_for_timeout(_CONSOLE_SETTLED_MS)
            file = given.out / "console.png"
            page.screenshot(path=file, full_page=True)
            sys.stdout.write(f"{file}\n")
        browser.close()


def _open(page: Page, address: str) -> None:
    page.evaluate("address => { location.hash = address }", address)
    page.wait_for_timeout(_SETTLED_MS)  # the questions begin
    page.wait_for_function(_IDLE)
    page.wait_for_timeout(_SETTLED_MS)  # a graph draws after its answer


if __name__ == "__main__":
    main()

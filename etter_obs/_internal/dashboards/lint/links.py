"""Every link leads somewhere, with the service, the environment and the time in view.

From each dashboard one gets to all others; from a panel that can be red one gets on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from etter_obs._internal.conventions import Dashboard
from etter_obs._internal.dashboards.lint.finding import Finding, Known, at
from etter_obs._internal.dashboards.lint.model import BoardView, PanelView
from etter_obs._internal.dashboards.toolkit.board import TAG
from etter_obs._internal.dashboards.toolkit.links import KEEP
from etter_obs._internal.dashboards.toolkit.palette import BAD

_UID: Final = re.compile(r"^/d/([^/?]+)")


def check(board: BoardView, known: Known) -> Iterator[Finding]:
    """Find dead ends."""
    if not any(_to_all(link) for link in board.raw.get("links") or ()):
        yield at(
            board, None, f"it has no list of the dashboards tagged {TAG}, with time and variables"
        )
    for panel in board.panels:
        can_be_red = any(step.get("color") == BAD for step in panel.steps)
        if can_be_red and not any(_urls(panel)):
            yield at(
                board, panel, "it can turn red but links neither to a runbook nor to a dashboard"
            )
        for url in _urls(panel):
            target = _UID.match(url)
            if target is None:
                if not url.startswith(("http://", "https://", "/")):
                    yield at(board, panel, f"the link {url} is neither a path nor a URL")
            elif target[1] not in set(Dashboard):
                yield at(board, panel, f"a link leads to {target[1]}, which is not a dashboard")
            elif KEEP not in url:
                yield at(
                    board, panel, f"the link to {target[1]} loses service, environment or time"
                )


def _to_all(link: dict[str, object]) -> bool:
    return bool(
        link.get("type") == "dashboards"
        and TAG in (link.get("tags") or ())  # type: ignore[operator]
        and link.get("includeVars")
        and link.get("keepTime")
    )


def _urls(panel: PanelView) -> Iterator[str]:
    links = [*(panel.raw.get("links") or ()), *(panel.defaults.get("links") or ())]
    for name, value in panel.overrides:
        if name == "links" and isinstance(value, list):
            links += value
    yield from (str(link.get("url", "")) for link in links)

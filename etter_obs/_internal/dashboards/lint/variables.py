"""Every variable that a query uses is declared, and every one declared is used."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from etter_obs._internal.dashboards.lint.finding import Finding, Known, at
from etter_obs._internal.dashboards.lint.model import BoardView
from etter_obs._internal.dashboards.toolkit.queries import Source

_USE: Final = re.compile(r"\$\{?([a-z]\w*)")
_BY_LINKS: Final = frozenset({"service", "environment", Source.PROMETHEUS.value})
"""What every dashboard has, if only to hand it on to the next one."""


def check(board: BoardView, known: Known) -> Iterator[Finding]:
    """Find variables that nobody declares or nobody uses."""
    declared = set(board.variables)
    used: set[str] = set()
    for panel in (*board.rows, *board.panels):
        here = set(_USE.findall(json.dumps(panel.raw)))
        used |= here
        for name in sorted(here - declared):
            yield at(board, panel, f"the variable {name} is not declared")
    frame = json.dumps([board.raw.get("templating"), board.raw.get("annotations")])
    used |= set(_USE.findall(frame))
    for name in sorted(declared - used - _BY_LINKS):
        yield at(board, None, f"the variable {name} is declared but not used")
    for name in sorted(_BY_LINKS - declared):
        yield at(board, None, f"the variable {name} is missing, but links pass it on")

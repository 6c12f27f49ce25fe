"""Finds names that are spelled outside the conventions: ``python -m tests.names``.

Names of metrics, recording rules, alerts and dashboards are constants of
``etter_obs/_internal/conventions/``. A string literal elsewhere that contains one would not follow
when the constant changes. ``make check`` runs this.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from etter_obs._internal import conventions
from etter_obs._internal.conventions import METRICS, Alert, Dashboard, Rule, constants_of, external

PACKAGE: Final = Path(__file__).parents[1] / "etter_obs"


def names() -> set[str]:
    """Return every name that only the conventions may spell."""
    suffixes = {metric.suffix for metric in METRICS if "_" in metric.suffix}
    own = {*constants_of(Rule), *constants_of(Alert), *(board.value for board in Dashboard)}
    return suffixes | own | external.NAMES - {"up"}


def spelled() -> Iterator[str]:
    """Yield ``file:line: name`` for each literal outside the conventions that contains a name."""
    wanted = re.compile(rf"(?<![\w:])(?:{'|'.join(sorted(map(re.escape, names())))})(?![\w:])")
    home = Path(conventions.__file__).parent
    for path in sorted(PACKAGE.rglob("*.py")):
        if home in path.parents:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found = None if id(node) in prose else wanted.search(node.value)
                if found:
                    yield f"{path.relative_to(PACKAGE.parent)}:{node.lineno}: {found[0]}"


def main() -> int:
    """Print what is spelled outside the conventions; return the exit code."""
    found = list(spelled())
    for line in found:
        sys.stderr.write(f"{line} is spelled here; use its constant in conventions/\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())

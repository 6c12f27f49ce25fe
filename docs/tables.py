"""Writes the documentation's tables that follow from code: ``python -m docs.tables [--check]``.

A page marks where a table belongs: ``<!-- table: NAME -->`` … ``<!-- end -->``. Everything between
the two lines is generated.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final, get_args

from etter_obs._internal.conventions import METRICS
from etter_obs._internal.settings.variables import SECTIONS
from etter_obs._internal.slo.kinds import Sli, SliKind

DOCS: Final = Path(__file__).parent
_MARKED: Final = re.compile(r"(<!-- table: ([a-z -]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_PREFIX: Final = "etter"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    lines.insert(1, f"|{'---|' * len(head)}")
    return "\n".join(lines) + "\n"


def _settings(section: str) -> str:
    rows = [
        (
            ", ".join(f"`{name}`" for name in variable.documented_names),
            variable.help,
            variable.documented_default,
        )
        for variable in SECTIONS[section]
    ]
    return _table(("variable", "accepts", "default"), rows)


def _sli_kinds() -> str:
    rows = []
    for name, field in Sli.model_fields.items():
        kind: type[SliKind] = get_args(field.annotation)[0]
        rows.append((f"`{name}: {{{kind.row.fields}}}`", kind.row.counts, kind.row.bad))
    return _table(("kind", "counts", "bad"), rows)


def _metrics() -> str:
    rows = [
        (
            f"`{metric.name(_PREFIX)}`",
            metric.kind.value,
            ", ".join(f"`{label}`" for label in metric.labels) or "none",
            metric.help,
        )
        for metric in METRICS
    ]
    return _table(("metric", "type", "labels", "meaning"), rows)


TABLES: Final[dict[str, Callable[[], str]]] = {
    **{f"settings {section}": partial(_settings, section) for section in SECTIONS},
    "sli-kinds": _sli_kinds,
    "metrics": _metrics,
}


def rendered(page: str) -> str:
    """Return the page with its tables written again.

    Raises:
        KeyError: the page names a table that does not exist.
    """
    return _MARKED.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], page)


def main(arguments: list[str]) -> int:
    """Write the tables, or with ``--check`` name the pages that differ; return the exit code."""
    stale = []
    for path in sorted(DOCS.rglob("*.md")):
        page = path.read_text(encoding="utf-8")
        new = rendered(page)
        if new != page:
            stale.append(path)
            if "--check" not in arguments:
                path.write_text(new, encoding="utf-8")
    if "--check" in arguments and stale:
        names = ", ".join(str(path.relative_to(DOCS.parent)) for path in stale)
        sys.stderr.write(f"{names}: tables differ from the code; run `make generate`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

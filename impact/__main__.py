"""``python -m impact``: measure the claims of the guide; write docs/impact.md and its picture."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from impact.bench import BENCH_ERRORS, bench
from impact.experiments import CAPACITIES, EXPERIMENTS
from impact.measure import measure, planned_seconds
from impact.page import page
from impact.picture import draw
from impact.progress import Progress
from impact.results import FILE, Results

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs/impact.md"
PICTURE: Final = ROOT / "docs/pictures/impact.png"
NAMES: Final = tuple(one.name for one in (*EXPERIMENTS, *CAPACITIES))


def main() -> int:
    """Measure, render or check; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m impact",
        description="Measure each claim of the optimisation guide on the example backend: real "
        "PostgreSQL and Valkey, each switch off, on, off, on, under load. Takes about a quarter of "
        "an hour on a quiet machine with two cores. Writes impact/results.json, docs/impact.md and "
        "docs/pictures/impact.png.",
        epilog="example: python -m impact --only indexes gzip",
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        choices=NAMES,
        help=f"measure only these again and keep the other results: {', '.join(NAMES)}",
    )
    action.add_argument(
        "--render", action="store_true", help="write page and picture from the last results"
    )
    action.add_argument(
        "--check", action="store_true", help="fail if the page differs from the last results"
    )
    given = parser.parse_args()
    if given.check:
        return _check()
    try:
        failed = [] if given.render else _measure(given.only or NAMES)
    except BENCH_ERRORS as error:
        sys.stderr.write(f"{error}; what was measured before is kept\n")
        return 1
    for line in failed:
        sys.stderr.write(f"{line}; its former results stay\n")
    return _render() or bool(failed)


def _measure(only: Sequence[str]) -> list[str]:
    """Measure, and save after each experiment: what was measured survives an interruption."""
    print(f"about {planned_seconds(only) / 60:.0f} min of load, after the databases are filled")

    def save(newer: Results) -> None:
        (Results.load().replaced_by(newer) if FILE.exists() else newer).save()

    with (
        tempfile.TemporaryDirectory(prefix="etter-impact-", ignore_cleanup_errors=True) as folder,
        bench(Path(folder)) as made,
        Progress(planned_seconds(only)) as progress,
    ):
        return asyncio.run(measure(made, progress, only, save))


def _render() -> int:
    results = Results.load()
    if missing := results.missing(NAMES):
        print(f"the page is written when these are measured too: {', '.join(missing)}")
        return 0
    PAGE.write_text(page(results), encoding="utf-8")
    draw(results, PICTURE)
    print(f"{PAGE.relative_to(ROOT)} and {PICTURE.relative_to(ROOT)} are written")
    return 0


def _check() -> int:
    if PAGE.read_text(encoding="utf-8") == page(Results.load()):
        return 0
    sys.stderr.write(
        f"{PAGE.relative_to(ROOT)} differs from {FILE.relative_to(ROOT)}; "
        "run `python -m impact --render`\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())

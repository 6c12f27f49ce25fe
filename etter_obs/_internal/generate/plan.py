"""Everything that follows from the specs, as paths and contents, and what is there instead."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from etter_obs._internal.dashboards import dashboards
from etter_obs._internal.generate import scrape
from etter_obs._internal.generate.schema import schema
from etter_obs._internal.slo.alerts.alertmanager import alertmanager
from etter_obs._internal.slo.alerts.burn_rate import alerts
from etter_obs._internal.slo.alerts.runbooks import merged, runbooks
from etter_obs._internal.slo.alerts.stack import stack
from etter_obs._internal.slo.rule_tests import rule_tests, stack_tests
from etter_obs._internal.slo.rules.recording import rules
from etter_obs._internal.slo.spec.models import Spec
from etter_obs._internal.text.yaml import GENERATED

_OWNED: Final = (
    ("prometheus/rules", "*.yml"),
    (scrape.JOBS, "*.yml"),
    ("alerts/rules", "*.yml"),
    ("alerts/tests", "*.yml"),
    ("alerts/runbooks", "*.md"),
    ("grafana/dashboards", "*.json"),
)
"""What ``Plan.owned`` is for the files form."""
_HEAD: Final = 400
"""Characters of a file within which its generated-line is."""


@dataclass(frozen=True, slots=True)
class Change:
    """A difference between what should be and what is; ``content`` None means: remove."""

    path: str
    content: str | None
    what: str


@dataclass(frozen=True, slots=True)
class Plan:
    """``files`` follow from the specs byte by byte, ``starters`` belong to the user once written.

    ``kept`` are runbooks: their generated part follows, the rest is the user's. ``owned`` are
    folders, each with a pattern of the files in which a generated one that no spec asks for any
    more is stale.
    """

    files: Mapping[str, str]
    starters: Mapping[str, str]
    kept: Mapping[str, str]
    owned: Sequence[tuple[str, str]] = _OWNED

    def changes(self, root: Path) -> list[Change]:
        """Compare with the project in ``root``.

        Raises:
            OSError: a file cannot be read.
        """
        found: list[Change] = []
        for path, content in sorted({**self.files, **self.kept}.items()):
            held = _held(root / path)
            wanted = merged(content, held) if path in self.kept else content
            if held is None:
                found.append(Change(path, wanted, "missing"))
            elif held != wanted:
                found.append(Change(path, wanted, "differs"))
        for path, content in sorted(self.starters.items()):
            if not (root / path).exists():
                found.append(Change(path, content, "missing"))
        return found + [Change(path, None, "stale") for path in self._stale(root)]

    def _stale(self, root: Path) -> list[str]:
        """Find generated files that no spec asks for.

        A runbook with a person's notes stays, and so do targets that a person has changed.
        """
        stale = []
        for folder, pattern in self.owned:
            for file in sorted((root / folder).glob(pattern)):
                path = file.relative_to(root).as_posix()
                if path in self.files or path in self.kept or not file.is_file():
                    continue
                held = _held(file) or ""
                if GENERATED in held[:_HEAD] and (file.suffix != ".md" or merged("", held) == ""):
                    stale.append(path)
        for file in sorted((root / scrape.TARGETS).glob("*.yml")):
            path = f"{scrape.TARGETS}/{file.name}"
            if (
                path not in self.starters
                and file.is_file()
                and _held(file) == scrape.starter(scrape.APP)
            ):
                stale.append(path)
        return stale


def _held(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return None


def plan(specs: Sequence[Spec]) -> Plan:
    """Return the plan of all services of one spec file in one environment."""
    first = specs[0]
    parts: tuple[Callable[[Spec], Mapping[str, str]], ...] = (
        rules,
        alerts,
        rule_tests,
        scrape.scrape,
    )
    files: dict[str, str] = {}
    for spec in specs:
        for part in parts:
            files.update(part(spec))
    # Common to all services: they share one Alertmanager and one Grafana.
    for common in (stack, stack_tests, alertmanager, dashboards):
        files.update(common(first))
    files["slo.schema.json"] = json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
    starters = {path: text for spec in specs for path, text in scrape.starters(spec).items()}
    return Plan(files, starters, runbooks(specs))

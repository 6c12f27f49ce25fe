"""Specs for tests: a minimal one in text, and hypothesis's strategies for valid ones."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from etter_obs._internal import conventions
from etter_obs._internal.conventions import Label, MetricKind
from etter_obs._internal.generate.scrape import scrape
from etter_obs._internal.slo.alerts.alertmanager import alertmanager
from etter_obs._internal.slo.alerts.burn_rate import alerts
from etter_obs._internal.slo.alerts.stack import stack
from etter_obs._internal.slo.loading.loader import SpecError, parse_specs
from etter_obs._internal.slo.loading.validation import RESERVED
from etter_obs._internal.slo.rule_tests import rule_tests, stack_tests
from etter_obs._internal.slo.rules.recording import rules
from etter_obs._internal.slo.spec.models import Spec
from stack.build import binary

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "slo.yaml"

BASE = """\
version: 1
service: shop
environment: production
team: shop-team
receivers:
  page: { webhook: { url_file: secrets/a } }
  ticket: { webhook: { url_file: secrets/a } }
  watchdog: { webhook: { url_file: secrets/a } }
"""


def spec_of(*slos: str, more: str = "") -> Spec:
    """Return the spec with these SLOs (each a YAML flow mapping) and further top-level text."""
    return parse_specs(text_of(*slos, more=more), "slo.yaml")[0]


def text_of(*slos: str, more: str = "", environment: str = "production") -> str:
    """Return the text of such a spec."""
    base = BASE.replace("production", environment)
    return base + more + "slos:\n" + "".join(f"  - {slo}\n" for slo in slos)


def generated(specs: Sequence[Spec]) -> dict[str, str]:
    """Return the YAML files that follow from ``specs``; the dashboards have tests of their own."""
    files: dict[str, str] = {**stack(specs[0]), **stack_tests(specs[0]), **alertmanager(specs[0])}
    for spec in specs:
        files |= {**rules(spec), **alerts(spec), **rule_tests(spec), **scrape(spec)}
    return files


def written(files: Mapping[str, str], folder: Path) -> list[str]:
    """Write ``files`` under ``folder`` and return the paths of the rule files among them."""
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return [str(folder / path) for path in files if "/rules/" in path]


def promtool(*arguments: str) -> str:
    """Run the real promtool; it must be content."""
    done = subprocess.run(
        [binary("promtool"), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


def error_of(text: str) -> str | None:
    """Return what the loader says of ``text``, None where it takes it."""
    try:
        parse_specs(text, "slo.yaml")
    except SpecError as error:
        return str(error)
    return None


# -- random valid specs ---------------------------------------------------------------------------

_slugs = st.from_regex(r"[a-z](?:[a-z0-9-]{0,12}[a-z0-9])?", fullmatch=True)
_letters = st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"])
_texts = st.text(_letters, min_size=1, max_size=60)
_notes = st.text(_letters | st.sampled_from("\n\t"), max_size=60)
_routes = st.from_regex(r"/[a-zA-Z0-9{}_./()+*|$^\[\]?~-]{0,20}", fullmatch=True)
_objectives = st.one_of(
    st.decimals("70", "99.9999", places=4).map(lambda d: f"{d}%"),
    st.decimals("0.7", "0.9999", places=4),
)
_durations = st.one_of(
    st.integers(1, 3_600_000).map(lambda n: f"{n}ms"),
    st.integers(1, 3600).map(lambda n: f"{n}s"),
    st.decimals("0.001", "60", places=3).map(lambda d: f"{d}s"),
    st.integers(1, 59).map(lambda n: f"0h{n}m"),
)
_codes = st.integers(100, 599)
_histograms = [
    m
    for m in conventions.METRICS
    if m.kind is MetricKind.HISTOGRAM and m.suffix.endswith("_seconds")
]
_counters = [m.suffix for m in conventions.METRICS if m.kind is MetricKind.COUNTER]


@st.composite
def _requests(draw: st.DrawFn) -> dict[str, Any]:
    bad = draw(st.one_of(st.sampled_from(["4xx", "5xx"]), st.lists(_codes, min_size=1, max_size=4)))
    without = draw(st.lists(_codes, max_size=3))
    if isinstance(bad, list):
        without = [code for code in without if code not in bad]
    routes = draw(st.lists(_routes, max_size=3))
    return {"requests": {"bad_status": bad, "without_status": without, "routes": routes}}


@st.composite
def _latency(draw: st.DrawFn) -> dict[str, Any]:
    metric = draw(st.sampled_from(_histograms))
    routes = draw(st.lists(_routes, max_size=3)) if Label.ENDPOINT in metric.labels else []
    threshold = draw(_durations)
    return {"latency": {"metric": metric.suffix, "threshold": threshold, "routes": routes}}


@st.composite
def _ratio(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.permutations(_counters))[:2]
    sides = draw(st.permutations(["good", "bad", "total"]))[:2]
    return {"ratio": dict(zip(sides, names, strict=True))}


_blanks = st.one_of(
    st.text(" \t\n", max_size=3),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20).map(
        lambda comment: f" #{comment}\n"
    ),
)
"""Text that PromQL allows between any two tokens."""


@st.composite
def _strings(draw: st.DrawFn) -> str:
    """Return a string literal of PromQL, in any of its quotes."""
    quote = draw(st.sampled_from("\"'`"))
    refused = "\r\ufffd`" if quote == "`" else "\r\n\ufffd"
    any_ = st.characters(codec="utf-8", exclude_characters=refused)
    text = draw(st.text(st.one_of(st.sampled_from("$#{}[]() 1"), any_), max_size=20))
    text = re.sub(r"\$+(?=[A-Za-z_])", "$$", text)  # $name is refused, $$name is not
    if quote != "`":
        text = text.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    return f"{quote}{text}{quote}"


@st.composite
def _queries(draw: st.DrawFn) -> str:
    """Return PromQL with strings, comments and lines as people write them."""
    name = draw(st.sampled_from(["etter_db_connections_active", "up"]))
    tokens = [draw(st.sampled_from(["max", "avg"])), "(", name, "{", "$selector"]
    for value in draw(st.lists(_strings(), max_size=2)):
        tokens += [",", "pool", draw(st.sampled_from(["=", "!="])), value]
    return "".join(f"{draw(_blanks)}{token}" for token in [*tokens, "}", ")", ""])


@st.composite
def _saturation(draw: st.DrawFn) -> dict[str, Any]:
    side = draw(st.sampled_from(["below", "above"]))
    share = draw(st.integers(1, 99).map(lambda n: f"{n}%"))
    what = draw(
        st.one_of(
            st.sampled_from(["cpu", "memory", "disk-io"]).map(lambda r: {"resource": r}),
            _queries().map(lambda q: {"query": q}),
        )
    )
    short = [] if what.get("resource") in ("cpu", "disk-io") else ["30s", "50s"]
    slice_ = draw(st.sampled_from([*short, "1m", "75s", "100s", "2m30s"]))
    return {"saturation": {**what, side: share, "slice": slice_}}


# Built for each example: a test that removes a key must not remove it from the next example.
_raw = st.builds(
    lambda: {
        "promql": {
            "bad": 'sum(rate(etter_requests_total{$selector,status="500"}[$interval]))',
            "total": "sum(rate(etter_requests_total{$selector}[$interval]))",
        }
    }
)
_alerting = st.one_of(
    st.sampled_from(["burn-rate", "ticket", "off"]),
    st.integers(1, 1000).map(lambda n: {"mode": "burn-rate", "min_bad_events": n}),
)


@st.composite
def spec_trees(draw: st.DrawFn) -> dict[str, Any]:
    """Return a valid spec as plain data; an override or a second service may be in it."""
    names = draw(st.lists(_slugs, min_size=1, max_size=4, unique=True))
    slos = [
        {
            "name": name,
            "description": draw(_texts),
            "objective": draw(_objectives),
            "sli": draw(st.one_of(_requests(), _latency(), _ratio(), _saturation(), _raw)),
            "alerting": draw(_alerting),
            "runbook": draw(_notes),
        }
        for name in names
    ]
    tree: dict[str, Any] = yaml.safe_load(BASE) | {
        "service": draw(_slugs.filter(lambda name: name not in RESERVED)),
        "period": draw(st.integers(7, 90).map(lambda n: f"{n}d")),
        "rule_form": draw(st.sampled_from(["exact", "portable"])),
        "slos": slos,
    }
    if draw(st.booleans()):
        objective = draw(_objectives)
        tree["environments"] = {"staging": {"slos": [{"name": names[0], "objective": objective}]}}
    return tree


def dumped(tree: Any) -> str:
    """Return the tree as YAML, decimals as a person writes them."""
    return yaml.dump(_undecimal(tree), sort_keys=False, allow_unicode=True)


def _undecimal(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _undecimal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_undecimal(item) for item in value]
    return float(value) if type(value).__name__ == "Decimal" else value

"""What no single field can tell: fields that need each other, and names that must exist.

Each check yields ``(path, message)``; the loader turns the path into the line of the file.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from etter_obs import conventions
from etter_obs.conventions import Label, Metric, MetricKind
from etter_obs.slo.spec.fields import wrong_name
from etter_obs.slo.spec.models import (
    LatencySli,
    PromQL,
    Ratio,
    Requests,
    Saturation,
    Sli,
    Slo,
    Spec,
)
from etter_obs.slo.spec.policy import TIERS
from etter_obs.slo.spec.reachability import reachable_objectives, tiers_of
from etter_obs.slo.spec.receivers import Receiver
from etter_obs.slo.spec.user_promql import names_in_quotes, placeholders, unbalanced, words
from etter_obs.text.units import decimal_text, percent_text

Path = tuple[str | int, ...]
Problem = tuple[Path, str]
Judge = Callable[[Spec], Iterable[Problem]]
"""Yields what is wrong with a spec that is right as far as this package can tell."""

RESERVED: Final = {
    "stack",
    *("prometheus", "alertmanager", "otel-collector", "loki", "tempo", "grafana"),
    *("node", "redis", "postgres"),
}
"""Names of the stack's own alerts and of its scrape jobs."""
_SHORTEST_COUNTED: Final = 60
"""Seconds that a rate is told over: a shorter slice may hold a single scrape, which makes none."""


def metric_by_suffix(suffix: str) -> Metric | None:
    """Return the product's metric of that name (without prefix), or None."""
    return next((metric for metric in conventions.METRICS if metric.suffix == suffix), None)


def wrong_service(name: str) -> str | None:
    """Return why no service can have this name, None where one can."""
    if name in RESERVED:
        return f"{name!r} names a part of the stack; choose another"
    return wrong_name(name)


def problems(spec: Spec) -> Iterator[Problem]:
    """Yield everything that is wrong with a spec whose fields are each right."""
    if why := wrong_service(spec.service):
        yield ("service",), why
    if not spec.slos:
        yield ("slos",), "no SLO stands here; without one there is nothing to generate"
    yield from _receivers(spec)
    seen: set[str] = set()
    for index, slo in enumerate(spec.slos):
        path: Path = ("slos", index)
        if slo.name in seen:
            yield (*path, "name"), f"the name {slo.name!r} is taken by an SLO above"
        seen.add(slo.name)
        for inner, message in (*_sli(slo, spec), *_alerting(slo, spec)):
            yield (*path, *inner), message


def _receivers(spec: Spec) -> Iterator[Problem]:
    named: list[tuple[Path, Receiver | None]] = [
        (("receivers", "page"), spec.receivers.page),
        (("receivers", "ticket"), spec.receivers.ticket),
        (("receivers", "watchdog"), spec.receivers.watchdog),
    ]
    for team, own in spec.teams.items():
        named += [(("teams", team, "page"), own.page), (("teams", team, "ticket"), own.ticket)]
    for path, receiver in named:
        if receiver is not None and not receiver.model_dump(exclude_none=True):
            kinds = ", ".join(Receiver.model_fields)
            yield path, f"a receiver needs at least one of {kinds}"


def _sli(slo: Slo, spec: Spec) -> Iterator[Problem]:
    kinds = [kind for kind in type(slo.sli).model_fields if getattr(slo.sli, kind) is not None]
    if len(kinds) != 1:
        said = f"{' and '.join(kinds)} stand here together" if kinds else "none stands here"
        yield ("sli",), f"exactly one of {', '.join(type(slo.sli).model_fields)}; {said}"
        return
    for inner, message in _sli_of_kind(slo.sli, spec):
        yield ("sli", kinds[0], *inner), message


def _sli_of_kind(sli: Sli, spec: Spec) -> Iterator[Problem]:
    if sli.requests is not None:
        yield from _requests(sli.requests)
    if sli.latency is not None:
        yield from _latency(sli.latency, spec)
    if sli.ratio is not None:
        yield from _ratio(sli.ratio, spec)
    if sli.saturation is not None:
        yield from _saturation(sli.saturation, spec)
    if sli.promql is not None:
        yield from _raw(sli.promql, spec)


def _requests(sli: Requests) -> Iterator[Problem]:
    if isinstance(sli.bad_status, tuple):
        both = set(sli.bad_status) & set(sli.without_status)
        if both:
            yield ("without_status",), f"{sorted(both)} cannot be bad and not counted at once"


def _latency(sli: LatencySli, spec: Spec) -> Iterator[Problem]:
    yield from _metric(("metric",), sli.metric, MetricKind.HISTOGRAM, spec)
    metric = metric_by_suffix(sli.metric)
    if metric is not None and sli.routes and Label.ENDPOINT not in metric.labels:
        yield ("routes",), f"{sli.metric} has no label {Label.ENDPOINT}, so no route can be chosen"
    if metric is not None and not metric.suffix.endswith("_seconds"):
        yield ("metric",), f"{sli.metric} measures no time; a latency needs a histogram of seconds"
    if both := set(sli.routes) & set(spec.streaming_routes):
        yield ("routes",), f"{sorted(both)} streams (streaming_routes) and so has no latency"


def _ratio(sli: Ratio, spec: Spec) -> Iterator[Problem]:
    given = [name for name in ("good", "bad", "total") if getattr(sli, name) is not None]
    if len(given) != 2:
        yield (), "two of good, bad and total; the third follows"
    for name in given:
        yield from _metric((name,), getattr(sli, name), MetricKind.COUNTER, spec)
    if len({getattr(sli, name) for name in given}) < len(given):
        yield (given[-1],), "the same counter twice makes no ratio"


def _saturation(sli: Saturation, spec: Spec) -> Iterator[Problem]:
    if (sli.query is None) == (sli.resource is None):
        yield (), "either query or resource"
    if (sli.below is None) == (sli.above is None):
        yield (), "either below or above"
    if sli.resource is not None and sli.below is not None and sli.below > 1:
        yield ("below",), f"{sli.resource} is a share of the whole; write a percentage, 70% say"
    if sli.resource in ("cpu", "disk-io") and sli.slice < _SHORTEST_COUNTED:
        yield ("slice",), f"{sli.resource} is told over a minute or more; write 1m say"
    if sli.query is not None:
        yield from _promql(("query",), sli.query, ("$selector",), spec)


def _raw(sli: PromQL, spec: Spec) -> Iterator[Problem]:
    for name in ("bad", "total"):
        line = getattr(sli, name)
        yield from _promql((name,), line, ("$selector", "[$interval]"), spec)
        if "[$interval]" not in placeholders(line):
            yield (
                (name,),
                "it must count over [$interval], as rate(orders_total{$selector}[$interval])",
            )
        if "increase" in words(line):
            yield (name,), "it must be a rate per second; write rate(…) instead of increase(…)"


def _alerting(slo: Slo, spec: Spec) -> Iterator[Problem]:
    """Look for tiers that are none, that the mode excludes, or of which none can fire."""
    wrong = list(_tiers(slo))
    yield from wrong
    if slo.alerting.mode != "off" and not wrong and not tiers_of(slo, spec.period):
        most = (1 / slo.budget).quantize(Decimal("0.01"), ROUND_FLOOR)
        yield (
            ("objective",),
            f"{percent_text(slo.objective)} asks to alert, yet no tier that it asks for can fire: "
            f"even a full outage burns only {decimal_text(most)} times too fast. "
            f"{reachable_objectives(slo, spec.period)}",
        )


def _tiers(slo: Slo) -> Iterator[Problem]:
    mode, asked = slo.alerting.mode, slo.alerting.tiers
    severities = {tier.name: tier.severity for tier in TIERS}
    if asked == () and mode != "off":
        yield ("alerting", "tiers"), "no tier stands here; leave tiers out, or say alerting: off"
    for index, name in enumerate(asked or ()):
        path: Path = ("alerting", "tiers", index)
        if name not in severities:
            yield path, f"no tier {name!r}{meant(name, severities)}"
        elif mode == "ticket" and severities[name] != mode:
            tickets = " or ".join(tier for tier, known in severities.items() if known == mode)
            yield path, f"{name} pages, and mode: ticket never does; write {tickets}, or no mode"


def _metric(path: Path, name: str, kind: MetricKind, spec: Spec) -> Iterator[Problem]:
    if name in spec.own_metrics:
        return
    metric = metric_by_suffix(name)
    if metric is None:
        known = [m.suffix for m in conventions.METRICS if m.kind is kind]
        bare = name.removeprefix(f"{spec.metric_prefix}_")
        hint = f"; write it without the prefix: {bare}" if bare in known else meant(name, known)
        yield path, f"no such metric: {name}{hint or '; list your own under own_metrics'}"
    elif metric.kind is not kind:
        yield path, f"{name} is a {metric.kind}; this needs a {kind}"


def _promql(path: Path, line: str, allowed: Collection[str], spec: Spec) -> Iterator[Problem]:
    """Look at PromQL as far as one can without a parser: placeholders, brackets, names."""
    for name in placeholders(line):
        if name not in allowed:
            takes = f"it takes {', '.join(allowed)}"
            yield path, f"{name} stands for nothing here{meant(name, allowed)}; {takes}"
    for name in names_in_quotes(line):
        yield (
            path,
            f"${name} stands for nothing within quotes; write ${{{name}}} for a group of a regular "
            f'expression, or \\x24{name} in "…" for the sign itself',
        )
    if fault := unbalanced(line):
        yield path, fault
        return
    own = f"{spec.metric_prefix}_"
    known = {
        name for metric in conventions.METRICS for name in series_names(metric, spec.metric_prefix)
    }
    for word in words(line):
        if word.startswith(own) and word not in known and word not in spec.own_metrics:
            hint = meant(word, known) or "; list your own under own_metrics"
            yield path, f"no such metric: {word}{hint}"


def series_names(metric: Metric, prefix: str) -> tuple[str, ...]:
    """Return the names of the series that a metric is exposed as."""
    name = metric.name(prefix)
    if metric.kind is MetricKind.HISTOGRAM:
        return (f"{name}_bucket", f"{name}_count", f"{name}_sum")
    return (name,)


def meant(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean x?`` for a near miss, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""

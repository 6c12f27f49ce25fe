"""What an SLI counts, as PromQL: all events and bad events of one evaluation interval.

Shapes that all kinds keep: ``or 0 * total`` is absent where there is no data, so that missing data
never looks like health; a comparison drops NaN; instances are summed before anything is divided.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final

from etter_obs import conventions
from etter_obs.conventions import Label, Rule
from etter_obs.slo.loading.validation import metric_by_suffix
from etter_obs.slo.spec.models import LatencySli, Ratio, Requests, Saturation, Slo, Spec
from etter_obs.slo.spec.policy import EVALUATION_INTERVAL, PORTABLE_RANGE, SCRAPE_INTERVAL
from etter_obs.slo.spec.user_promql import filled
from etter_obs.text.promql import (
    differs,
    equals,
    matches,
    matches_not,
    none_of,
    one_of,
    scraped,
    series,
    sum_of_increase,
)
from etter_obs.text.units import decimal_text, duration_text, le_text

NODE_JOB: Final = "node"
"""Scrape job of node_exporter."""
_DISKS: Final = "loop.*|ram.*|zram.*|sr.*|fd.*"
"""Devices that are no disks."""


@dataclass(frozen=True, slots=True)
class Sli:
    """PromQL of one SLI.

    ``total`` and ``bad`` count events of one interval. ``value`` is what a saturation SLI measures
    (recorded, then judged). ``histogram`` holds the selectors of count and of the threshold's
    bucket, ``failures`` that of the bad requests.
    """

    total: str
    bad: str
    value: str | None = None
    histogram: tuple[str, str] | None = None
    failures: str | None = None


def own_labels(spec: Spec, slo: Slo) -> dict[str, str]:
    """Return the labels that every recording and alert of ``slo`` carries."""
    return {
        Label.SERVICE.value: spec.service,
        Label.ENVIRONMENT.value: spec.environment,
        Label.SLO.value: slo.name,
    }


def recorded(rule: str, spec: Spec, slo: Slo) -> str:
    """Write the selector of a recording of ``slo``."""
    return _recorded(rule, spec.service, spec.environment, slo.name)


@lru_cache(maxsize=4096)  # the same few selectors stand in every rule and test of an SLO
def _recorded(rule: str, service: str, environment: str, slo: str) -> str:
    own = ((Label.SERVICE, service), (Label.ENVIRONMENT, environment), (Label.SLO, slo))
    return series(rule, (equals(label, value) for label, value in own))


def interval(slo: Slo) -> Decimal:
    """Return the seconds that one sample of the base recordings stands for."""
    return EVALUATION_INTERVAL if slo.sli.saturation is None else slo.sli.saturation.slice


def expressions(spec: Spec, slo: Slo) -> Sli:
    """Return the PromQL of ``slo``'s SLI."""
    sli = slo.sli
    if sli.requests is not None:
        return _requests(spec, sli.requests)
    if sli.latency is not None:
        return _latency(spec, sli.latency)
    if sli.ratio is not None:
        return _ratio(spec, sli.ratio)
    if sli.saturation is not None:
        return _saturation(spec, slo, sli.saturation)
    # Each side is one series, whatever labels a person's own PromQL keeps: a side that kept more
    # labels than the other would match nothing, and a full outage would be a ratio of 0.
    total, bad = (f"sum({written(spec, slo)[side]})" for side in ("total", "bad"))
    return Sli(total, _or_zero(bad, total))


def _increase(spec: Spec, selector: str) -> str:
    return sum_of_increase(selector, exact=spec.rule_form == "exact")


def _or_zero(bad: str, total: str) -> str:
    """Write ``bad``, or 0 where only ``total`` is there."""
    return f"({bad}) or 0 * ({total})"


def _requests(spec: Spec, sli: Requests) -> Sli:
    metric = conventions.REQUESTS.name(spec.metric_prefix)
    common = [
        *scraped(spec.service, spec.environment),
        differs(Label.ENDPOINT, conventions.UNMATCHED),
        *([one_of(Label.ENDPOINT, sli.routes)] if sli.routes else []),
        *([none_of(Label.STATUS, map(str, sli.without_status))] if sli.without_status else []),
    ]
    bad = (
        one_of(Label.STATUS, map(str, sli.bad_status))
        if isinstance(sli.bad_status, tuple)
        else matches(Label.STATUS, sli.bad_status.replace("xx", ".."))
    )
    total = _increase(spec, series(metric, common))
    failures = series(metric, [*common, bad])
    return Sli(total, _or_zero(_increase(spec, failures), total), failures=failures)


def _latency(spec: Spec, sli: LatencySli) -> Sli:
    metric = metric_by_suffix(sli.metric)
    name = metric.name(spec.metric_prefix) if metric else sli.metric
    labels = metric.labels if metric else ()
    common = [*scraped(spec.service, spec.environment)]
    if Label.ENDPOINT in labels:
        common.append(differs(Label.ENDPOINT, conventions.UNMATCHED))
        if spec.streaming_routes:
            common.append(none_of(Label.ENDPOINT, spec.streaming_routes))
    if sli.routes:
        common.append(one_of(Label.ENDPOINT, sli.routes))
    if Label.STATUS_CLASS in labels:
        # A failure is the availability's business, and an answer nobody waited for is nobody's.
        common.append(matches_not(Label.STATUS_CLASS, f"5xx|{conventions.STATUS_CLIENT_CLOSED}"))
    count = series(f"{name}_count", common)
    within = series(f"{name}_bucket", [*common, equals("le", le_text(sli.threshold))])
    total = _increase(spec, count)
    # Not `or 0 * total`: without its bucket the SLI must be absent, not healthy. Clamped, because a
    # restart that only one of the two counters shows as a reset would give less than none.
    return Sli(
        total, f"clamp_min({total} - {_increase(spec, within)}, 0)", histogram=(count, within)
    )


def _ratio(spec: Spec, sli: Ratio) -> Sli:
    def increase(name: str) -> str:
        metric = metric_by_suffix(name)
        full = metric.name(spec.metric_prefix) if metric else name
        return _increase(spec, series(full, scraped(spec.service, spec.environment)))

    if sli.total is None:
        good, bad = increase(sli.good or ""), increase(sli.bad or "")
        # Each side may be absent until its first event; the sum must not be.
        total = f"({_or_zero(good, bad)}) + ({_or_zero(bad, good)})"
        return Sli(total, _or_zero(bad, good))
    total = increase(sli.total)
    if sli.bad is not None:
        return Sli(total, _or_zero(increase(sli.bad), total))
    good = _or_zero(increase(sli.good or ""), total)
    return Sli(total, f"clamp_min({total} - ({good}), 0)")


def _saturation(spec: Spec, slo: Slo, sli: Saturation) -> Sli:
    value = written(spec, slo).get("query") or _resource(spec, sli)
    measured = recorded(Rule.SATURATION, spec, slo)
    bad = (
        f"{measured} >= {decimal_text(sli.below)}"
        if sli.below is not None
        else f"{measured} <= {decimal_text(sli.above or Decimal(0))}"
    )
    # `>= -Inf` holds for every number and not for NaN.
    total = f"count({measured} >= -Inf)"
    return Sli(total, _or_zero(f"count({bad})", total), value=value)


def _average(query: str, slice_: Decimal) -> str:
    return f"avg_over_time(({query})[{duration_text(slice_)}:{duration_text(SCRAPE_INTERVAL)}])"


def _resource(spec: Spec, sli: Saturation) -> str:
    def node(metric: str, *matchers: str) -> str:
        return series(metric, (equals(Label.JOB, NODE_JOB), *matchers))

    window = duration_text(sli.slice)
    counted = f"[{window}] anchored" if spec.rule_form == "exact" else f"[{window}]"
    if sli.resource == "cpu":
        idle = node("node_cpu_seconds_total", equals("mode", "idle"))
        # Of a host's first sample `anchored` makes a rate of 0, and so a processor 100 % busy.
        known = f" and {idle} offset {window}" if spec.rule_form == "exact" else ""
        return f"1 - avg(rate({idle}{counted}){known})"
    if sli.resource == "memory":
        available = node("node_memory_MemAvailable_bytes")
        return _average(f"avg(1 - {available} / {node('node_memory_MemTotal_bytes')})", sli.slice)
    busy = node("node_disk_io_time_seconds_total", matches_not("device", _DISKS))
    return f"avg(max by ({Label.INSTANCE}) (rate({busy}{counted})))"


def written(spec: Spec, slo: Slo) -> dict[str, str]:
    """Return what a person's own PromQL becomes in the rules, by the field that it stands in.

    Each must be an instant vector; no other kind of SLI has any.
    """
    saturation, raw = slo.sli.saturation, slo.sli.promql
    if saturation is not None and saturation.query is not None:
        return {"query": _average(_filled(saturation.query, spec), saturation.slice)}
    if raw is None:
        return {}
    sides = {"bad": raw.bad, "total": raw.total}
    return {
        field: f"({_filled(line, spec)}) * {EVALUATION_INTERVAL}" for field, line in sides.items()
    }


def _filled(line: str, spec: Spec) -> str:
    """Fill the placeholders of a person's PromQL; the loader has refused every other one."""
    window = (
        f"[{duration_text(EVALUATION_INTERVAL)}] anchored"
        if spec.rule_form == "exact"
        else f"[{duration_text(PORTABLE_RANGE)}]"
    )
    matchers = ",".join(scraped(spec.service, spec.environment))
    return filled(line, selector=matchers, interval=window)

"""Invented traffic: what an app would expose while events come and a share of them is bad.

One timeline serves every SLI kind, so that a rule can be tested, and an outage simulated, without
knowing what the SLI counts. Values are exact decimals in promtool's notation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

from etter_obs import conventions
from etter_obs.conventions import Label, Rule
from etter_obs.slo.kinds.promql_rates import Share, solved
from etter_obs.slo.loading.validation import metric_by_suffix
from etter_obs.slo.rules import sli
from etter_obs.slo.spec.models import LatencySli, PromQL, Ratio, Requests, Saturation, Slo, Spec
from etter_obs.text.promql import equals, scraped, series
from etter_obs.text.units import decimal_text, le_text

_ROUTE: Final = "/companies/{company_id}"
_ONE_GAUGE: Final = re.compile(
    r"^(?:max|min|avg|sum) ?\( ?([a-zA-Z_:][\w:]*) ?\{ ?\$selector ?\} ?\)$"
)


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of time: its length in seconds, events per second, the share of them that is bad.

    For a saturation SLI ``rate`` means nothing, and the share is that of bad slices.
    """

    seconds: Decimal
    rate: Decimal
    bad: Decimal


Series = dict[str, str]
"""Selector → values, one for each ``step_seconds`` from 0 on."""


def input_series(spec: Spec, slo: Slo, steps: Sequence[Step], step_seconds: Decimal) -> Series:
    """Return the series that ``slo``'s SLI reads, over ``steps``, sampled each ``step_seconds``.

    Where the SLI is PromQL of a shape that cannot be turned round, its base recordings are given
    instead (one sample for each evaluation: evaluate as often as ``step_seconds``).
    """
    kind = slo.sli
    if kind.requests is not None:
        return _requests(spec, kind.requests, steps, step_seconds)
    if kind.latency is not None:
        return _latency(spec, kind.latency, steps, step_seconds)
    if kind.ratio is not None:
        return _ratio(spec, kind.ratio, steps, step_seconds)
    if kind.saturation is not None:
        return _saturation(spec, slo, kind.saturation, steps, step_seconds)
    assert kind.promql is not None, "the loader lets exactly one kind pass"  # noqa: S101
    return _raw(spec, kind.promql, steps, step_seconds) or _recorded(spec, slo, steps, step_seconds)


def is_recorded(spec: Spec, slo: Slo) -> bool:
    """Return whether :func:`input_series` can give only recordings of ``slo``."""
    one = [Step(Decimal(60), Decimal(1), Decimal(0))]
    return any(
        selector.startswith("slo:") for selector in input_series(spec, slo, one, Decimal(60))
    )


def noise(spec: Spec, slo: Slo, steps: Sequence[Step], step_seconds: Decimal) -> Series:
    """Return series that must not count: other jobs, scanners, 499s, streams.

    Half of their events are bad, so that counting them alarms, and half good, so that counting
    those alone hides a fault. Slices have no half: all of theirs are bad.
    """
    share = Decimal("0.5") if slo.is_event_based else Decimal(1)
    failing = [Step(step.seconds, Decimal(1000), share) for step in steps]
    other: Series = {}
    for selector, values in input_series(spec, slo, failing, step_seconds).items():
        if selector.startswith("slo:"):
            continue
        for own, name in ((Label.JOB, spec.service), (Label.ENVIRONMENT, spec.environment)):
            elsewhere = selector.replace(equals(own, name), equals(own, f"not-{name}"))
            if elsewhere != selector:
                other[elsewhere] = values
        for label, value in _uncounted(spec, slo, selector):
            other[_relabelled(selector, label, value)] = values
    return other


def _uncounted(spec: Spec, slo: Slo, selector: str) -> list[tuple[str, str]]:
    """Return labels that take an event out of the SLI."""
    found: list[tuple[str, str]] = []
    if slo.sli.requests is not None:
        found.append((Label.ENDPOINT, conventions.UNMATCHED))
        found += [(Label.STATUS, str(code)) for code in slo.sli.requests.without_status[:1]]
    elif f"{Label.STATUS_CLASS}=" in selector:
        found += [(Label.ENDPOINT, conventions.UNMATCHED), (Label.STATUS_CLASS, "5xx")]
        found.append((Label.STATUS_CLASS, str(conventions.STATUS_CLIENT_CLOSED)))
        found += [(Label.ENDPOINT, route) for route in spec.streaming_routes[:1]]
    counted = slo.sli.requests or slo.sli.latency
    if counted is not None and counted.routes:
        found.append((Label.ENDPOINT, "/not-listed"))
    return found


def _relabelled(selector: str, label: str, value: str) -> str:
    replacement = equals(label, value)
    return re.sub(rf'\b{label}="[^"]*"', lambda _: replacement, selector)


# -- events ---------------------------------------------------------------------------------------


def _counter(steps: Sequence[Step], step_seconds: Decimal, share: Share) -> str:
    """Write a counter of all, good or bad events."""
    value, parts = Decimal(0), ["0"]
    for step in steps:
        part = {"all": Decimal(1), "good": 1 - step.bad, "bad": step.bad}.get(share, Decimal(0))
        each = _addable(step.rate * step_seconds * part)
        count = _samples(step, step_seconds)
        parts.append(_ramp(value, each, count))
        value += each * count
    return " ".join(parts)


def _addable(value: Decimal) -> Decimal:
    """Round to a multiple of 2^-16: promtool adds floats up, and an error looks like a reset."""
    return (value * 65536).to_integral_value() / 65536


def _ramp(value: Decimal, each: Decimal, count: int) -> str:
    """Write ``count`` samples that go up by ``each`` from ``value`` on."""
    return f"{decimal_text(value + each)}+{decimal_text(each)}x{count - 1}"


def _samples(step: Step, step_seconds: Decimal) -> int:
    return max(1, int((step.seconds / step_seconds).to_integral_value(ROUND_CEILING)))


def _own(spec: Spec, *more: tuple[str, str]) -> list[str]:
    return [
        *scraped(spec.service, spec.environment),
        *(equals(label, value) for label, value in more),
    ]


def _requests(spec: Spec, kind: Requests, steps: Sequence[Step], seconds: Decimal) -> Series:
    name = conventions.REQUESTS.name(spec.metric_prefix)
    bad = kind.bad_status[0] if isinstance(kind.bad_status, tuple) else _code(kind)

    def one(status: int, instance: str) -> str:
        route = kind.routes[-1] if kind.routes else _ROUTE
        labels = [(Label.METHOD, "GET"), (Label.ENDPOINT, route), (Label.STATUS, str(status))]
        return series(name, _own(spec, (Label.INSTANCE, instance), *labels))

    good = next(code for code in (200, 204, 302, 404, 500) if _is_good(kind, code))
    return {
        one(good, "a"): _counter(steps, seconds, "good"),
        one(bad, "b"): _counter(steps, seconds, "bad"),
    }


def _code(kind: Requests) -> int:
    first = int(str(kind.bad_status)[0]) * 100
    return next(code for code in range(first, first + 100) if code not in kind.without_status)


def _is_good(kind: Requests, code: int) -> bool:
    if code in kind.without_status:
        return False
    if isinstance(kind.bad_status, tuple):
        return code not in kind.bad_status
    return str(code)[0] != kind.bad_status[0]


def _latency(spec: Spec, kind: LatencySli, steps: Sequence[Step], seconds: Decimal) -> Series:
    metric = metric_by_suffix(kind.metric)
    name = metric.name(spec.metric_prefix) if metric else kind.metric
    values = {Label.ENDPOINT: kind.routes[-1] if kind.routes else _ROUTE, Label.STATUS_CLASS: "2xx"}
    known = metric.labels if metric else ((Label.ENDPOINT,) if kind.routes else ())
    labels = [(label.value, values.get(label, "x")) for label in known]
    common = _own(spec, (Label.INSTANCE, "a"), *labels)
    return {
        series(f"{name}_count", common): _counter(steps, seconds, "all"),
        series(f"{name}_bucket", [*common, equals("le", le_text(kind.threshold))]): _counter(
            steps, seconds, "good"
        ),
        series(f"{name}_bucket", [*common, equals("le", "+Inf")]): _counter(steps, seconds, "all"),
    }


def _ratio(spec: Spec, kind: Ratio, steps: Sequence[Step], seconds: Decimal) -> Series:
    given: dict[Share, str | None] = {"good": kind.good, "bad": kind.bad, "all": kind.total}
    result: Series = {}
    for share, name in given.items():
        if name is not None:
            metric = metric_by_suffix(name)
            full = metric.name(spec.metric_prefix) if metric else name
            selector = series(full, _own(spec, (Label.INSTANCE, "a")))
            result[selector] = _counter(steps, seconds, share)
    return result


def _raw(spec: Spec, kind: PromQL, steps: Sequence[Step], seconds: Decimal) -> Series:
    """Return series that give both sides their rates; {} where no such series are found."""
    own = _own(spec, (Label.INSTANCE, "a"))
    found = solved(kind.bad, kind.total, own)
    return {selector: _counter(steps, seconds, share) for selector, share in found.items()}


def _recorded(spec: Spec, slo: Slo, steps: Sequence[Step], seconds: Decimal) -> Series:
    """Give the base recordings themselves."""

    def increases(share: str) -> str:
        parts = ["0"]
        for step in steps:
            part = Decimal(1) if share == "all" else step.bad
            parts.append(_ramp(step.rate * seconds * part, Decimal(0), _samples(step, seconds)))
        return " ".join(parts)

    return {
        sli.recorded(Rule.TOTAL_INCREASE, spec, slo): increases("all"),
        sli.recorded(Rule.BAD_INCREASE, spec, slo): increases("bad"),
    }


# -- slices of time -------------------------------------------------------------------------------


def _saturation(
    spec: Spec, slo: Slo, kind: Saturation, steps: Sequence[Step], seconds: Decimal
) -> Series:
    bound = kind.below if kind.below is not None else kind.above or Decimal(1)
    good, bad = bound * Decimal("0.99"), bound * Decimal("1.01")
    if kind.below is None:
        good, bad = bad, good
    runs = list(_runs(steps, seconds, kind.slice, good, bad))
    host = (equals(Label.JOB, sli.NODE_JOB), equals(Label.INSTANCE, "a"))
    if kind.resource == "cpu":
        idle = [(1 - value, count) for value, count in runs]
        selector = series(
            "node_cpu_seconds_total", (*host, equals("cpu", "0"), equals("mode", "idle"))
        )
        return {selector: _integral(idle, seconds)}
    if kind.resource == "disk-io":
        selector = series("node_disk_io_time_seconds_total", (*host, equals("device", "sda")))
        return {selector: _integral(runs, seconds)}
    if kind.resource == "memory":
        free = [((1 - value) * 1_000_000, count) for value, count in runs]
        whole = sum(count for _, count in runs)
        return {
            series("node_memory_MemAvailable_bytes", host): _gauge(free),
            series("node_memory_MemTotal_bytes", host): f"1000000x{whole}",
        }
    match = _ONE_GAUGE.match(kind.query or "")
    if match is None:
        return {sli.recorded(Rule.SATURATION, spec, slo): _gauge(runs)}
    return {series(match[1], _own(spec, (Label.INSTANCE, "a"))): _gauge(runs)}


def _runs(
    steps: Sequence[Step], seconds: Decimal, slice_: Decimal, good: Decimal, bad: Decimal
) -> Iterator[tuple[Decimal, int]]:
    """Yield values and for how many samples; a share of a step's slices, evenly spread, is bad."""
    per_slice = max(1, int(slice_ / seconds))
    for step in steps:
        slices = max(1, _samples(step, seconds) // per_slice)
        if step.bad in (0, 1):
            yield (bad if step.bad else good), slices * per_slice
            continue
        worse = [int((i + 1) * step.bad) > int(i * step.bad) for i in range(slices)]
        start = 0
        for index in range(1, slices + 1):
            if index == slices or worse[index] != worse[start]:
                yield (bad if worse[start] else good), (index - start) * per_slice
                start = index


def _gauge(runs: Sequence[tuple[Decimal, int]]) -> str:
    first = decimal_text(runs[0][0])
    return " ".join([first, *(f"{decimal_text(value)}x{count - 1}" for value, count in runs)])


def _integral(runs: Sequence[tuple[Decimal, int]], seconds: Decimal) -> str:
    """Write the counter whose rate is the value."""
    value, parts = Decimal(0), ["0"]
    for rate, count in runs:
        each = _addable(rate * seconds)
        parts.append(_ramp(value, each, count))
        value += each * count
    return " ".join(parts)


def without(series_: Mapping[str, str], *fragments: str) -> Series:
    """Return the series whose selector holds none of ``fragments``."""
    return {s: v for s, v in series_.items() if not any(part in s for part in fragments)}

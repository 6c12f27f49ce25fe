"""Judges a load test: whether throughput, users, latency and errors held what the spec says.

Every target that a locust run can show is judged, none is passed over in silence:

- throughput and users are those of ``load_test``; throughput is measured while the wanted users
  were there, where the run has a history, so that the ramp does not count against it;
- a latency SLO of requests holds when the share of its objective was within its threshold;
- a requests SLO holds when no more than its budget failed. Only the CSV files
  distinguish a 4xx from other failures; elsewhere all failures count against each.

A latency SLO of the database, a cache or a host is no business of a load generator.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from etter_obs._internal import conventions
from etter_obs._internal.slo.analysis.locust_run import Entry, LocustRun, LocustRunError
from etter_obs._internal.slo.kinds import LatencySli, Requests
from etter_obs._internal.slo.spec.models import LoadTest, Slo, Spec
from etter_obs._internal.text.units import decimal_text, duration_text, percent_text


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target: what was wanted, what was measured, whether it held."""

    target: str
    wanted: str
    measured: str
    held: bool


def load_test_verdicts(spec: Spec, run: LocustRun, users: int | None = None) -> list[Verdict]:
    """Compare every target of ``spec`` that the run can show; the gate holds if all of them do.

    Args:
        spec: the targets.
        run: what locust measured.
        users: how many users locust was started with, for a run that has no history.

    Raises:
        LocustRunError: the run cannot show a target; the message names what would.
    """
    verdicts: list[Verdict] = []
    if spec.load_test is not None:
        verdicts += _load(spec.load_test, run, users)
    for slo in spec.slos:
        requests, latency = slo.sli.requests, slo.sli.latency
        if requests is not None:
            verdicts.append(_errors(slo, requests, run))
        elif latency is not None and conventions.REQUEST_DURATION.suffix == latency.metric:
            verdicts += _latency(slo, latency, run, spec.streaming_routes)
    return verdicts


def _load(wanted: LoadTest, run: LocustRun, users: int | None) -> Iterator[Verdict]:
    most = max((moment.users for moment in run.history), default=users)
    if most is None:
        raise LocustRunError(
            "the run does not tell how many users there were; give the prefix of `locust --csv`, "
            "or say how many by --users"
        )
    full = [moment for moment in run.history if moment.users >= wanted.users]
    seconds = full[-1].at - full[0].at if full else 0
    rate, when = run.throughput, "over the whole run"
    if seconds > 0:
        rate = (full[-1].requests - full[0].requests) / seconds
        when = f"in the {seconds} s at {wanted.users} users"
    yield Verdict(
        "throughput",
        f"≥ {decimal_text(wanted.throughput)}/s",
        f"{rate:.1f}/s {when}",
        rate >= wanted.throughput,
    )
    yield Verdict("users", f"≥ {wanted.users}", f"{most}", most >= wanted.users)


def _errors(slo: Slo, sli: Requests, run: LocustRun) -> Verdict:
    entries = _of_routes(run, sli.routes)
    counted = sum(entry.requests for entry in entries)
    bad, what = sum(entry.failures for entry in entries), "failed"
    if run.client_errors is not None and not sli.routes:
        if sli.bad_status == "4xx":
            bad, what = run.client_errors, "answered 4xx"
        elif sli.bad_status == "5xx":
            bad, what = bad - run.client_errors, "failed otherwise than by a 4xx"
    share = Decimal(bad) / counted
    return Verdict(
        slo.name,
        f"≤ {percent_text(slo.budget)} bad",
        f"{share * 100:.3f}% ({bad} of {counted} {what})",
        share <= slo.budget,
    )


def _latency(
    slo: Slo, sli: LatencySli, run: LocustRun, streaming: Sequence[str]
) -> Iterator[Verdict]:
    wanted = f"{percent_text(slo.objective)} within {duration_text(sli.threshold)}"
    names = {entry.name for entry in run.entries}
    if not sli.routes and not names.intersection(streaming):
        entries: Sequence[Entry] = [run.total]
    else:
        asked = _of_routes(run, sli.routes)
        entries = [entry for entry in asked if entry.name not in streaming]
        if not entries:
            raise LocustRunError(
                f"{slo.name}: the run asked for streaming routes alone ({asked[0].name}), which no "
                "latency target judges; let the run ask for other routes too"
            )
    if all(entry.times for entry in entries):
        counted = sum(sum(entry.times.values()) for entry in entries)
        within = sum(_within(entry, sli.threshold) for entry in entries)
        share = Decimal(within) / counted
        yield Verdict(slo.name, wanted, f"{share * 100:.2f}% within", share >= slo.objective)
        return
    # Percentiles of several requests cannot be added up: each must hold by itself.
    for entry in entries:
        recorded = [level for level in entry.percentiles if level >= slo.objective]
        if not recorded:
            raise LocustRunError(
                f"{slo.name}: locust recorded no percentile of {percent_text(slo.objective)} or "
                "more; use its JSON report (`locust --json-file`)"
            )
        level = min(recorded)
        measured = entry.percentiles[level]
        where = "" if entry is run.total else f" on {entry.name}"
        yield Verdict(
            slo.name,
            wanted,
            f"p{decimal_text(level * 100)} {duration_text(measured)}{where}",
            measured <= sli.threshold,
        )


def _within(entry: Entry, threshold: Decimal) -> int:
    return sum(count for time, count in entry.times.items() if time <= threshold)


def _of_routes(run: LocustRun, routes: Iterable[str]) -> Sequence[Entry]:
    """The entries of these routes; all where there is no choice of routes."""
    wanted = set(routes)
    asked = [entry for entry in run.entries if entry.requests]
    if not wanted:
        return asked or [run.total]
    missing = sorted(wanted - {entry.name for entry in asked})
    if missing:
        raise LocustRunError(
            f"the run made no request named {missing[0]!r}; give requests the route's template "
            "as name: self.client.get(url, name=…)"
        )
    return [entry for entry in asked if entry.name in wanted]

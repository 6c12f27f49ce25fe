"""SLI kind ``requests``: counts requests by status."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Final

from pydantic import Field

from etter_obs._internal import conventions
from etter_obs._internal.conventions import Label, Metric
from etter_obs._internal.slo.kinds.base import (
    ROUTE,
    Breakdown,
    Row,
    SliExpressions,
    SliKind,
    increase,
    or_zero,
    own,
)
from etter_obs._internal.slo.kinds.checks import Problem
from etter_obs._internal.slo.kinds.readings import Events, Readings
from etter_obs._internal.slo.kinds.timeline import Series, Step, counter
from etter_obs._internal.slo.spec.fields import BadStatus, Route, Status
from etter_obs._internal.text.promql import differs, matches, none_of, one_of, scraped, series

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Slo, Spec

UNHANDLED: Final = 500
"""The status of an unhandled exception; any route may return it."""


class Requests(SliKind):
    """Requests to known routes; requests with one of the statuses are bad."""

    row: ClassVar[Row] = Row(
        fields="bad_status, without_status, routes",
        counts="requests to known routes",
        bad="those with the status (`5xx`, `4xx`, `[500, 503]`)",
    )

    bad_status: BadStatus = Field(description="Bad statuses: 5xx, 4xx or a list of codes.")
    without_status: tuple[Status, ...] = Field(
        default=(), description="Codes that count neither as good nor as bad."
    )
    routes: tuple[Route, ...] = Field(
        default=(), description="Counts only these route templates; default: all."
    )

    def problems(self, spec: Spec) -> Iterator[Problem]:
        """Yield codes that are both bad and excluded."""
        if isinstance(self.bad_status, tuple):
            both = set(self.bad_status) & set(self.without_status)
            if both:
                yield ("without_status",), f"{sorted(both)} cannot be both bad and not counted"

    def expressions(self, spec: Spec, slo: Slo) -> SliExpressions:
        """Count requests by status."""
        metric = conventions.REQUESTS.name(spec.metric_prefix)
        common = [
            *scraped(spec.service, spec.environment),
            differs(Label.ENDPOINT, conventions.UNMATCHED),
            *([one_of(Label.ENDPOINT, self.routes)] if self.routes else []),
            *self._without,
        ]
        total = increase(spec, series(metric, common))
        failures = series(metric, [*common, self._bad])
        bad = or_zero(increase(spec, failures), total)
        return SliExpressions(total, bad, failures=failures, has_routes=True)

    @property
    def _bad(self) -> str:
        if isinstance(self.bad_status, tuple):
            return one_of(Label.STATUS, map(str, self.bad_status))
        return matches(Label.STATUS, self.bad_status.replace("xx", ".."))

    @property
    def _without(self) -> list[str]:
        codes = self.without_status
        return [none_of(Label.STATUS, map(str, codes))] if codes else []

    def synthetic_series(
        self, spec: Spec, slo: Slo, steps: Sequence[Step], seconds: Decimal
    ) -> Series:
        """Return good requests on one instance and bad ones on another."""
        name = conventions.REQUESTS.name(spec.metric_prefix)
        route = self.routes[-1] if self.routes else ROUTE

        def one(status: int, instance: str) -> str:
            labels = [(Label.METHOD, "GET"), (Label.ENDPOINT, route), (Label.STATUS, str(status))]
            return series(name, own(spec, (Label.INSTANCE, instance), *labels))

        good = next(code for code in (200, 204, 302, 404, 500) if self._is_good(code))
        return {
            one(good, "a"): counter(steps, seconds, "good"),
            one(self._bad_code(), "b"): counter(steps, seconds, "bad"),
        }

    def _bad_code(self) -> int:
        if isinstance(self.bad_status, tuple):
            return self.bad_status[0]
        first = int(self.bad_status[0]) * 100
        return next(c for c in range(first, first + 100) if c not in self.without_status)

    def _is_good(self, code: int) -> bool:
        if code in self.without_status:
            return False
        if isinstance(self.bad_status, tuple):
            return code not in self.bad_status
        return str(code)[0] != self.bad_status[0]

    def uncounted(self, spec: Spec, selector: str) -> list[tuple[str, str]]:
        """Return labels of requests to unknown or other routes, and of excluded statuses."""
        found: list[tuple[str, str]] = [(Label.ENDPOINT, conventions.UNMATCHED)]
        found += [(Label.STATUS, str(code)) for code in self.without_status[:1]]
        if self.routes:
            found.append((Label.ENDPOINT, "/not-listed"))
        return found

    def bad_series_marks(self) -> tuple[str, ...]:
        """Return the matcher of the instance with the bad requests."""
        return ('instance="b"',)

    def breakdown(self, spec: Spec) -> Breakdown:
        """Break bad requests down by route."""
        route = (
            one_of(Label.ENDPOINT, self.routes)
            if self.routes
            else differs(Label.ENDPOINT, conventions.UNMATCHED)
        )
        matchers = (self._bad, *self._without, route)
        return Breakdown(conventions.REQUESTS, Label.ENDPOINT, matchers)

    def events(self, spec: Spec, readings: Readings) -> Iterator[Events]:
        """Yield the requests of each route."""
        for labels, count in readings.values(conventions.REQUESTS):
            route, status = labels[Label.ENDPOINT], int(labels[Label.STATUS])
            counts = status not in self.without_status and self.covers(route)
            if counts and route != conventions.UNMATCHED:
                yield Events(route, count, 0.0 if self._is_good(status) else count)

    def reads(self, metric: Metric) -> bool:
        """Return whether ``metric`` is the counter of requests."""
        return metric is conventions.REQUESTS

    def covers(self, route: str) -> bool:
        """Return whether the SLI has no list of routes, or ``route`` is on it."""
        return not self.routes or route in self.routes

    def failures(self) -> Iterator[int]:
        """Yield the codes of a list, or 500 for the class 5xx."""
        if isinstance(self.bad_status, tuple):
            yield from self.bad_status
        elif self.bad_status.startswith("5"):
            yield UNHANDLED

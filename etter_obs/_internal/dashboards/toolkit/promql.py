"""PromQL in pieces: what panels have in common is written once.

Every function takes and returns an expression. Ranges are Grafana's variables, so that a panel
stays right at any zoom: ``$__rate_interval`` is never shorter than four scrapes.
"""

from __future__ import annotations

from typing import Final

from etter_obs._internal.conventions import Label, Metric, Rule
from etter_obs._internal.text.promql import equals, series

INTERVAL: Final = "$__rate_interval"
RANGE: Final = "$__range"
STEP: Final = "$__interval"

_SERVICE: Final = (equals(Label.SERVICE, "$service"), equals(Label.ENVIRONMENT, "$environment"))


def select(name: str, *matchers: str) -> str:
    """Return ``name{matcher, …}``."""
    return series(name, matchers)


def recorded(rule: str, *matchers: str) -> str:
    """Select a recording rule of the dashboard's service and environment."""
    return select(rule, *_SERVICE, *matchers)


def bad_ratio(window: str, *matchers: str) -> str:
    """Select the recorded bad share over ``window``."""
    return recorded(Rule.bad_ratio(window), *matchers)


class App:
    """Selects metrics of the observed app: one instance for a spec's prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def __call__(self, metric: Metric, *matchers: str, part: str = "") -> str:
        """Select ``metric``; ``part`` is ``_bucket``, ``_sum`` or ``_count`` of a histogram."""
        return select(
            metric.name(self._prefix) + part,
            equals(Label.JOB, "$service"),
            equals(Label.ENVIRONMENT, "$environment"),
            *matchers,
        )

    def rate(self, metric: Metric, *matchers: str, by: tuple[str, ...] = (), part: str = "") -> str:
        """Per-second rate, summed over instances.

        Args:
            metric: of the app.
            matchers: label matchers.
            by: labels to keep.
            part: suffix of a histogram's series, such as ``_count``.
        """
        return total(rate(self(metric, *matchers, part=part)), *by)

    def count(
        self, metric: Metric, *matchers: str, by: tuple[str, ...] = (), part: str = ""
    ) -> str:
        """Events within the dashboard's time range, summed over instances.

        Args:
            metric: of the app.
            matchers: label matchers.
            by: labels to keep.
            part: suffix of a histogram's series, such as ``_count``.
        """
        return total(f"increase({self(metric, *matchers, part=part)}[{RANGE}])", *by)

    def quantile(
        self,
        q: float,
        metric: Metric,
        *matchers: str,
        by: tuple[str, ...] = (),
        over: str = INTERVAL,
    ) -> str:
        """Estimate a quantile from a histogram's buckets, summed over instances first.

        Args:
            q: from 0 to 1.
            metric: a histogram of the app.
            matchers: label matchers.
            by: labels to keep.
            over: range of the rate.
        """
        buckets = f"rate({self(metric, *matchers, part='_bucket')}[{over}])"
        return f"histogram_quantile({q:g}, {total(buckets, 'le', *by)})"


def rate(selector: str) -> str:
    """Per-second rate over the panel's own interval."""
    return f"rate({selector}[{INTERVAL}])"


def increase(selector: str) -> str:
    """Growth over the dashboard's time range."""
    return f"increase({selector}[{RANGE}])"


def total(expr: str, *by: str) -> str:
    """Sum, by the labels given."""
    return f"sum by ({', '.join(by)}) ({expr})" if by else f"sum({expr})"


def peak(expr: str, *by: str) -> str:
    """Maximum, by the labels given."""
    return f"max by ({', '.join(by)}) ({expr})" if by else f"max({expr})"


def share(part: str, whole: str) -> str:
    """``part / whole``, with no value where ``whole`` is zero."""
    return f"({part}) / ({whole} > 0)"


def or_zero(expr: str, like: str) -> str:
    """Zero where ``expr`` has no series but ``like`` has: silence, not absence.

    ``or vector(0)`` would show health where there is no data at all.
    """
    return f"({expr} or 0 * {like})"


def top(k: int, expr: str) -> str:
    """Keep the ``k`` highest series."""
    return f"topk({k}, {expr})"

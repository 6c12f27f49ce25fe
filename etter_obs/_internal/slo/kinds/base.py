"""The interface of every kind of SLI. A new kind is a subclass in a module of this package.

All kinds follow three rules: ``or 0 * total`` is absent without data, so that missing data never
looks healthy; a comparison drops NaN; sums over instances come before any division.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Final

from etter_obs._internal.conventions import Label, Metric, metric_by_suffix
from etter_obs._internal.slo.kinds.checks import Problem
from etter_obs._internal.slo.kinds.readings import Events, Readings
from etter_obs._internal.slo.kinds.timeline import Series, Step
from etter_obs._internal.slo.spec.engines import Counting
from etter_obs._internal.slo.spec.fields import Model
from etter_obs._internal.slo.spec.policy import EVALUATION_INTERVAL, LOOK_BACK, PORTABLE_RANGE
from etter_obs._internal.slo.spec.user_promql import filled
from etter_obs._internal.text.promql import equals, scraped
from etter_obs._internal.text.units import duration_text

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Slo, Spec

BREAKDOWN_LABELS: Final = (Label.ENDPOINT, Label.QUERY_TYPE, Label.CACHE_KEY, Label.SLO)
"""Labels for the breakdown of bad events; a series has one of them."""
ROUTE: Final = "/companies/{company_id}"
"""The route of synthetic series if the SLI names none."""


@dataclass(frozen=True, slots=True)
class SliExpressions:
    """The PromQL of one SLI.

    Attributes:
        total: counts the events of one evaluation interval.
        bad: counts the bad ones of them.
        value: what a saturation SLI measures (recorded, then compared with its bound).
        histogram: selectors of the count and of the threshold's bucket.
        failures: selector of the bad requests.
        has_routes: whether ``histogram`` and ``failures`` carry the label ``endpoint``.
    """

    total: str
    bad: str
    value: str | None = None
    histogram: tuple[str, str] | None = None
    failures: str | None = None
    has_routes: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the documentation: fields of the kind, what it counts, and which of it is bad."""

    fields: str
    counts: str
    bad: str


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A breakdown of the bad events of an SLI: series of ``metric``, grouped by ``label``.

    With ``within`` (the matcher of a bucket) ``metric`` is a histogram, and bad events are its
    count minus that bucket.
    """

    metric: Metric
    label: str
    matchers: tuple[str, ...] = ()
    within: str | None = None


def breakdown_label(metric: Metric) -> str | None:
    """Return the label by which the series of ``metric`` are broken down, None if it has none."""
    return next((label for label in BREAKDOWN_LABELS if label in metric.labels), None)


class SliKind(Model):
    """A kind of SLI. Its fields are the keys in slo.yaml."""

    row: ClassVar[Row]
    """The kind in the documentation's table."""
    is_event_based: ClassVar[bool] = True
    """Whether it counts events of users instead of slices of time."""

    @property
    def interval(self) -> Decimal:
        """Seconds that one sample of the base recordings covers."""
        return EVALUATION_INTERVAL

    # -- at generation: rules, their tests, dashboards --------------------------------------------

    def problems(self, spec: Spec) -> Iterator[Problem]:
        """Yield problems across the fields of the SLI: (path, message)."""
        yield from ()

    @abstractmethod
    def expressions(self, spec: Spec, slo: Slo) -> SliExpressions:
        """Return the PromQL of the SLI."""

    def user_expressions(self, spec: Spec) -> dict[str, str]:
        """Return the user's PromQL as rules contain it, by field; each is an instant vector."""
        return {}

    @abstractmethod
    def synthetic_series(
        self, spec: Spec, slo: Slo, steps: Sequence[Step], seconds: Decimal
    ) -> Series:
        """Return the series that the SLI reads over ``steps``, one sample per ``seconds``.

        The result is empty if no series fit the shape of the SLI's PromQL.

        Args:
            spec: the service.
            slo: the SLO.
            steps: the timeline of events.
            seconds: between two samples.
        """

    def uncounted(self, spec: Spec, selector: str) -> list[tuple[str, str]]:
        """Return labels that exclude an event of ``selector`` from the SLI."""
        return []

    def bad_series_marks(self) -> tuple[str, ...]:
        """Return fragments of selectors that exist only after the first bad event."""
        return ()

    def breakdown(self, spec: Spec) -> Breakdown | None:
        """Return the breakdown of its bad events, None if no label distinguishes them."""
        return None

    # -- in the app: what it has counted ----------------------------------------------------------

    def events(self, spec: Spec, readings: Readings) -> Iterable[Events] | None:
        """Return the events that the app has counted; None if only Prometheus can count them."""
        return None

    # -- in the app: which series must exist at 0 before the first event --------------------------

    def reads(self, metric: Metric) -> bool:
        """Return whether the SLI reads ``metric``."""
        return False

    def covers(self, route: str) -> bool:
        """Return whether requests of ``route`` (a template) count in the SLI."""
        return True

    def failures(self) -> Iterator[int]:
        """Yield the bad status codes that are known in advance."""
        yield from ()

    def bucket(self, metric: Metric) -> Decimal | None:
        """Return the bound in seconds that histogram ``metric`` requires, None if none."""
        return None


def increase(spec: Spec, selector: str) -> str:
    """Return PromQL that counts the events of one evaluation interval over all instances.

    The two exact forms use the sample at the start of the interval without extrapolation, so that
    adjacent intervals neither lose nor repeat an event. The third is a smoothed rate.
    """
    if spec.counting is Counting.ANCHORED:
        return f"sum(increase({selector}{_range(spec)}))"
    if spec.counting is Counting.DIFFERENCES:
        return f"sum({_differences(selector)})"
    return f"sum(rate({selector}{_range(spec)})) * {EVALUATION_INTERVAL}"


def _differences(selector: str) -> str:
    """Return PromQL for the same counts as ``anchored``, one series each, without the modifier.

    The three sides of ``or`` are a counter that went on, one that began again (what it had gained
    before that is between its highest value and its value at the start), and a new one.
    """
    interval = duration_text(EVALUATION_INTERVAL)
    now = f"last_over_time({selector}[{duration_text(LOOK_BACK)}])"
    before = f"last_over_time({selector}[{duration_text(LOOK_BACK)}] offset {interval})"
    gained = f"clamp_min(max_over_time({selector}[{interval}]) - {before}, 0)"
    born = f"{now} - min_over_time({selector}[{interval}])"
    return f"({now} - {before} >= 0) or ({now} + {gained}) or ({born})"


def _range(spec: Spec) -> str:
    """Return the range of counters in the base recordings, by the spec's form."""
    anchored = spec.counting is Counting.ANCHORED
    return counted_range(spec, EVALUATION_INTERVAL if anchored else PORTABLE_RANGE)


def counted_range(spec: Spec, seconds: Decimal) -> str:
    """Return the range over which a counter's increase is taken, by the spec's form."""
    anchored = " anchored" if spec.counting is Counting.ANCHORED else ""
    return f"[{duration_text(seconds)}]{anchored}"


def or_zero(bad: str, total: str) -> str:
    """Return PromQL for ``bad``, or 0 if only ``total`` exists."""
    return f"({bad}) or 0 * ({total})"


def fill(line: str, spec: Spec) -> str:
    """Replace the placeholders of a user's PromQL; the loader has rejected unknown ones."""
    selector = ",".join(scraped(spec.service, spec.environment))
    return filled(line, selector=selector, interval=_range(spec))


def full_name(suffix: str, spec: Spec) -> str:
    """Return the exported name of a metric of the product or of the user."""
    metric = metric_by_suffix(suffix)
    return metric.name(spec.metric_prefix) if metric else suffix


def own(spec: Spec, *labels: tuple[str, str]) -> list[str]:
    """Return the matchers of a synthetic series of the service, with ``labels``."""
    return [
        *scraped(spec.service, spec.environment),
        *(equals(label, value) for label, value in labels),
    ]

"""The last hour: a thread reads the metrics every few seconds, also while the event loop hangs."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from math import nan
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from etter_obs._internal import conventions as names
from etter_obs._internal.console.readings import Distribution, MergedReadings
from etter_obs._internal.console.routes import RouteCounts, count_routes
from etter_obs._internal.console.slos import WINDOWS, Counted, Slices, count
from etter_obs._internal.slo.kinds.saturation import Saturation

if TYPE_CHECKING:
    from etter_obs._internal.metrics.registry import MetricsRegistry
    from etter_obs._internal.slo.spec.models import Spec

EVERY_SECONDS: Final = 5.0
KEPT_SECONDS: Final = 3600.0
ROUTES_SECONDS: Final = 300.0
"""Length of the window of the routes' rates and latencies."""
_ROUTES_EVERY: Final = 3
"""Reading of the routes is kept at every third tick, because an app may have hundreds."""

_LOG: Final = logging.getLogger("etter_obs.console")


class Point(NamedTuple):
    """One moment: the rates and latencies since the point before, gauges, totals of the SLOs."""

    at: float
    values: dict[str, float]
    slos: dict[str, Counted]


class _Totals(NamedTuple):
    requests: float
    errors: float
    durations: Distribution | None
    lag: Distribution | None
    cpu: float
    hits: float
    misses: float


class History:
    """Reads the metrics now and then, and keeps what the page draws.

    Args:
        registry: The metrics.
        spec: The SLOs.
    """

    def __init__(self, registry: MetricsRegistry, spec: Spec) -> None:
        self._registry = registry
        self._spec = spec
        self.slices = {
            slo.name: Slices(slo, kind)
            for slo in spec.slos
            if isinstance(kind := slo.sli.kind, Saturation)
        }
        self.points: deque[Point] = deque(maxlen=int(KEPT_SECONDS / EVERY_SECONDS) + 1)
        self.first: Point | None = None
        self._routes: deque[tuple[float, dict[tuple[str, str], RouteCounts]]] = deque(
            maxlen=int(ROUTES_SECONDS / EVERY_SECONDS / _ROUTES_EVERY) + 1
        )
        self._before: tuple[float, _Totals] | None = None
        self._ticks = 0
        self._over = threading.Event()
        self._reading = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to read; a second call in the same process does nothing."""
        if self._thread is None or not self._thread.is_alive():
            self._reading = threading.Lock()  # another one may be held since a fork
            self._over = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(self._over,), name="etter-obs-console", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Stop reading."""
        self._over.set()

    def _run(self, over: threading.Event) -> None:
        while True:
            try:
                self.read()
            except Exception:  # noqa: BLE001  # a page without points is no reason to end
                _LOG.warning("The console cannot read the metrics", exc_info=True)
            if over.wait(EVERY_SECONDS):
                return

    def read(self) -> None:
        """Read one point."""
        with self._reading:
            readings = MergedReadings(self._registry)
            at = time.time()
            for held in self.slices.values():
                held.read(self._spec, readings)
            routes = count_routes(readings)
            totals = _totals(readings, routes)
            seconds, before = (at - self._before[0], self._before[1]) if self._before else (0, None)
            values = _gauges(readings)
            if before is not None and seconds > 0:
                values |= _rates(totals, before, seconds)
            self._before = (at, totals)
            point = Point(at, values, count(self._spec, readings, self.slices))
            self.points.append(point)
            if self.first is None:
                self.first = point
            if self._ticks % _ROUTES_EVERY == 0:
                self._routes.append((at, routes))
            self._ticks += 1

    def slos_since(self, now: dict[str, Counted]) -> dict[str, dict[str, Counted]]:
        """Return the events of each SLO since the start (``""``) and in each of ``WINDOWS``."""
        points = list(self.points)
        at = time.time()
        found: dict[str, dict[str, Counted]] = {}
        for name, counted in now.items():
            first = self.first.slos.get(name) if self.first else None
            since = {"": counted.since(first)}
            for window, seconds in WINDOWS.items():
                inside = (p for p in points if p.at >= at - seconds and name in p.slos)
                oldest = next(inside, None)
                since[window] = counted.since(oldest.slos[name] if oldest else first)
            found[name] = since
        return found

    def routes_since(
        self, now: dict[tuple[str, str], RouteCounts]
    ) -> tuple[dict[tuple[str, str], RouteCounts], float]:
        """Return what the routes counted in the last five minutes, and the seconds it covers."""
        at = time.time()
        kept = list(self._routes)
        oldest, base = next(
            ((when, counts) for when, counts in kept if when >= at - ROUTES_SECONDS), (at, {})
        )
        window = {key: counts.since(base.get(key)) for key, counts in now.items()}
        return window, max(1.0, at - oldest)

    def columns(self, after: float) -> dict[str, Any]:
        """Return the points later than ``after`` as columns, for charts."""
        points = [point for point in list(self.points) if point.at > after]
        keys = list(dict.fromkeys(key for point in points for key in point.values))
        first = self.first.slos if self.first else {}
        return {
            "at": [point.at for point in points],
            "values": {key: [point.values.get(key) for point in points] for key in keys},
            "slos": {
                slo.name: [_left(point, slo.name, float(slo.budget), first) for point in points]
                for slo in self._spec.slos
            },
        }


def _left(point: Point, name: str, budget: float, first: dict[str, Counted]) -> float | None:
    counted = point.slos.get(name)
    if counted is None:
        return None
    since = counted.since(first.get(name))
    return 1 - since.bad / since.total / budget if since.total else None


def _totals(readings: MergedReadings, routes: dict[tuple[str, str], RouteCounts]) -> _Totals:
    durations: Distribution | None = None
    for counts in routes.values():
        if counts.durations is not None:
            durations = counts.durations.plus(durations)
    return _Totals(
        sum(counts.requests for counts in routes.values()),
        sum(counts.server_errors for counts in routes.values()),
        durations,
        readings.overall(names.EVENT_LOOP_LAG),
        readings.total(names.PROCESS_CPU),
        readings.total(names.CACHE_HITS),
        readings.total(names.CACHE_MISSES),
    )


def _rates(now: _Totals, before: _Totals, seconds: float) -> dict[str, float]:
    found = {
        "requests": (now.requests - before.requests) / seconds,
        "errors": (now.errors - before.errors) / seconds,
        "cpu": (now.cpu - before.cpu) / seconds,
    }
    hits, misses = now.hits - before.hits, now.misses - before.misses
    found["hit_ratio"] = hits / (hits + misses) if hits + misses else nan
    if now.durations is not None:
        took = now.durations.since(before.durations)
        found |= {f"p{q}": took.quantile(q / 100) for q in (50, 95, 99)}
    if now.lag is not None:
        found["lag"] = now.lag.since(before.lag).quantile(0.99)
    return found


def _gauges(readings: MergedReadings) -> dict[str, float]:
    pools = [value for _, value in readings.values(names.DB_POOL_UTILISATION)]
    return {
        "in_flight": readings.total(names.ACTIVE_REQUESTS),
        "memory": readings.total(names.PROCESS_MEMORY),
        "pool": max(pools, default=nan),
    }

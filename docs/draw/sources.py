"""Asks a real Prometheus and a real Loki what a panel would ask."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from etter_obs._internal.slo.prometheus.api import Prometheus

_POINTS: Final = 240
_SECONDS: Final = {"m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> int:
    """Read a time as Grafana writes it: ``6h``."""
    return int(text[:-1]) * _SECONDS[text[-1]]


@dataclass(frozen=True, slots=True)
class Points:
    """One series: its labels, Unix times and values."""

    labels: dict[str, str]
    times: list[float]
    values: list[float]


@dataclass(frozen=True, slots=True)
class Sources:
    """Addresses of both, and the moment at which every picture ends."""

    prometheus: str
    loki: str
    now: float

    @classmethod
    def at(cls, prometheus: str, loki: str) -> Sources:
        """Return the sources as of now."""
        return cls(prometheus.rstrip("/"), loki.rstrip("/"), time.time())

    def over_time(self, kind: str, expr: str, span: int) -> list[Points]:
        """Ask for the last ``span`` seconds; at most a few hundred points."""
        step = max(15, span // _POINTS)
        start = self.now - span
        if kind == "prometheus":
            found = Prometheus(self.prometheus).range(expr, start, self.now, step)
            return [_points(one.labels, one.values.items(), step) for one in found]
        result = _get(
            f"{self.loki}/loki/api/v1/query_range",
            query=expr,
            start=int(start * 1e9),
            end=int(self.now * 1e9),
            step=step,
        )
        return [
            _points(one.get("metric", {}), ((float(at), float(v)) for at, v in one["values"]), step)
            for one in result
        ]

    def exemplars(self, expr: str, span: int, most: int = 60) -> list[tuple[float, float]]:
        """Fetch times and values of exemplars, the highest of each stretch of time."""
        found: dict[int, tuple[float, float]] = {}
        for one in Prometheus(self.prometheus).exemplars(expr, self.now - span, self.now):
            slot = int((one.at - self.now) * most / span)
            if slot not in found or found[slot][1] < one.value:
                found[slot] = one.at, one.value
        return list(found.values())

    def now_only(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """Ask for the value at the end of the time in view."""
        found = Prometheus(self.prometheus).instant(expr, self.now)
        return [(dict(one.labels), one.last) for one in found]

    def log_lines(self, expr: str, span: int, limit: int) -> Iterator[tuple[float, str]]:
        """Fetch the newest lines."""
        result = _get(
            f"{self.loki}/loki/api/v1/query_range",
            query=expr,
            start=int((self.now - span) * 1e9),
            end=int(self.now * 1e9),
            limit=limit,
        )
        lines = [(float(at) / 1e9, text) for one in result for at, text in one["values"]]
        yield from sorted(lines, reverse=True)[:limit]


def _points(labels: Mapping[str, str], samples: Iterable[tuple[float, float]], step: int) -> Points:
    """Return one series; where points are missing a NaN breaks the line."""
    times: list[float] = []
    values: list[float] = []
    for at, value in samples:
        if times and at - times[-1] > 1.5 * step:
            times.append(times[-1] + step)
            values.append(math.nan)
        times.append(at)
        values.append(value)
    return Points(dict(labels), times, values)


def _get(url: str, **params: Any) -> list[Any]:
    answer = httpx.get(url, params=params, timeout=60)
    if answer.status_code != httpx.codes.OK:
        raise SystemExit(f"{url}: {answer.text.strip()}")
    data = answer.json()["data"]
    return list(data["result"] if isinstance(data, dict) else data)


def finite(values: list[float]) -> list[float]:
    """Drop NaN and infinities."""
    return [value for value in values if math.isfinite(value)]

"""Asks a real Prometheus and a real Loki what a panel would ask."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx

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
        path = "/api/v1/query_range" if kind == "prometheus" else "/loki/api/v1/query_range"
        base = self.prometheus if kind == "prometheus" else self.loki
        scale = 1 if kind == "prometheus" else 1_000_000_000
        result = _get(
            f"{base}{path}",
            query=expr,
            start=int(start * scale) if scale > 1 else start,
            end=int(self.now * scale) if scale > 1 else self.now,
            step=step,
        )
        return [_points(one, step) for one in result]

    def exemplars(self, expr: str, span: int, most: int = 60) -> list[tuple[float, float]]:
        """Fetch times and values of exemplars, the highest of each stretch of time."""
        found: dict[int, tuple[float, float]] = {}
        for series in _get(
            f"{self.prometheus}/api/v1/query_exemplars",
            query=expr,
            start=self.now - span,
            end=self.now,
        ):
            for one in series["exemplars"]:
                at, value = float(one["timestamp"]), float(one["value"])
                slot = int((at - self.now) * most / span)
                if slot not in found or found[slot][1] < value:
                    found[slot] = at, value
        return list(found.values())

    def now_only(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """Ask for the value at the end of the time in view."""
        result = _get(f"{self.prometheus}/api/v1/query", query=expr, time=self.now)
        return [(dict(one["metric"]), float(one["value"][1])) for one in result]

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


def _points(series: dict[str, Any], step: int) -> Points:
    """Read one series of an answer; where points are missing a NaN breaks the line."""
    times: list[float] = []
    values: list[float] = []
    for at, value in ((float(at), float(value)) for at, value in series["values"]):
        if times and at - times[-1] > 1.5 * step:
            times.append(times[-1] + step)
            values.append(math.nan)
        times.append(at)
        values.append(value)
    return Points(dict(series.get("metric", {})), times, values)


def _get(url: str, **params: Any) -> list[Any]:
    answer = httpx.get(url, params=params, timeout=60)
    if answer.status_code != httpx.codes.OK:
        raise SystemExit(f"{url}: {answer.text.strip()}")
    data = answer.json()["data"]
    return list(data["result"] if isinstance(data, dict) else data)


def finite(values: list[float]) -> list[float]:
    """Drop NaN and infinities."""
    return [value for value in values if math.isfinite(value)]

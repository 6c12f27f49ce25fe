"""A client of Prometheus's HTTP API: instant and range queries, exemplars, scrape targets."""

from __future__ import annotations

import http.client
import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

_TIMEOUT: Final = 60.0
T = TypeVar("T")


class PrometheusError(RuntimeError):
    """The server cannot be reached, or refused the query; the message says which."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer: its labels, and its values by Unix time. NaN is left out."""

    labels: Mapping[str, str]
    values: Mapping[float, float]

    @property
    def last(self) -> float:
        """The newest value; of an instant query, the only one."""
        return self.values[max(self.values)]


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One measured event of a series: its labels (such as ``trace_id``), value and Unix time."""

    labels: Mapping[str, str]
    value: float
    at: float


@dataclass(frozen=True, slots=True)
class Target:
    """A scraped address: its health (up, down, unknown), and the error where it is down."""

    url: str
    health: str
    error: str


class Prometheus:
    """A Prometheus (or Mimir, Thanos) at its base URL, such as ``http://localhost:9090``.

    An answer is waited for ``timeout`` seconds. Each method raises PrometheusError.
    """

    def __init__(self, url: str, timeout: float = _TIMEOUT) -> None:
        parts = urllib.parse.urlsplit(url)
        whole = parts.netloc and not set("?#") & set(url)  # paths are appended to it
        if parts.scheme not in ("http", "https") or not whole:
            raise PrometheusError(f"{url!r} is not a URL; write http://localhost:9090")
        self.url = url.rstrip("/")
        self._timeout = timeout

    def instant(self, expression: str, at: float) -> list[Series]:
        """Return the vector that ``expression`` has at a moment (Unix time, seconds)."""
        return self._series("query", query=expression, time=f"{at:.3f}")

    def range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """Return the values of ``expression`` from ``start`` to ``end``, each ``step`` seconds.

        Args:
            expression: PromQL.
            start: Unix time in seconds.
            end: Unix time in seconds.
            step: seconds between two values.
        """
        return self._series(
            "query_range",
            query=expression,
            start=f"{start:.3f}",
            end=f"{end:.3f}",
            step=f"{step:g}",
        )

    def exemplars(self, expression: str, start: float, end: float) -> list[Exemplar]:
        """Return the exemplars of the series in ``expression`` from ``start`` to ``end``.

        Args:
            expression: PromQL; the exemplars of its series are returned.
            start: Unix time in seconds.
            end: Unix time in seconds.
        """
        asked = {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}"}

        def parse(data: Any) -> list[Exemplar]:
            return [
                Exemplar(one["labels"], float(one["value"]), float(one["timestamp"]))
                for series in data
                for one in series["exemplars"]
            ]

        return self._ask("query_exemplars", urllib.parse.urlencode(asked).encode(), parse)

    def targets(self, job: str) -> list[Target]:
        """Return what the scrape job ``job`` has found; none where there is no such job."""
        asked = urllib.parse.urlencode({"state": "active", "scrapePool": job})

        def parse(data: Any) -> list[Target]:
            return [
                Target(str(item["scrapeUrl"]), str(item["health"]), str(item["lastError"]))
                for item in data["activeTargets"]
            ]

        return self._ask(f"targets?{asked}", None, parse)

    def _series(self, path: str, **parameters: str) -> list[Series]:
        def parse(data: Any) -> list[Series]:
            return [_series(item) for item in data["result"]]

        found = self._ask(path, urllib.parse.urlencode(parameters).encode(), parse)
        return [series for series in found if series.values]

    def _ask(self, path: str, body: bytes | None, parse: Callable[[Any], T]) -> T:
        request = urllib.request.Request(  # noqa: S310 - __init__ took only http and https
            f"{self.url}/api/v1/{path}", data=body
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:  # noqa: S310
                return parse(json.load(answer)["data"])
        except urllib.error.HTTPError as error:
            raise PrometheusError(f"{self.url}: {_reason(error)}") from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise PrometheusError(f"{self.url}: not reachable: {reason}") from None
        except (ValueError, KeyError, TypeError):
            raise PrometheusError(f"{self.url}: the answer is not from a Prometheus") from None


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError, OSError):
        return f"HTTP {error.code} {error.reason}; the answer is not from a Prometheus"


def _series(item: Mapping[str, Any]) -> Series:
    pairs = item["values"] if "values" in item else [item["value"]]
    return Series(
        item["metric"],
        {at: float(text) for at, text in pairs if not math.isnan(float(text))},
    )

"""Asks a Prometheus server: instant and range queries over its HTTP API."""

from __future__ import annotations

import http.client
import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_TIMEOUT: Final = 60.0


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


class Prometheus:
    """A Prometheus (or Mimir, Thanos) at its base URL, such as ``http://localhost:9090``."""

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise PrometheusError(f"{url!r} is not a URL; write http://localhost:9090")
        self.url = url.rstrip("/")

    def instant(self, expression: str, at: float) -> list[Series]:
        """Return the vector that ``expression`` has at a moment (Unix time, seconds)."""
        return self._ask("query", query=expression, time=f"{at:.3f}")

    def range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """Return the values of ``expression`` from ``start`` to ``end``, each ``step`` seconds."""
        return self._ask(
            "query_range",
            query=expression,
            start=f"{start:.3f}",
            end=f"{end:.3f}",
            step=f"{step:g}",
        )

    def _ask(self, path: str, **parameters: str) -> list[Series]:
        request = urllib.request.Request(  # noqa: S310 - __init__ took only http and https
            f"{self.url}/api/v1/{path}", data=urllib.parse.urlencode(parameters).encode()
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
                found = [_series(item) for item in json.load(answer)["data"]["result"]]
        except urllib.error.HTTPError as error:
            raise PrometheusError(f"{self.url}: {_reason(error)}") from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise PrometheusError(f"{self.url}: not reachable: {reason}") from None
        except (ValueError, KeyError, TypeError):
            raise PrometheusError(f"{self.url}: what answers there is no Prometheus") from None
        return [series for series in found if series.values]


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError, OSError):
        return f"HTTP {error.code} {error.reason}; is it a Prometheus?"


def _series(item: Mapping[str, Any]) -> Series:
    pairs = item["values"] if "values" in item else [item["value"]]
    return Series(
        item["metric"],
        {at: float(text) for at, text in pairs if not math.isnan(float(text))},
    )

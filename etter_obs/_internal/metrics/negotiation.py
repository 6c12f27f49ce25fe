"""Read from a scraper's headers the format of the text and whether to compress it."""

from __future__ import annotations

from collections.abc import Iterator

_OPENMETRICS = "application/openmetrics-text"


def prefers_openmetrics(accept: str) -> bool:
    """Return whether a scraper ranks OpenMetrics 1.0.0 at least as high as plain text."""
    ranks = {_OPENMETRICS: 0.0, "text/plain": 0.0}
    for kind, parameters, weight in _entries(accept):
        if kind == _OPENMETRICS and parameters.get("version", "1.0.0") != "1.0.0":
            continue
        if kind in ranks:
            ranks[kind] = max(ranks[kind], weight)
    return 0.0 < ranks[_OPENMETRICS] >= ranks["text/plain"]


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether a scraper accepts gzip and does not prefer plain (RFC 9110, 12.5.3).

    A coding that the header does not name has the weight of ``*``.
    """
    weights = {coding: weight for coding, _, weight in _entries(accept_encoding)}
    gzip = weights.get("gzip", weights.get("*", 0.0))
    return 0.0 < gzip >= weights.get("identity", 0.0)


def _entries(header: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield each item of a list with its parameters and its weight (default 1)."""
    for entry in header.split(","):
        thing, *parameters = [part.strip() for part in entry.lower().split(";")]
        given = dict(part.split("=", 1) for part in parameters if "=" in part)
        try:
            weight = float(given.get("q", "1"))
        except ValueError:
            weight = 0.0
        yield thing, given, weight

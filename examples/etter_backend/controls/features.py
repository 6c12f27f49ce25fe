"""The feature switch: each optimisation of the guide, on or off, so that it can be measured.

ETTER_FEATURES says what is on at start; the demo may flip them while the backend runs.
"""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel, TypeAdapter

from examples.etter_backend.common.exceptions import ConflictError
from examples.etter_backend.controls.shared_file import SharedFile


class Feature(StrEnum):
    """An optimisation of the guide; the number is the guide's section."""

    INDEXES = "indexes"
    """2.1: the indexes of the second revision of the schema."""
    EAGER_LOADING = "eager_loading"
    """2.2: rows with their relations in one statement, not in one for each row."""
    POOL = "pool"
    """2.3: connections are kept; off, each request opens its own."""
    CACHE = "cache"
    """3: results are kept in Redis."""
    PARALLEL_CALLS = "parallel_calls"
    """4.3: calls of other services run at once, not one after the other."""
    ASYNC_DATABASE = "async_database"
    """4.1: the event loop waits for the database, not a thread of a pool."""
    GZIP = "gzip"
    """5.1: bodies are compressed."""
    SPARSE_FIELDS = "sparse_fields"
    """5.2: ``?fields=`` is obeyed, down to the columns of the statement."""
    ETAG = "etag"
    """5.3: an unchanged body is not sent again."""
    KEYSET_PAGES = "keyset_pages"
    """2.4: a cursor continues after a row's key, not after so many rows."""
    RATE_LIMIT = "rate_limit"
    """7.1: a client may send so many requests."""


START_ONLY: Final = frozenset({Feature.POOL})
"""A pool is made with its engine, so this one needs a restart."""


class FeatureError(ValueError):
    """The text is no list of features; the message says what is wrong, and the remedy."""


class Flip(BaseModel):
    """Whether a feature is to be on."""

    enabled: bool


_FLIPS: Final = TypeAdapter(dict[Feature, bool])


def parse_features(text: str) -> frozenset[Feature]:
    """Return the features that are on.

    Args:
        text: ``all``, ``none``, or names with a sign, separated by commas, which change ``all`` or
            what stands first: ``-cache``, ``none,+gzip``.

    Raises:
        FeatureError: it is none of these.
    """
    first, *rest = [part.strip() for part in text.split(",")]
    enabled = set() if first == "none" else set(Feature)
    changes = rest if first in ("all", "none") else [first, *rest]
    seen: set[Feature] = set()
    for change in changes:
        sign, name = change[:1], change[1:]
        if sign not in ("+", "-"):
            raise FeatureError(f"{change!r} has no sign; write all, none, or such as +gzip,-cache")
        if name not in set(Feature):
            close = difflib.get_close_matches(name, Feature, n=1)
            meant = f"; did you mean {close[0]}?" if close else ""
            raise FeatureError(f"there is no feature {name!r}{meant} ({', '.join(Feature)})")
        feature = Feature(name)
        if feature in seen:
            raise FeatureError(f"{feature} is named twice")
        seen.add(feature)
        (enabled.add if sign == "+" else enabled.discard)(feature)
    return frozenset(enabled)


class FeatureSwitch(Collector):
    """The features in force, also as ``etter_feature_enabled{feature}``.

    Args:
        enabled: those that are on at start.
        path: the file of what was flipped since; None: nothing can be flipped.
    """

    def __init__(self, enabled: Iterable[Feature], path: Path | None = None) -> None:
        self._at_start = frozenset(enabled)
        self._file = SharedFile[dict[Feature, bool]](path, _FLIPS, {}) if path else None

    def is_on(self, feature: Feature) -> bool:
        """Tell whether ``feature`` is on now."""
        if self._file is None or feature in START_ONLY:
            return feature in self._at_start
        return self._file.read().get(feature, feature in self._at_start)

    def flip(self, feature: Feature, *, enabled: bool) -> None:
        """Turn ``feature`` on or off, in every worker; only a switch with a file has this."""
        if self._file is None or feature in START_ONLY:
            raise FeatureError(f"{feature} cannot be flipped here")
        self._file.write({**self._file.read(), feature: enabled})

    def states(self) -> dict[Feature, bool]:
        """Return whether each feature is on."""
        return {feature: self.is_on(feature) for feature in Feature}

    def collect(self) -> Iterator[Metric]:
        """Yield the gauge for prometheus_client, on whose page etter-obs shows it."""
        gauge = GaugeMetricFamily(
            "etter_feature_enabled", "Whether an optimisation is on.", labels=["feature"]
        )
        for feature, enabled in self.states().items():
            gauge.add_metric([feature], float(enabled))
        yield gauge


def feature_router(
    switch: FeatureSwitch, before: Callable[[Feature, bool], Awaitable[None]]
) -> APIRouter:
    """Return the routes that work the switch.

    Args:
        switch: what they flip.
        before: what a flip needs first: the indexes are made or dropped.
    """
    router = APIRouter(prefix="/features", include_in_schema=False)

    @router.get("")
    async def features() -> dict[Feature, bool]:
        return switch.states()

    @router.put("/{feature}")
    async def flip(feature: Feature, wanted: Flip) -> dict[Feature, bool]:
        if feature in START_ONLY:
            raise ConflictError(f"{feature} takes effect only at start; set ETTER_FEATURES")
        await before(feature, wanted.enabled)
        switch.flip(feature, enabled=wanted.enabled)
        return switch.states()

    return router

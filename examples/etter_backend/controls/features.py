"""The feature switch: turns each optimisation on or off, so that its effect can be measured.

ETTER_FEATURES decides what is on at start. In the demo, features can be flipped at run time.
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
    """An optimisation."""

    INDEXES = "indexes"
    """The indexes of the second revision of the schema."""
    EAGER_LOADING = "eager_loading"
    """One statement reads rows with their relations, instead of one per row."""
    POOL = "pool"
    """Connections are reused; without it, each unit of work opens one."""
    CACHE = "cache"
    """Results are stored in Redis."""
    PARALLEL_CALLS = "parallel_calls"
    """Calls of other services run in parallel."""
    ASYNC_DATABASE = "async_database"
    """The event loop waits for the database, instead of a thread."""
    GZIP = "gzip"
    """Bodies are compressed."""
    SPARSE_FIELDS = "sparse_fields"
    """``?fields=`` selects the columns that are read."""
    ETAG = "etag"
    """An unchanged body is not sent again."""
    KEYSET_PAGES = "keyset_pages"
    """A cursor continues after the key of a row, instead of skipping rows."""
    RATE_LIMIT = "rate_limit"
    """The requests of a client are limited."""


START_ONLY: Final = frozenset({Feature.POOL})
"""Features that require a restart: a pool is created with its engine."""


class FeatureError(ValueError):
    """The text is not a list of features; the message says what to write."""


class Flip(BaseModel):
    """The wanted state of a feature."""

    enabled: bool


_FLIPS: Final = TypeAdapter(dict[Feature, bool])


def parse_features(text: str) -> frozenset[Feature]:
    """Return the features that are on.

    Args:
        text: ``all``, ``none``, or names with a sign, separated by commas, that change ``all`` or
            the first word: ``-cache``, ``none,+gzip``.

    Raises:
        FeatureError: the text is none of these.
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
    """The state of all features, also as the metric ``etter_feature_enabled{feature}``.

    Args:
        enabled: features that are on at start.
        path: file of the flips since then; None: nothing can be flipped.
    """

    def __init__(self, enabled: Iterable[Feature], path: Path | None = None) -> None:
        self._at_start = frozenset(enabled)
        self._file = SharedFile[dict[Feature, bool]](path, _FLIPS, {}) if path else None

    def is_on(self, feature: Feature) -> bool:
        """Return whether ``feature`` is on."""
        if self._file is None or feature in START_ONLY:
            return feature in self._at_start
        return self._file.read().get(feature, feature in self._at_start)

    def flip(self, feature: Feature, *, enabled: bool) -> None:
        """Turn ``feature`` on or off, in every worker; requires a file."""
        if self._file is None or feature in START_ONLY:
            raise FeatureError(f"{feature} cannot be flipped here")
        self._file.write({**self._file.read(), feature: enabled})

    def states(self) -> dict[Feature, bool]:
        """Return whether each feature is on."""
        return {feature: self.is_on(feature) for feature in Feature}

    def collect(self) -> Iterator[Metric]:
        """Yield the gauge; ``/metrics`` includes prometheus_client's registry."""
        gauge = GaugeMetricFamily(
            "etter_feature_enabled", "Whether an optimisation is on.", labels=["feature"]
        )
        for feature, enabled in self.states().items():
            gauge.add_metric([feature], float(enabled))
        yield gauge


def feature_router(
    switch: FeatureSwitch, before: Callable[[Feature, bool], Awaitable[None]]
) -> APIRouter:
    """Return the routes that flip features.

    Args:
        switch: the switch.
        before: called before a flip; it creates or drops the indexes.
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

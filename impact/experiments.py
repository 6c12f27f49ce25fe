"""What is measured: each switch off and on, the rest as it is; and the figures that follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from etter_obs._internal.conventions import (
    CACHE_HITS,
    CACHE_MISSES,
    DB_QUERIES_PER_REQUEST,
    DB_TIME_PER_REQUEST,
    PROCESS_CPU,
    PROCESS_MEMORY,
    REQUEST_DURATION,
    REQUESTS,
    RESPONSE_SIZE,
)
from examples.etter_backend.controls.features import Feature
from impact import workloads as ask
from impact.series import Delta
from impact.workloads import Workload

ALL: Final = frozenset(Feature)
BLOCKS: Final = 5
"""Of each phase; a block is a second."""
ROUNDS: Final = 2
"""An experiment is off, on, off, on."""

Features = frozenset[Feature]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two states: the features that are on, and what users ask for."""

    features: Features
    workload: Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Two states, measured in turn.

    Attributes:
        name: its key in the results.
        off: the state before.
        on: the state after.
        routes: whose requests count.
        users: how many ask at once.
        masked: the features that are off on both sides, because they would hide the effect.
        warm_seconds: load before the first block.
        fresh: whether each phase has a process of its own, because memory is not given back.
    """

    name: str
    off: Side
    on: Side
    routes: tuple[str, ...]
    users: int
    masked: Features = frozenset()
    warm_seconds: float = 1.0
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Capacity:
    """Two states, of each of which is found with how many users it still holds the targets."""

    name: str
    off: Side
    on: Side
    routes: tuple[str, ...]
    masked: Features = frozenset()


def _switched(
    name: str,
    feature: Feature,
    workload: Workload,
    routes: tuple[str, ...],
    *,
    users: int = 1,
    masked: tuple[Feature, ...] = (),
    warm_seconds: float = 1.0,
    fresh: bool = False,
) -> Experiment:
    base = ALL - set(masked)
    return Experiment(
        name=name,
        off=Side(base - {feature}, workload),
        on=Side(base, workload),
        routes=routes,
        users=users,
        masked=frozenset(masked),
        warm_seconds=warm_seconds,
        fresh=fresh,
    )


_CACHE = (Feature.CACHE,)
EXPERIMENTS: Final = (
    _switched("indexes", Feature.INDEXES, ask.lookups, ask.LOOKUPS, masked=_CACHE),
    _switched("eager_loading", Feature.EAGER_LOADING, ask.relations, ask.RELATIONS),
    _switched("pool", Feature.POOL, ask.one_row, (ask.USER,), users=8, masked=_CACHE),
    _switched("cache", Feature.CACHE, ask.popular, ask.POPULAR, users=4, warm_seconds=5),
    _switched("cached", Feature.CACHE, ask.kept, (ask.METADATA,)),
    _switched(
        "parallel_calls", Feature.PARALLEL_CALLS, ask.neighbours, (ask.ROLES,), masked=_CACHE
    ),
    _switched(
        "async_database",
        Feature.ASYNC_DATABASE,
        ask.lookups,
        ask.LOOKUPS,
        users=32,
        masked=_CACHE,
        fresh=True,
    ),
    _switched("gzip", Feature.GZIP, ask.lists, ask.LISTS, masked=(Feature.ETAG,)),
    _switched(
        "sparse_fields",
        Feature.SPARSE_FIELDS,
        ask.sparse_lists,
        (ask.USERS, ask.DOCUMENTS),
        masked=(Feature.GZIP,),
    ),
    Experiment(
        name="depth_with_keyset",
        off=Side(ALL, ask.first_pages),
        on=Side(ALL, ask.deep_pages),
        routes=(ask.FEED,),
        users=1,
    ),
    Experiment(
        name="depth_with_offset",
        off=Side(ALL - {Feature.KEYSET_PAGES}, ask.first_pages),
        on=Side(ALL - {Feature.KEYSET_PAGES}, ask.deep_pages),
        routes=(ask.FEED,),
        users=1,
        masked=frozenset({Feature.KEYSET_PAGES}),
    ),
    _switched("etag", Feature.ETAG, ask.again, (ask.USERS, ask.DOCUMENTS, ask.MASTER)),
    _switched("rate_limit", Feature.RATE_LIMIT, ask.one_row, (ask.USER,), users=4),
    Experiment(
        name="everything",
        off=Side(frozenset(), ask.everything),
        on=Side(ALL, ask.everything),
        routes=ask.EVERYTHING,
        users=1,
        warm_seconds=4,
    ),
)
CAPACITIES: Final = (
    Capacity(
        "users_async",
        Side(ALL - {Feature.CACHE, Feature.ASYNC_DATABASE}, ask.lookups),
        Side(ALL - {Feature.CACHE}, ask.lookups),
        ask.LOOKUPS,
        frozenset(_CACHE),
    ),
    Capacity(
        "users_everything",
        Side(frozenset(), ask.everything),
        Side(ALL, ask.everything),
        ask.EVERYTHING,
    ),
)

Count = Callable[[Delta], float]


@dataclass(frozen=True, slots=True)
class Figure:
    """A quotient of two sums over a side's blocks: for example bytes per request."""

    name: str
    experiment: str
    over: Count
    under: Count
    unit: str


def _requests(delta: Delta) -> float:
    return delta.growth(REQUESTS)


def _seconds(delta: Delta) -> float:
    return delta.growth(REQUEST_DURATION, "_sum")


def _database(delta: Delta) -> float:
    return delta.growth(DB_TIME_PER_REQUEST, "_sum")


def _statements(delta: Delta) -> float:
    return delta.growth(DB_QUERIES_PER_REQUEST, "_sum")


def _bytes(delta: Delta) -> float:
    return delta.growth(RESPONSE_SIZE, "_sum")


def _hits(delta: Delta) -> float:
    return delta.growth(CACHE_HITS)


FIGURES: Final = (
    Figure("query_time", "indexes", _database, _statements, "s per statement"),
    Figure("statements", "eager_loading", _statements, _requests, "statements per request"),
    Figure("throughput", "pool", _requests, lambda delta: delta.seconds, "requests/s"),
    Figure(
        "hit_ratio",
        "cache",
        _hits,
        lambda delta: _hits(delta) + delta.growth(CACHE_MISSES),
        "hits per look-up",
    ),
    Figure("cached_duration", "cached", _seconds, _requests, "s per request"),
    Figure("database_load", "cache", _database, _requests, "s of database per request"),
    Figure("call_duration", "parallel_calls", _seconds, _requests, "s per request"),
    Figure(
        "cpu",
        "async_database",
        lambda delta: delta.growth(PROCESS_CPU),
        _requests,
        "s of CPU per request",
    ),
    Figure(
        "memory",
        "async_database",
        lambda delta: delta.level(PROCESS_MEMORY) / 2**20,
        lambda _: 1.0,
        "MiB resident",
    ),
    Figure("compressed", "gzip", _bytes, _requests, "bytes per response"),
    Figure("fields", "sparse_fields", _bytes, _requests, "bytes per response"),
    Figure("depth", "depth_with_keyset", _seconds, _requests, "s per request"),
    Figure("depth_offset", "depth_with_offset", _seconds, _requests, "s per request"),
    Figure("not_modified", "etag", _bytes, _requests, "bytes per response"),
    Figure("limited", "rate_limit", _seconds, _requests, "s per request"),
    Figure("response_time", "everything", _seconds, _requests, "s per request"),
)

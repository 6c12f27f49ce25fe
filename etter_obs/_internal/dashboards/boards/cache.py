"""Cache: hit ratio, size, and the time of Redis commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etter_obs._internal.conventions import (
    CACHE_EVICTED,
    CACHE_HITS,
    CACHE_MEMORY,
    CACHE_MISSES,
    CACHE_NOT_KEPT,
    CACHE_WRITES,
    REDIS_COMMAND_DURATION,
    REDIS_ERRORS,
    Dashboard,
    Label,
)
from etter_obs._internal.conventions.external import Job, Redis
from etter_obs._internal.dashboards.toolkit import thresholds, variables
from etter_obs._internal.dashboards.toolkit.board import Board, Section, line, section
from etter_obs._internal.dashboards.toolkit.links import to
from etter_obs._internal.dashboards.toolkit.palette import BLUE, GREY, ORANGE
from etter_obs._internal.dashboards.toolkit.panel_docs import ZERO, About
from etter_obs._internal.dashboards.toolkit.panels import lines, single
from etter_obs._internal.dashboards.toolkit.promql import (
    App,
    or_zero,
    rate,
    select,
    share,
    top,
    total,
)
from etter_obs._internal.dashboards.toolkit.queries import Column, Series, per
from etter_obs._internal.dashboards.toolkit.tables import rows
from etter_obs._internal.text.promql import equals

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Spec


def cache(spec: Spec) -> Board:
    """Hit ratio, evictions and command latency."""
    app = App(spec.metric_prefix)
    return Board(
        Dashboard.CACHE,
        "Cache",
        "Hit ratio, evictions, memory, and the time of Redis commands.",
        [_glance(spec, app), _answers(spec, app), _commands(app), _redis()],
        [variables.service(spec.service), variables.environment(spec.environment)],
        [variables.starts(app), variables.alerts()],
        span="1h",
    )


def _glance(spec: Spec, app: App) -> Section:
    hits = app.rate(CACHE_HITS)
    looked = f"({hits} + {app.rate(CACHE_MISSES)})"
    writes = app.count(CACHE_WRITES)
    return section(
        "At a glance",
        line(
            single(
                About(
                    "Hit ratio",
                    "Share of look-ups that a cache answered.",
                    "See below which cache has misses; after a deployment it may be cold.",
                    "percentunit",
                    thresholds.ratio(spec, CACHE_HITS),
                    [to(Dashboard.SLO_DETAIL, "Its SLO")],
                ),
                share(hits, looked),
                decimals=1,
            ),
            single(
                About(
                    "Evicted per write",
                    "Keys that Redis evicted, per key written, within the time range.",
                    "The memory limit is too small for what is kept: raise maxmemory, shorten "
                    "the time to live, or keep less.",
                    "percentunit",
                    thresholds.ratio(spec, CACHE_EVICTED),
                ),
                share(or_zero(app.count(CACHE_EVICTED), writes), writes),
                decimals=1,
            ),
            single(
                About(
                    "Memory",
                    "Memory that Redis uses for its data.",
                    "Growth without new traffic: keys without a time to live.",
                    "bytes",
                ),
                f"max({app(CACHE_MEMORY)})",
            ),
            single(
                About(
                    "Commands lost",
                    "Redis commands that failed within the time range.",
                    "Check in Health and dependencies whether Redis is reachable; the app keeps "
                    "working without its cache, but slower.",
                    "none",
                    ZERO,
                    [to(Dashboard.HEALTH, "Health and dependencies")],
                ),
                or_zero(app.count(REDIS_ERRORS), app.count(REDIS_COMMAND_DURATION, part="_count")),
                decimals=0,
            ),
            height=4,
        ),
    )


def _answers(spec: Spec, app: App) -> Section:
    by = (Label.CACHE_KEY,)

    def looked(read: str, missed: str) -> str:
        return f"({read} + {missed})"

    hits, misses = app.rate(CACHE_HITS, by=by), app.rate(CACHE_MISSES, by=by)
    hit_count, miss_count = app.count(CACHE_HITS, by=by), app.count(CACHE_MISSES, by=by)
    not_kept = app.count(CACHE_NOT_KEPT, by=by)
    floor = thresholds.ratio(spec, CACHE_HITS)
    return section(
        "Answers",
        line(
            lines(
                About(
                    "Hit ratio by cache",
                    "Share of look-ups that each named cache answered.",
                    "One cache low: its key varies too much or its time to live is too short.",
                    "percentunit",
                    floor,
                ),
                Series(share(hits, looked(hits, misses)), per(Label.CACHE_KEY)),
                maximum=1,
            ),
            lines(
                About(
                    "Evictions and writes",
                    "Keys evicted and write commands per second, as Redis counts them.",
                    "Evictions close to writes: the cache is too small for its working set.",
                    "ops",
                ),
                Series(app.rate(CACHE_WRITES), "writes", BLUE),
                Series(app.rate(CACHE_EVICTED), "evicted", ORANGE),
            ),
            rows(
                About(
                    "Caches by hit ratio, worst first",
                    "Look-ups, hits, and results that were not stored, over the time range.",
                    "A cache with many look-ups and few hits costs more than it saves. Results "
                    "not stored: a warning in the log names the function and the reason.",
                    "short",
                    floor,
                ),
                Label.CACHE_KEY,
                "Cache",
                Column("Look-ups", looked(hit_count, miss_count), "short", decimals=0),
                Column(
                    "Hit ratio",
                    share(hit_count, looked(hit_count, miss_count)),
                    "percentunit",
                    floor,
                    1,
                ),
                Column("Not kept", not_kept, "short", decimals=0),
                worst="Hit ratio",
                descending=False,
            ),
        ),
    )


def _commands(app: App) -> Section:
    by = (Label.COMMAND,)
    count = app.rate(REDIS_COMMAND_DURATION, by=by, part="_count")
    legend = per(Label.COMMAND)
    return section(
        "Commands",
        line(
            lines(
                About(
                    "Commands",
                    "Redis commands per second, the ten most frequent.",
                    "Many small reads in a row: use MGET or a pipeline.",
                    "ops",
                ),
                Series(top(10, count), legend),
            ),
            lines(
                About(
                    "Duration, p95",
                    "95 of 100 commands are answered within this time, as the app sees it.",
                    "All commands slow: the network or a busy Redis (look for KEYS or big "
                    "values). One slow: its values are big.",
                    "s",
                ),
                Series(
                    top(10, app.quantile(0.95, REDIS_COMMAND_DURATION, by=by)),
                    legend,
                    exemplar=True,
                ),
            ),
            lines(
                About(
                    "Failed commands",
                    "Commands per second that failed.",
                    "Read the error in Logs and traces; look at the check in Health.",
                    "ops",
                    ZERO,
                    [to(Dashboard.LOGS_TRACES, "Logs and traces")],
                ),
                Series(or_zero(app.rate(REDIS_ERRORS, by=by), count), legend),
            ),
        ),
    )


def _redis() -> Section:
    job = equals(Label.JOB, Job.REDIS)
    return section(
        "Redis itself",
        line(
            lines(
                About(
                    "Memory against its limit",
                    "Used and allowed memory; without a limit the second line is zero.",
                    "At the limit Redis evicts keys or refuses writes (maxmemory-policy).",
                    "bytes",
                ),
                Series(f"sum({select(Redis.MEMORY_USED, job)})", "used", BLUE),
                Series(f"sum({select(Redis.MEMORY_MAX, job)})", "allowed", GREY),
            ),
            lines(
                About(
                    "Clients",
                    "Open connections of Redis.",
                    "Steady growth: a pool does not release connections.",
                    "none",
                ),
                Series(f"sum({select(Redis.CLIENTS, job)})", "clients"),
            ),
            lines(
                About(
                    "Keys and expiries",
                    "Keys stored, and keys that expire per second.",
                    "Keys grow while none expires: they are written without a time to live.",
                    "none",
                ),
                Series(f"sum({select(Redis.KEYS, job)})", "keys", BLUE),
                Series(total(rate(select(Redis.EXPIRED, job))), "expired per second", ORANGE),
            ),
        ),
        collapsed=True,
    )

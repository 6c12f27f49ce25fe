"""Database, below: what PostgreSQL itself counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etter_obs._internal.conventions import DB_CONNECTIONS, Dashboard, Label
from etter_obs._internal.conventions.external import Job, Postgres
from etter_obs._internal.dashboards.toolkit import thresholds
from etter_obs._internal.dashboards.toolkit.board import Section, line, section
from etter_obs._internal.dashboards.toolkit.links import to
from etter_obs._internal.dashboards.toolkit.palette import BLUE
from etter_obs._internal.dashboards.toolkit.panel_docs import ZERO, About
from etter_obs._internal.dashboards.toolkit.panels import lines
from etter_obs._internal.dashboards.toolkit.promql import rate, select, share, top, total
from etter_obs._internal.dashboards.toolkit.queries import Series, per
from etter_obs._internal.text.promql import equals

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Spec


def postgres(spec: Spec) -> Section:
    """Metrics of the server, from postgres_exporter."""
    job = equals(Label.JOB, Job.POSTGRES)
    hit = total(rate(select(Postgres.BLOCKS_HIT, job)))
    read = total(rate(select(Postgres.BLOCKS_READ, job)))
    return section(
        "PostgreSQL",
        line(
            lines(
                About(
                    "Connections by state",
                    "Connections by state; idle in transaction holds locks.",
                    "Many idle in transaction: a request keeps its session open while it does "
                    "something else.",
                    "none",
                    thresholds.bound(spec, DB_CONNECTIONS),
                ),
                Series(total(select(Postgres.CONNECTIONS, job), "state"), per("state")),
            ),
            lines(
                About(
                    "Blocks found in memory",
                    "Share of block reads that the server's own cache answered.",
                    "Below 99 % for long: the working set is larger than shared_buffers, or an "
                    "index is missing.",
                    "percentunit",
                ),
                Series(share(hit, f"({hit} + {read})"), "cache hit", BLUE),
                maximum=1,
            ),
            lines(
                About(
                    "Locks by mode",
                    "Locks held or awaited, the eight most frequent modes.",
                    "A lasting ExclusiveLock: a migration or a long transaction blocks others.",
                    "none",
                ),
                Series(top(8, total(select(Postgres.LOCKS, job), "mode")), per("mode")),
            ),
            lines(
                About(
                    "Deadlocks",
                    "Deadlocks per minute that the server resolved.",
                    "Two code paths lock the same rows in opposite order; the server's log names "
                    "both.",
                    "none",
                    ZERO,
                    links=[to(Dashboard.LOGS_TRACES, "Logs and traces")],
                ),
                Series(f"60 * {total(rate(select(Postgres.DEADLOCKS, job)))}", "deadlocks"),
            ),
        ),
        collapsed=True,
    )

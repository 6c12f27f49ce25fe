"""Grafana dashboards, generated from the spec and the conventions.

``dashboards/boards/`` has one module for each dashboard,
``dashboards/toolkit/`` the panels and queries that they share (written through
Grafana's own Foundation SDK), and ``dashboards/lint/`` the rules that every panel
must satisfy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etter_obs._internal.dashboards.boards.cache import cache
from etter_obs._internal.dashboards.boards.database import database
from etter_obs._internal.dashboards.boards.health import health
from etter_obs._internal.dashboards.boards.logs_traces import logs_traces
from etter_obs._internal.dashboards.boards.runtime import runtime
from etter_obs._internal.dashboards.boards.service import service
from etter_obs._internal.dashboards.boards.slo_detail import slo_detail
from etter_obs._internal.dashboards.boards.slo_overview import slo_overview
from etter_obs._internal.dashboards.boards.telemetry import telemetry

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Spec

BOARDS: Final = (
    slo_overview,
    slo_detail,
    service,
    database,
    cache,
    runtime,
    health,
    logs_traces,
    telemetry,
)


def dashboards(spec: Spec) -> dict[str, str]:
    """Return every dashboard's file, relative to the project, and its JSON text.

    The same spec gives the same bytes.
    """
    boards = [build(spec) for build in BOARDS]
    return {board.which.path: board.json() for board in boards}

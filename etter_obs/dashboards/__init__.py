"""Grafana dashboards, generated from the spec and the conventions.

:mod:`~etter_obs.dashboards.boards` has one module for each dashboard,
:mod:`~etter_obs.dashboards.toolkit` the panels and queries that they share (written through
Grafana's own Foundation SDK), and :mod:`~etter_obs.dashboards.lint` the rules that every panel
must satisfy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etter_obs.dashboards.boards.cache import cache
from etter_obs.dashboards.boards.database import database
from etter_obs.dashboards.boards.health import health
from etter_obs.dashboards.boards.logs_traces import logs_traces
from etter_obs.dashboards.boards.runtime import runtime
from etter_obs.dashboards.boards.service import service
from etter_obs.dashboards.boards.slo_detail import slo_detail
from etter_obs.dashboards.boards.slo_overview import slo_overview
from etter_obs.dashboards.boards.telemetry import telemetry

if TYPE_CHECKING:
    from etter_obs.slo.spec.models import Spec

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

"""Grafana dashboards, generated from the spec and the conventions.

One module for each dashboard says what it shows; :mod:`~etter_obs.dashboards.panels`,
:mod:`~etter_obs.dashboards.tables` and :mod:`~etter_obs.dashboards.board` know how Grafana wants
it (through Grafana's own Foundation SDK); :mod:`~etter_obs.dashboards.lint` holds what every panel
owes its reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etter_obs.dashboards.cache import cache
from etter_obs.dashboards.database import database
from etter_obs.dashboards.health import health
from etter_obs.dashboards.logs_traces import logs_traces
from etter_obs.dashboards.runtime import runtime
from etter_obs.dashboards.service import service
from etter_obs.dashboards.slo_detail import slo_detail
from etter_obs.dashboards.slo_overview import slo_overview
from etter_obs.dashboards.telemetry import telemetry

if TYPE_CHECKING:
    from etter_obs.slo.spec import Spec

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

"""UIDs of the dashboards."""

from __future__ import annotations

from enum import StrEnum


class Dashboard(StrEnum):
    """UIDs of the dashboards, used by links from alerts, panels and log lines."""

    SLO_OVERVIEW = "etter-obs-slo-overview"
    SLO_DETAIL = "etter-obs-slo-detail"
    SERVICE = "etter-obs-service"
    DATABASE = "etter-obs-database"
    CACHE = "etter-obs-cache"
    RUNTIME = "etter-obs-runtime"
    HEALTH = "etter-obs-health"
    LOGS_TRACES = "etter-obs-logs-traces"
    TELEMETRY = "etter-obs-telemetry"

    @property
    def path(self) -> str:
        """File of the dashboard relative to the project, for example ``…/slo-detail.json``."""
        return f"grafana/dashboards/{self.value.removeprefix('etter-obs-')}.json"

"""Names of alerts."""

from __future__ import annotations

from typing import Final


class Alert:
    """Alert names. Each tier has its own burn-rate alert."""

    WATCHDOG: Final = "Watchdog"
    SERVICE_DOWN: Final = "ServiceDown"
    SLO_NO_DATA: Final = "SLONoData"
    SLO_NO_TRAFFIC: Final = "SLONoTraffic"
    SLO_MISSING_BUCKET: Final = "SLOMissingBucket"
    SLO_SPEC_MISMATCH: Final = "SLOSpecMismatch"
    SERVICE_INSTANCE_DOWN: Final = "ServiceInstanceDown"
    TELEMETRY_DROPPED: Final = "TelemetryDropped"
    SERIES_CAP_REACHED: Final = "SeriesCapReached"
    RULE_EVALUATIONS_MISSED: Final = "RuleEvaluationsMissed"
    RULE_EVALUATIONS_FAILING: Final = "RuleEvaluationsFailing"
    STORAGE_FAILING: Final = "StorageFailing"
    TARGET_DOWN: Final = "TargetDown"
    SCRAPE_LIMIT_EXCEEDED: Final = "ScrapeLimitExceeded"
    CONFIG_RELOAD_FAILED: Final = "ConfigReloadFailed"
    ALERT_DELIVERY_FAILING: Final = "AlertDeliveryFailing"
    COLLECTOR_EXPORT_FAILING: Final = "CollectorExportFailing"
    COLLECTOR_REFUSING: Final = "CollectorRefusing"
    LOGS_DISCARDED: Final = "LogsDiscarded"

    @staticmethod
    def burn_rate(severity: str, long_window: str) -> str:
        """Return the alert name of a tier, for example ``SLOBurnRatePage1h``."""
        return f"SLOBurnRate{severity.capitalize()}{long_window}"

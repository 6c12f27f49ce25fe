"""Queries that are right to be empty after a load, each with its reason."""

from __future__ import annotations

from typing import Final

from etter_obs._internal.conventions import UNMATCHED

SELECTORS: Final[dict[str, str]] = {
    "sha256!=": "it looks for an app whose slo.yaml is not that of the rules; here there is none",
}
"""Part of a series selector as a rule holds it → why no such series need exist here."""

_NO_EXPORTER: Final = "compose runs this exporter; natively none runs, as there is no such server"
_CALM: Final = "nothing is shown while no alert of the service is pending or firing"
_REAL: Final = "only the demo has invented history"

PANELS: Final[dict[tuple[str, str], str]] = {
    ("Cache", "Memory against its limit"): _NO_EXPORTER,
    ("Cache", "Clients"): _NO_EXPORTER,
    ("Cache", "Keys and expiries"): _NO_EXPORTER,
    ("Database", "Connections by state"): _NO_EXPORTER,
    ("Database", "Blocks found in memory"): _NO_EXPORTER,
    ("Database", "Locks by mode"): _NO_EXPORTER,
    ("Database", "Deadlocks"): _NO_EXPORTER,
    ("SLO detail", "Time left"): "a budget that does not burn lasts for ever",
    ("SLO detail", "Alerts of this SLO"): _CALM,
    ("SLO overview", "annotation Synthetic history"): _REAL,
    ("SLO detail", "annotation Synthetic history"): _REAL,
    ("Runtime and host", "Network"): "a sandbox may have no interface but loopback",
    **{
        (dashboard, "annotation Alerts"): _CALM
        for dashboard in (
            "SLO overview",
            "SLO detail",
            "Service",
            "Database",
            "Cache",
            "Runtime and host",
            "Health and dependencies",
            "Logs and traces",
            "Telemetry of the telemetry",
        )
    },
}
"""(dashboard's title, panel's title) → why it need not show anything here."""

_SOUND: Final = dict.fromkeys(
    (
        "/api/etter/faults",
        "/api/etter/faults/{target}",
        "/api/etter/auth/token",
        "/api/etter/features",
        "/api/etter/features/{feature}",
        "/api/etter/health",
        "/api/etter/model/{kind}/{name}",
        "/docs",
        "/docs/oauth2-redirect",
        "/openapi.json",
        "/redoc",
        UNMATCHED,
    ),
    "the fault switch does not reach this route, so nothing in it raises",
)

VALUES: Final[dict[tuple[str, str], dict[str, str]]] = {
    ("Service", "Unhandled exceptions"): _SOUND,
    ("Logs and traces", "Errors by kind"): _SOUND,
    ("Logs and traces", "Error lines"): _SOUND,
    ("Logs and traces", "Failing traces"): _SOUND,
}
"""(dashboard's title, panel's title) → value of a variable → why it need show nothing for it."""

ANY_VALUE: Final[dict[tuple[str, str], str]] = {
    ("Logs and traces", "Slow traces"): "of the routes, only the simulation takes a second",
}
"""(dashboard's title, panel's title) → why it need not show anything for a variable's value."""

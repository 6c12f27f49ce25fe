"""SLO detail: where the error budget of one SLO went, and what spends it now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etter_obs._internal.conventions import Alert, Dashboard, Label, Rule
from etter_obs._internal.conventions.external import Scrape
from etter_obs._internal.dashboards.boards.slo_overview import BUDGET, BURN
from etter_obs._internal.dashboards.toolkit import variables
from etter_obs._internal.dashboards.toolkit.board import Board, Section, line, section
from etter_obs._internal.dashboards.toolkit.breakdown import bad_by_part
from etter_obs._internal.dashboards.toolkit.links import Link, runbook, to
from etter_obs._internal.dashboards.toolkit.palette import BAD, BLUE, ORANGE, VERMILION, WARN
from etter_obs._internal.dashboards.toolkit.panel_docs import About, Limit
from etter_obs._internal.dashboards.toolkit.panels import lines, now, states
from etter_obs._internal.dashboards.toolkit.promql import App, bad_ratio, peak, recorded
from etter_obs._internal.dashboards.toolkit.promql_names import words
from etter_obs._internal.dashboards.toolkit.queries import Series
from etter_obs._internal.slo.kinds.base import BREAKDOWN_LABELS
from etter_obs._internal.slo.spec.policy import TIERS, WINDOWS, Severity
from etter_obs._internal.text.promql import equals
from etter_obs._internal.text.units import duration_text

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Spec

_SLO = equals(Label.SLO, "$slo")


def slo_detail(spec: Spec) -> Board:
    """One SLO: its budget over the period, its burn by window, and what is bad."""
    return Board(
        Dashboard.SLO_DETAIL,
        "SLO detail",
        "Where the error budget of one SLO went, and what spends it now.",
        [_now(spec), _period(spec), _burn(spec), _events(spec)],
        [
            variables.service(spec.service),
            variables.environment(spec.environment),
            variables.slo(spec.slos[0].name),
        ],
        [variables.starts(App(spec.metric_prefix)), variables.alerts(_SLO), variables.synthetic()],
        span="6h",
    )


def _now(spec: Spec) -> Section:
    period = duration_text(spec.period)
    return section(
        "$slo now",
        line(
            now(
                About(
                    "Objective",
                    "The target: this share of events is good.",
                    "If it is never met, change the objective or the SLI in slo.yaml.",
                    "percentunit",
                ),
                peak(recorded(Rule.OBJECTIVE, _SLO)),
            ),
            now(
                About(
                    "Attainment",
                    f"Share of good events over the last {period}.",
                    "Compare it with the objective; the burn-down below shows when the "
                    "difference arose.",
                    "percentunit",
                ),
                f"1 - {peak(bad_ratio(period, _SLO))}",
                decimals=3,
            ),
            now(
                About(
                    "Budget left",
                    f"Share of the error budget of {period} that is left.",
                    "Deploy nothing risky; find the hours that spent it in the burn-down.",
                    "percentunit",
                    BUDGET,
                    [to(Dashboard.SLO_OVERVIEW, "All SLOs")],
                ),
                peak(recorded(Rule.BUDGET_REMAINING, _SLO)),
                decimals=1,
            ),
            now(
                About(
                    "Burn, 1 h",
                    "How fast the budget is spent; at 1 it lasts exactly its period.",
                    "Something is wrong now: the breakdown below names the route; open it in the "
                    "Service dashboard.",
                    "none",
                    BURN,
                    [to(Dashboard.SERVICE, "Service")],
                ),
                peak(recorded(Rule.BURN_RATE, _SLO)),
                decimals=2,
            ),
            now(
                About(
                    "Time left",
                    "How long the budget lasts at the burn of the last hour.",
                    "Hours: stop the cause before you investigate. Days: plan the repair.",
                    "s",
                    Limit(bad=6 * 3600, warn=3 * 86400, floor=True),
                    links=[to(Dashboard.SERVICE, "Service")],
                ),
                peak(recorded(Rule.EXHAUSTION, _SLO)),
                decimals=1,
            ),
            height=4,
        ),
    )


def _period(spec: Spec) -> Section:
    period = duration_text(spec.period)
    return section(
        "The whole period",
        line(
            lines(
                About(
                    "Burn-down",
                    f"Budget left over the last {period}; marks are alerts and starts.",
                    "A drop at a start comes with that version; a drop without one with a "
                    "dependency or with traffic.",
                    "percentunit",
                    BUDGET,
                    links=[to(Dashboard.SERVICE, "Service")],
                ),
                Series(peak(recorded(Rule.BUDGET_REMAINING, _SLO)), "budget left", BLUE),
                minimum=None,
                maximum=1,
                time_from=period,
            ),
            lines(
                About(
                    "Coverage",
                    "Share of the time with data; without data the SLO is unknown.",
                    "A gap means that the app was not scraped or the rules did not run: see "
                    "Telemetry of the telemetry.",
                    "percentunit",
                    Limit(bad=0.9, warn=0.99, floor=True),
                    [to(Dashboard.TELEMETRY, "Telemetry of the telemetry")],
                ),
                Series(
                    f"count_over_time({peak(recorded(Rule.TOTAL_INCREASE, _SLO))}[1h:1m]) / 60",
                    "data",
                    BLUE,
                ),
                maximum=1,
                time_from=period,
            ),
            widths=(16, 8),
        ),
    )


def _burn(spec: Spec) -> Section:
    factors = {float(tier.factor(spec.period)): tier.severity for tier in TIERS}
    active = recorded(Scrape.ALERTS, _SLO)
    firing = recorded(Scrape.ALERTS, _SLO, equals("alertstate", "firing"))
    budget = f"(1 - {peak(recorded(Rule.OBJECTIVE, _SLO))})"
    return section(
        "Burn",
        line(
            lines(
                About(
                    "Burn by window",
                    "Burn rate over every window that alerts look at. The lines are the tiers: "
                    + ", ".join(
                        f"{tier.severity} at {tier.factor(spec.period).normalize():f} over "
                        f"{tier.long_text} and {tier.short_text}"
                        for tier in TIERS
                    )
                    + ".",
                    "An alert fires while both of its windows are above its line. Short ones "
                    "back under it: the fault is over.",
                    "none",
                    Limit(
                        bad=min(f for f, severity in factors.items() if severity is Severity.PAGE),
                        lines={
                            factor: BAD if severity is Severity.PAGE else WARN
                            for factor, severity in factors.items()
                        },
                    ),
                    links=[*_runbooks(spec)],
                ),
                *(
                    Series(
                        f"{peak(bad_ratio(duration_text(w), _SLO))} / {budget}", duration_text(w)
                    )
                    for w in WINDOWS
                ),
            ),
            states(
                About(
                    "Alerts of this SLO",
                    "Pending and firing alerts; empty while there are none.",
                    "Follow the runbook that the alert names.",
                    "none",
                    Limit(bad=2, warn=1),
                    links=[*_runbooks(spec)],
                ),
                Series(
                    f"1 + {peak(firing, 'alertname')} or {peak(active, 'alertname')}",
                    "{{alertname}}",
                ),
                texts={"1": ("pending", ORANGE), "2": ("firing", VERMILION)},
            ),
            widths=(16, 8),
        ),
    )


def _events(spec: Spec) -> Section:
    def per_minute(rule: str) -> str:
        return f"sum_over_time({recorded(rule, _SLO)}[5m]) / 5"

    by_part = bad_by_part(spec)
    parts = [label for label in BREAKDOWN_LABELS if label in words(by_part)]

    return section(
        "Events",
        line(
            lines(
                About(
                    "Bad events by part",
                    "Bad events per minute by route, kind of statement or cache, depending on the"
                    " SLO; the ten largest.",
                    "One part far above the rest: start there, in the Service dashboard. All "
                    "alike: a shared cause.",
                    "none",
                    links=[
                        to(Dashboard.SERVICE, "Service"),
                        to(Dashboard.LOGS_TRACES, "Logs and traces"),
                    ],
                ),
                Series(
                    f"topk(10, 60 * ({by_part}))",
                    "".join(f"{{{{{label}}}}}" for label in parts),
                ),
            ),
            lines(
                About(
                    "Events",
                    "All and bad events per minute, as the rules count them; of a bound, slices "
                    "of time.",
                    "With few events the ratio jumps: the alerts wait for enough bad events.",
                    "none",
                ),
                Series(peak(per_minute(Rule.TOTAL_INCREASE)), "all", BLUE),
                Series(peak(per_minute(Rule.BAD_INCREASE)), "bad", VERMILION),
            ),
            widths=(16, 8),
        ),
    )


def _runbooks(spec: Spec) -> list[Link]:
    """The runbook of every tier, at the section of the chosen SLO."""
    return [
        runbook(spec, Alert.burn_rate(tier.severity, tier.long_text), "${slo}") for tier in TIERS
    ]

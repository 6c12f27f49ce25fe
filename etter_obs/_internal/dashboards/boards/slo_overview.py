"""SLO overview: every SLO at a glance, worst first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etter_obs._internal.conventions import Dashboard, Label, Rule
from etter_obs._internal.conventions.external import Scrape
from etter_obs._internal.dashboards.toolkit import variables
from etter_obs._internal.dashboards.toolkit.board import Board, line, section
from etter_obs._internal.dashboards.toolkit.links import to
from etter_obs._internal.dashboards.toolkit.panel_docs import About, Limit
from etter_obs._internal.dashboards.toolkit.panels import lines, now
from etter_obs._internal.dashboards.toolkit.promql import bad_ratio, peak, recorded
from etter_obs._internal.dashboards.toolkit.queries import Column, Series, per
from etter_obs._internal.dashboards.toolkit.tables import rows
from etter_obs._internal.text.promql import equals, matches
from etter_obs._internal.text.units import duration_text

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Spec

BUDGET: Final = Limit(bad=0, warn=0.25, floor=True)
"""Of the error budget: a quarter left is a warning, nothing left is a breach."""
BURN: Final = Limit(bad=1, warn=0.8)
"""A burn rate above one empties the budget before its period ends (SRE Workbook, ch. 5)."""
_CELL: Final = to(Dashboard.SLO_DETAIL, "Open this SLO", f"var-{Label.SLO}=${{__value.raw}}")
_SERIES: Final = to(
    Dashboard.SLO_DETAIL, "Open this SLO", f"var-{Label.SLO}=${{__field.labels.{Label.SLO}}}"
)


def slo_overview(spec: Spec) -> Board:
    """Attainment, budget left, burn now and time to exhaustion of every SLO."""
    period = duration_text(spec.period)
    remaining = recorded(Rule.BUDGET_REMAINING)
    burn = recorded(Rule.BURN_RATE)
    firing = recorded(
        Scrape.ALERTS, equals("alertstate", "firing"), matches(Label.SEVERITY, "page|ticket")
    )
    return Board(
        Dashboard.SLO_OVERVIEW,
        "SLO overview",
        "Every SLO at a glance, worst first.",
        [
            section(
                "Now",
                line(
                    now(
                        About(
                            "SLOs without budget",
                            f"SLOs whose error budget is spent over the last {period}.",
                            "Open the first row of the table below; deploy nothing risky to this "
                            "service until its budget is positive again.",
                            "none",
                            Limit(bad=1),
                            links=[to(Dashboard.SLO_DETAIL, "SLO detail")],
                        ),
                        f"sum({remaining} <= bool 0)",
                    ),
                    now(
                        About(
                            "Least budget left",
                            "The smallest share of an error budget that is left.",
                            "The table below names the SLO: open it to see which hours spent the "
                            "budget.",
                            "percentunit",
                            BUDGET,
                            links=[to(Dashboard.SLO_DETAIL, "SLO detail")],
                        ),
                        f"min({remaining})",
                        decimals=1,
                    ),
                    now(
                        About(
                            "Fastest burn",
                            "The highest burn rate of the last hour; at 1 the budget lasts "
                            "exactly its period.",
                            "An SLO spends its budget too fast: open it, then the Service "
                            "dashboard for the same time.",
                            "none",
                            BURN,
                            links=[to(Dashboard.SLO_DETAIL, "SLO detail")],
                        ),
                        f"max({burn})",
                        decimals=1,
                    ),
                    now(
                        About(
                            "Alerts firing",
                            "Pages and tickets of this service that fire now.",
                            "Each alert names its runbook; follow the page before its tickets.",
                            "none",
                            Limit(bad=1),
                            links=[to(Dashboard.SLO_DETAIL, "SLO detail")],
                        ),
                        f"(count({firing}) or 0 * count({remaining}))",
                    ),
                    height=4,
                ),
            ),
            section(
                "Objectives",
                line(
                    rows(
                        About(
                            "Every SLO, worst first",
                            "Attainment and budget over the whole period, burn over the last "
                            "hour; time left is how long the budget lasts at that burn.",
                            "Click the SLO's name: its own dashboard shows when the budget went "
                            "and which routes took it.",
                            "percentunit",
                            BUDGET,
                            links=[to(Dashboard.SLO_DETAIL, "SLO detail")],
                        ),
                        Label.SLO,
                        "SLO",
                        Column("Objective", _by_slo(recorded(Rule.OBJECTIVE)), "percentunit"),
                        Column(
                            "Attainment",
                            _by_slo(f"1 - {bad_ratio(period)}"),
                            "percentunit",
                            decimals=3,
                        ),
                        Column("Budget left", _by_slo(remaining), "percentunit", BUDGET, 1),
                        Column("Burn, 1 h", _by_slo(burn), "none", BURN, 2),
                        Column("Time left", _by_slo(recorded(Rule.EXHAUSTION)), "s", decimals=1),
                        Column("Firing alerts", _by_slo_count(firing), "none", Limit(bad=1), 0),
                        worst="Budget left",
                        descending=False,
                        key_link=_CELL,
                    ),
                    height=min(len(spec.slos), 20) + 3,
                ),
            ),
            section(
                "Course",
                line(
                    lines(
                        About(
                            "Budget left",
                            "Each objective's remaining error budget, drawn no lower than "
                            "-100 %; it recovers as bad hours leave the period.",
                            "A drop is an incident, a slope a lasting fault: open the SLO that "
                            "falls.",
                            "percentunit",
                            BUDGET,
                        ),
                        Series(f"clamp_min({_by_slo(remaining)}, -1)", per(Label.SLO)),
                        minimum=None,
                        click=_SERIES,
                    ),
                    lines(
                        About(
                            "Burn rate, 1 h",
                            "How fast each objective spends its budget; at 1 it lasts exactly "
                            "its period.",
                            "Open the SLO with the highest burn rate first.",
                            "none",
                            BURN,
                        ),
                        Series(_by_slo(burn), per(Label.SLO)),
                        click=_SERIES,
                    ),
                ),
            ),
        ],
        [variables.service(spec.service), variables.environment(spec.environment)],
        [variables.alerts(), variables.synthetic()],
        span="24h",
    )


def _by_slo(expr: str) -> str:
    return peak(expr, Label.SLO)


def _by_slo_count(firing: str) -> str:
    return (
        f"(count by ({Label.SLO}) ({firing})"
        f" or 0 * max by ({Label.SLO}) ({recorded(Rule.BUDGET_REMAINING)}))"
    )

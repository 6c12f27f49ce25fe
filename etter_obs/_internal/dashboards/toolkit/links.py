"""Links out of a panel, a cell or an alert, with service, environment and time kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as models

from etter_obs._internal.conventions import Alert, Dashboard, Label
from etter_obs._internal.slo.alerts.rule import section
from etter_obs._internal.slo.spec.reachability import tiers_of

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Slo, Spec

KEEP: Final = "${service:queryparam}&${environment:queryparam}&${__url_time_range}"
"""What a link carries on: the service, its environment and the time in view."""
RUNBOOKS: Final = "/public/runbooks"
"""Where Grafana itself serves alerts/runbooks; links.runbooks in the spec overrides it."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link out of a panel or a cell."""

    title: str
    url: str
    new_tab: bool = False

    def build(self) -> builders.DashboardLink:
        """Return the SDK's builder of it."""
        return (
            builders.DashboardLink(self.title)
            .type(models.DashboardLinkType.LINK)
            .url(self.url)
            .target_blank(self.new_tab)
        )


def to(board: Dashboard, title: str, *variables: str) -> Link:
    """Link to another dashboard with service, environment and time, and ``variables`` beside."""
    return Link(title, f"/d/{board}?" + "&".join((KEEP, *variables)))


def runbook(spec: Spec, alert: str, slo: str = "") -> Link:
    """Link to what to do when ``alert`` fires, at the section of the chosen service's ``slo``.

    Args:
        spec: the service.
        alert: name of the alert.
        slo: the SLO whose section is linked.
    """
    page = f"{spec.links.runbooks or RUNBOOKS}/{alert}.md"
    anchor = f"#{section(spec, slo, '${service}')}" if slo else ""
    return Link(f"Runbook: {alert}", page + anchor, new_tab=True)


def of_slo(spec: Spec, slo: Slo) -> tuple[Link, ...]:
    """Link to the SLO's own dashboard and to the runbook of its most urgent alert."""
    detail = to(Dashboard.SLO_DETAIL, f"SLO: {slo.name}", f"var-{Label.SLO}={slo.name}")
    return detail, *(
        runbook(spec, Alert.burn_rate(tier.severity, tier.long_text), slo.name)
        for tier in tiers_of(slo, spec.period)[:1]
    )

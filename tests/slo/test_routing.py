"""The generated routing on a real Alertmanager: what silences what."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.slo.alerting import alert, alertmanager, post, project, receiving
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

BURNS = {
    "fast": alert("SLOBurnRatePage1h", severity="page", tier="page-1h"),
    "slow": alert("SLOBurnRatePage6h", severity="page", tier="page-6h"),
    "day": alert("SLOBurnRateTicket1d", severity="ticket", tier="ticket-1d"),
    "other": alert("SLOBurnRateTicket1d", "latency", severity="ticket", tier="ticket-1d"),
    "staging": alert("SLOBurnRateTicket1d", severity="ticket", environment="staging"),
}
NO_DATA = alert("SLONoData", severity="ticket")
DOWN = alert("ServiceDown", None, severity="page")
WATCHDOG = alert("Watchdog", None, severity="none", service="stack")
STACK = alert("TargetDown", None, severity="ticket", service="stack")
UNRELATED = [WATCHDOG, STACK, alert("TelemetryDropped", None, severity="ticket")]


@pytest.mark.parametrize(
    ("sent", "silenced"),
    [
        # a page silences its own tickets: not another page, SLO or environment
        (list(BURNS.values()), [BURNS["day"]]),
        # no data silences the burn of the same SLO
        ([NO_DATA, *BURNS.values()], [BURNS["fast"], BURNS["slow"], BURNS["day"]]),
        # no data is not silenced by a page
        ([NO_DATA, BURNS["fast"]], [BURNS["fast"]]),
        # a dead service silences its own SLOs, and nothing without one
        (
            [DOWN, NO_DATA, BURNS["fast"], BURNS["other"], BURNS["staging"], *UNRELATED],
            [NO_DATA, BURNS["fast"], BURNS["other"]],
        ),
    ],
    ids=["page over tickets", "no data over burn", "no data is heard", "dead service over SLOs"],
)
def test_what_silences_what(
    sent: list[dict[str, Any]], silenced: list[dict[str, Any]], tmp_path: Path
) -> None:
    """A real Alertmanager inhibits exactly the alerts that the design names."""
    with receiving() as (url, _):
        project(tmp_path, "{ webhook: { url_file: secrets/url } }", url)
        with alertmanager(tmp_path) as address:
            post(address, sent)

            def silent() -> list[str]:
                with urllib.request.urlopen(f"{address}/api/v2/alerts", timeout=5) as response:
                    found = json.load(response)
                return sorted(str(a["labels"]) for a in found if a["status"]["inhibitedBy"])

            # Alerts are taken in one after the other, so the picture settles within moments.
            expected = sorted(str(dict(sorted(one["labels"].items()))) for one in silenced)
            eventually(lambda: silent() == expected, deadline_s=30, tell=silent)
            post(address, sent)
            assert silent() == expected


def test_the_heartbeat_is_repeated_and_never_resolved(tmp_path: Path) -> None:
    """Only the watchdog's receiver gets the heartbeat, immediately."""
    with receiving() as (url, posts):
        project(tmp_path, "{ webhook: { url_file: secrets/url } }", url)
        with alertmanager(tmp_path) as address:
            post(address, [WATCHDOG])
            eventually(lambda: posts, deadline_s=25)
    assert [body["receiver"] for _, body in posts] == ["watchdog"]
    config = yaml.safe_load((tmp_path / "alerts/alertmanager.yml").read_text(encoding="utf-8"))
    [receiver] = [one for one in config["receivers"] if one["name"] == "watchdog"]
    assert receiver["webhook_configs"][0]["send_resolved"] is False

"""The generated routing on a real Alertmanager: what silences what, and what people read."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from etter_obs.slo.loader import parse_specs
from stack.build import binary
from tests.slo.specs import ROOT, generated, text_of, written
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

AVAILABILITY = (
    "{ name: availability, description: It answers., objective: 99.9%, "
    "sli: { requests: { bad_status: 5xx } } }"
)


class Receiver(BaseHTTPRequestHandler):
    """Stands where Slack, Teams and a webhook are; keeps what is posted to it."""

    posts: list[tuple[str, dict[str, Any]]]

    def do_POST(self) -> None:
        """Keep the body and say ok, as Slack does."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.posts.append((self.path, json.loads(body)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its own name
        """Say nothing."""


@contextmanager
def receiving() -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """Run a receiver; give its address and the list that fills with what arrives."""
    posts: list[tuple[str, dict[str, Any]]] = []
    handler = type("Kept", (Receiver,), {"posts": posts})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", posts
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def alertmanager(root: Path) -> Iterator[str]:
    """Run the real Alertmanager in the project ``root``; give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with (root / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(
            [
                binary("alertmanager"),
                "--config.file=alerts/alertmanager.yml",
                f"--storage.path={root / 'data'}",
                f"--web.listen-address={address}",
                "--cluster.listen-address=",
            ],
            cwd=root,
            stdout=log,
            stderr=log,
        )
        try:
            eventually(lambda: _answers(f"http://{address}/-/ready"), deadline_s=30)
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(timeout=20)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def post(url: str, alerts: list[dict[str, Any]]) -> None:
    """Send alerts as Prometheus does."""
    request = urllib.request.Request(
        f"{url}/api/v2/alerts",
        data=json.dumps(alerts).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 200


def project(root: Path, receiver: str, url: str) -> None:
    """Write a project whose pages and tickets go to ``receiver``, with ``url`` as the secret."""
    text = text_of(AVAILABILITY, more="links: { grafana: 'https://grafana.example.org' }\n")
    shipped = "{ webhook: { url_file: secrets/a } }"
    [spec] = parse_specs(text.replace(shipped, receiver), "slo.yaml")
    written(generated((spec,)), root)
    (root / "secrets").mkdir()
    (root / "secrets/url").write_text(url)
    template = (ROOT / "alerts/templates/etter.tmpl").read_text(encoding="utf-8")
    (root / "alerts/templates").mkdir()
    (root / "alerts/templates/etter.tmpl").write_text(template, encoding="utf-8")


def alert(name: str, slo: str | None = "availability", **labels: str) -> dict[str, Any]:
    """Return an alert with the labels that the rules give it."""
    own = {"alertname": name, "service": "shop", "environment": "production", "team": "shop-team"}
    return {"labels": own | ({"slo": slo} if slo else {}) | labels}


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


def _page(ends: datetime | None = None) -> dict[str, Any]:
    page = BURNS["fast"] | {
        "annotations": {
            "summary": "shop: availability burns its error budget more than 14.4 times too fast",
            "description": "It answers.",
            "burn_rate": "20.0 times too fast",
            "budget_remaining": "61% of the 30d budget",
            "exhausted_in": "22h 0m 0s",
            "dashboard": "https://grafana.example.org/d/etter-obs-slo-detail?var-slo=availability",
            "runbook": "https://example.org/SLOBurnRatePage1h.md#availability",
        },
        "startsAt": "2020-01-01T10:00:00Z",
    }
    return page | ({"endsAt": ends.isoformat()} if ends else {})


def test_slack_says_what_breaks_how_fast_and_where_to_look(tmp_path: Path) -> None:
    """Within ten seconds a page is in Slack with burn, budget, links; its resolution follows."""
    with receiving() as (url, posts):
        project(tmp_path, "{ slack: { channel: '#ops', url_file: secrets/url } }", f"{url}/slack")
        with alertmanager(tmp_path) as address:
            post(address, [_page()])
            eventually(lambda: posts, deadline_s=10)
            post(address, [_page(datetime.now(UTC) - timedelta(seconds=1))])
            eventually(lambda: len(posts) >= 2, deadline_s=90, tell=lambda: posts)
    fired, ended = (body for _, body in posts)
    [message] = fired["attachments"]
    assert fired["channel"] == "#ops"
    assert message["title"] == "[PAGE] shop · availability (production)"
    assert message["color"] == "danger"
    for words in (
        "burns its error budget more than 14.4 times too fast",
        "Burning now: 20.0 times too fast",
        "Budget left: 61% of the 30d budget",
        "At this speed it is gone in: 22h 0m 0s",
        "Runbook: https://example.org/SLOBurnRatePage1h.md#availability",
    ):
        assert words in message["text"]
    links = {action["text"]: action["url"] for action in message["actions"]}
    # From an hour before the alert began, to now.
    assert links["Dashboard"].endswith("?var-slo=availability&from=1577869200000&to=now")
    assert "/#/silences/new?filter=%7B" in links["Silence"]
    assert "slo%3D%22availability%22" in links["Silence"]
    [message] = ended["attachments"]
    assert message["title"] == "[RESOLVED] shop · availability (production)"
    assert message["color"] == "good"


def test_teams_and_a_webhook_get_the_same_page(tmp_path: Path) -> None:
    """A receiver may have several ways at once; each carries the alert."""
    with receiving() as (url, posts):
        both = "{ teams: { url_file: secrets/url }, webhook: { url_file: secrets/url } }"
        project(tmp_path, both, f"{url}/both")
        with alertmanager(tmp_path) as address:
            post(address, [_page()])
            eventually(lambda: len(posts) >= 2, deadline_s=15, tell=lambda: posts)
    card = next(body for _, body in posts if "alerts" not in body)
    hook = next(body for _, body in posts if "alerts" in body)
    assert "Budget left: 61% of the 30d budget" in json.dumps(card)
    assert hook["alerts"][0]["labels"]["tier"] == "page-1h"


def test_the_heartbeat_is_repeated_and_never_resolved(tmp_path: Path) -> None:
    """The watchdog's receiver hears the heartbeat at once; nobody else hears of it."""
    with receiving() as (url, posts):
        project(tmp_path, "{ webhook: { url_file: secrets/url } }", url)
        with alertmanager(tmp_path) as address:
            post(address, [WATCHDOG])
            eventually(lambda: posts, deadline_s=10)
    assert [body["receiver"] for _, body in posts] == ["watchdog"]
    config = yaml.safe_load((tmp_path / "alerts/alertmanager.yml").read_text(encoding="utf-8"))
    [receiver] = [one for one in config["receivers"] if one["name"] == "watchdog"]
    assert receiver["webhook_configs"][0]["send_resolved"] is False

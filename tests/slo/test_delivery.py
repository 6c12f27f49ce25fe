"""What people read, delivered by a real Alertmanager to where it goes."""

from __future__ import annotations

import json
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from demo.databases import free_port
from tests.slo.alerting import alert, alertmanager, changed, post, project, receiving
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

PAGE = alert("SLOBurnRatePage1h", severity="page", tier="page-1h") | {
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
TOLD = (
    "burns its error budget more than 14.4 times too fast",
    "Burn rate now: 20.0 times too fast",
    "Budget left: 61% of the 30d budget",
    "Budget runs out in: 22h 0m 0s",
    "Runbook: https://example.org/SLOBurnRatePage1h.md#availability",
)
"""What every notification of the page says."""
# From an hour before the alert began, to now.
DASHBOARD = "?var-slo=availability&from=1577869200000&to=now"
FIRED = "[PAGE] shop · availability (production)"
ENDED = "[RESOLVED] shop · availability (production)"


def fire_and_resolve(root: Path, arrived: Sequence[object], **environment: str) -> None:
    """Fire and resolve the page; both must be delivered.

    The project's resolutions follow within a minute; this one does not wait so long for them.
    """
    changed(root, "group_interval: 1m", "group_interval: 1s")
    with alertmanager(root, **environment) as address:
        log = root / "alertmanager.log"
        post(address, [PAGE])
        eventually(lambda: arrived, deadline_s=25, tell=log.read_text)
        ended = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
        post(address, [PAGE | {"endsAt": ended}])
        eventually(lambda: len(arrived) >= 2, deadline_s=30, tell=log.read_text)


def test_slack_says_what_breaks_how_fast_and_where_to_look(tmp_path: Path) -> None:
    """A page is in Slack with burn, budget, links; its resolution follows."""
    with receiving() as (url, posts):
        project(tmp_path, "{ slack: { channel: '#ops', url_file: secrets/url } }", f"{url}/slack")
        fire_and_resolve(tmp_path, posts)
    fired, ended = (body for _, body in posts)
    [message] = fired["attachments"]
    assert fired["channel"] == "#ops"
    assert message["title"] == FIRED
    assert message["color"] == "danger"
    for words in TOLD:
        assert words in message["text"]
    links = {action["text"]: action["url"] for action in message["actions"]}
    assert links["Dashboard"].endswith(DASHBOARD)
    assert "/#/silences/new?filter=%7B" in links["Silence"]
    assert "slo%3D%22availability%22" in links["Silence"]
    [message] = ended["attachments"]
    assert message["title"] == ENDED
    assert message["color"] == "good"


def test_pagerduty_opens_an_incident_and_closes_the_same(tmp_path: Path) -> None:
    """An event of the Events API v2 triggers with the file's key; another resolves that one."""
    with receiving() as (url, posts):
        project(tmp_path, "{ pagerduty: { routing_key_file: secrets/url } }", "r0ut1ng-key")
        changed(tmp_path, "global:\n", f"global:\n  pagerduty_url: {url}/v2/enqueue\n")
        fire_and_resolve(tmp_path, posts)
    assert [path for path, _ in posts] == ["/v2/enqueue"] * 2
    fired, ended = (body for _, body in posts)
    assert [fired["event_action"], ended["event_action"]] == ["trigger", "resolve"]
    assert fired["dedup_key"] == ended["dedup_key"]
    assert fired["routing_key"] == ended["routing_key"] == "r0ut1ng-key"
    assert fired["payload"]["summary"] == FIRED
    assert fired["payload"]["severity"] == "critical"
    for words in TOLD:
        assert words in fired["payload"]["custom_details"]["text"]
    links = {link["text"]: link["href"] for link in fired["links"]}
    assert links["Dashboard"].endswith(DASHBOARD)
    assert "slo%3D%22availability%22" in links["Silence"]


class Mailbox:
    """Takes mail from one user, who is known by the password in the secret file."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a mail."""
        assert isinstance(envelope.content, bytes)
        self.envelopes.append(envelope)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def knows(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any
    ) -> AuthResult:
        """Tell whether it is the user."""
        known = LoginPassword(b"ada", b"s3cret")
        return AuthResult(success=isinstance(given, LoginPassword) and given == known)


def test_mail_arrives_encrypted_and_from_one_who_may_send(tmp_path: Path) -> None:
    """Over SMTP with STARTTLS and a password from a file, a page and its resolution are mailed."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    box, port = Mailbox(), free_port()
    server = Controller(
        box,
        "127.0.0.1",
        port,
        tls_context=context,
        require_starttls=True,
        authenticator=box.knows,
        auth_required=True,
        auth_exclude_mechanism=["LOGIN"],  # its questions are in words of its own
    )
    server.start()
    try:
        mail = (
            "{ email: { to: ops@example.org, from: etter@example.org, "
            f"smarthost: '127.0.0.1:{port}', username: ada, password_file: secrets/url }} }}"
        )
        project(tmp_path, mail, "s3cret")
        fire_and_resolve(tmp_path, box.mails, SSL_CERT_FILE=str(tmp_path / "authority.pem"))
    finally:
        server.stop()
    assert [envelope.mail_from for envelope in box.envelopes] == ["etter@example.org"] * 2
    assert [envelope.rcpt_tos for envelope in box.envelopes] == [["ops@example.org"]] * 2
    fired, ended = box.mails
    assert [fired["Subject"], ended["Subject"]] == [FIRED, ENDED]
    text, html = (_part(fired, kind) for kind in ("plain", "html"))
    for words in TOLD:
        assert words in text
        assert words in html
    assert DASHBOARD in text
    assert "slo%3D%22availability%22" in text


def _part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def test_teams_and_a_webhook_get_the_same_page(tmp_path: Path) -> None:
    """A receiver may have several channels; each delivers the alert."""
    with receiving() as (url, posts):
        both = "{ teams: { url_file: secrets/url }, webhook: { url_file: secrets/url } }"
        project(tmp_path, both, f"{url}/both")
        with alertmanager(tmp_path) as address:
            post(address, [PAGE])
            eventually(lambda: len(posts) >= 2, deadline_s=25, tell=lambda: posts)
    card = next(body for _, body in posts if "alerts" not in body)
    hook = next(body for _, body in posts if "alerts" in body)
    assert "Budget left: 61% of the 30d budget" in json.dumps(card)
    assert hook["alerts"][0]["labels"]["tier"] == "page-1h"

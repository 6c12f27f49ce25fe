"""The webhook receiver stores what Alertmanager posts and rejects everything else."""

from __future__ import annotations

import httpx
import pytest

from demo.receiver import Receiver, deliveries_at

NOTIFICATION = {
    "version": "4",
    "status": "firing",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "SLOBurnRatePage1h", "slo": "availability"},
            "annotations": {"summary": "it burns"},
            "startsAt": "2026-01-01T00:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
        },
        {"status": "resolved", "labels": {"alertname": "ServiceDown"}},
    ],
}


def test_every_alert_of_a_notification_is_returned() -> None:
    """GET returns what was posted, one delivery per alert, in order."""
    with Receiver() as receiver:
        assert httpx.post(receiver.url, json=NOTIFICATION).status_code == 200
        told = deliveries_at(receiver.url)
        assert told == receiver.deliveries
    assert [(each.status, each.name, each.slo) for each in told] == [
        ("firing", "SLOBurnRatePage1h", "availability"),
        ("resolved", "ServiceDown", ""),
    ]
    assert told[0].annotations == {"summary": "it burns"}


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b'{"alerts": [1]}', b'{"alerts": null}'])
def test_what_is_no_notification_is_refused(body: bytes) -> None:
    """A malformed body is a 4xx, and nothing is kept of it."""
    with Receiver() as receiver:
        assert 400 <= httpx.post(receiver.url, content=body).status_code < 500
        assert receiver.deliveries == []

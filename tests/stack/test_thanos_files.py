"""The files of docker-compose.thanos.yml agree with those that they extend."""

from __future__ import annotations

import yaml

from stack.layout import CHECKOUT


def test_a_replica_differs_from_prometheus_by_its_labels() -> None:
    """replica.yml is prometheus.yml with external labels, which no alert carries as a replica."""
    one, replica = (
        yaml.safe_load((CHECKOUT / "prometheus" / name).read_text())
        for name in ("prometheus.yml", "replica.yml")
    )
    labels = replica["global"].pop("external_labels")
    assert labels == {"cluster": "${CLUSTER}", "replica": "${REPLICA}"}
    dropped = replica["alerting"].pop("alert_relabel_configs")
    assert dropped == [{"regex": "replica", "action": "labeldrop"}]
    assert replica == one

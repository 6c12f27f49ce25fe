"""A project whose services and environments differ in every way that slo.yaml allows."""

from __future__ import annotations

from pathlib import Path

from etter_obs._internal.generate.kubernetes.plan import Sources, kubernetes
from etter_obs._internal.slo.loading.loader import load_environments

SPEC = """\
version: 1
service: shop
environment: production
team: shop-team
receivers:
  page:
    slack: { channel: "#shop", url_file: secrets/alertmanager/slack-url }
    pagerduty: { routing_key_file: secrets/alertmanager/pagerduty-key }
    email:
      to: on-call@example.org
      from: alerts@example.org
      smarthost: smtp.example.org:587
      username: alerts
      password_file: secrets/alertmanager/smtp-password
  ticket: { teams: { url_file: secrets/alertmanager/teams-url } }
  watchdog: { webhook: { url_file: secrets/alertmanager/heartbeat-url } }
teams:
  search: { ticket: { webhook: { url_file: secrets/search-url } } }
metrics_token_file: secrets/prometheus/metrics-token
kubernetes: { labels: { release: kube-prometheus-stack }, grafana_operator: true }
deployment: { image: "registry.example.org/shop:1.4.2", replicas: { min: 3, max: 20 } }
slos:
  - name: availability
    description: Requests are answered.
    objective: 99.9%
    sli: { requests: { bad_status: 5xx } }
  - name: latency
    description: Requests are answered within 250 ms.
    objective: 99%
    sli: { latency: { threshold: 250ms } }
    team: search
services:
  search: { deployment: { image: "registry.example.org/search:2.0.0", port: 9000 } }
  orders: { deployment: null }
environments:
  staging:
    metrics_token_file: null
    kubernetes:
      { namespace: shop-test, monitoring_namespace: observability, labels: { release: other } }
    deployment: { image: "registry.example.org/shop:1.5.0-rc1", port: 8080, replicas: { min: 1 } }
  preview:
    deployment: null
"""


def written(root: Path, text: str = SPEC) -> dict[str, str]:
    """Write slo.yaml into ``root``; return the files of the Kubernetes form."""
    (root / "slo.yaml").write_text(text, encoding="utf-8")
    return dict(kubernetes(load_environments(root / "slo.yaml"), Sources.of(root)).files)

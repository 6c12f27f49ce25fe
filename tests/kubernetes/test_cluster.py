"""A real API server judges the manifests, and the real operator turns them into configuration."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml

from etter_obs._internal.generate import scrape
from etter_obs._internal.slo.alerts.alertmanager import alertmanager
from etter_obs._internal.slo.alerts.burn_rate import alerts
from etter_obs._internal.slo.alerts.stack import stack
from etter_obs._internal.slo.loading.loader import load_environments
from etter_obs._internal.slo.rules.recording import rules
from stack.build import binary
from tests.kubernetes.cluster import Cluster, cluster
from tests.kubernetes.projects import written
from tests.prometheus import on_loopback
from tests.waiting import eventually

pytestmark = [pytest.mark.kubernetes, pytest.mark.e2e]

_MONITORING: Final = "monitoring"
_SELECTED: Final = {"matchLabels": {"release": "kube-prometheus-stack"}}
_OVERLAYS: Final = ("production", "staging", "preview")
_SELECTORS: Final = {
    kind: value
    for name in ("rule", "serviceMonitor", "podMonitor")
    for kind, value in ((f"{name}Selector", _SELECTED), (f"{name}NamespaceSelector", {}))
}
_ANCHORED: Final = {"enableFeatures": ["promql-extended-range-selectors"]}
_PERMISSIONS_WITHIN: Final = 120


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A control plane with every overlay applied once."""
    with cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project, its manifests in ``deploy``."""
    root = tmp_path_factory.mktemp("project")
    for path, text in written(root).items():
        file = root / "deploy" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def applied(running: Cluster, project: Path) -> dict[str, str]:
    """What kubectl said of each overlay."""
    return {name: _apply(running, project, name) for name in _OVERLAYS}


def _apply(running: Cluster, project: Path, overlay: str) -> str:
    folder = project / "deploy/overlays" / overlay
    return running.kubectl("apply", "--server-side", f"--kustomize={folder}")


def _versions(running: Cluster, project: Path, overlay: str) -> dict[str, str]:
    folder = project / "deploy/overlays" / overlay
    found = running.get(f"--kustomize={folder}")
    return {
        f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
        for item in found["items"]
    }


@pytest.mark.parametrize("overlay", _OVERLAYS)
def test_a_second_apply_changes_nothing(
    overlay: str, running: Cluster, project: Path, applied: dict[str, str]
) -> None:
    """Every overlay is accepted without a warning, and applying it again leaves each version."""
    assert "Warning" not in applied[overlay]
    before = _versions(running, project, overlay)
    assert len(before) > 30
    assert "Warning" not in _apply(running, project, overlay)
    assert _versions(running, project, overlay) == before


@pytest.mark.usefixtures("applied")
def test_pods_are_admitted_where_only_restricted_ones_are(running: Cluster) -> None:
    """Pod Security admits a pod of each workload, and refuses one that runs as root."""
    namespace = "--namespace=shop-production"
    workloads = running.get("deployments,daemonsets,statefulsets", namespace)["items"]
    assert len(workloads) == 4
    for workload in workloads:
        template = workload["spec"]["template"]
        for claim in workload["spec"].get("volumeClaimTemplates", []):
            volume = {"name": claim["metadata"]["name"], "emptyDir": {}}
            template["spec"].setdefault("volumes", []).append(volume)
        template["metadata"]["name"] = workload["metadata"]["name"]
        pod = {"apiVersion": "v1", "kind": "Pod", **template}
        create = ("create", "--dry-run=server", "--filename=-", namespace)
        assert "created" in running.kubectl(*create, stdin=json.dumps(pod))
        pod["spec"]["securityContext"] = {}
        refused = running.kubectl(*create, stdin=json.dumps(pod), succeed=False)
        assert 'violates PodSecurity "restricted' in refused


@pytest.fixture(scope="module")
def operated(running: Cluster, applied: dict[str, str]) -> Iterator[Cluster]:
    """The same, with the operator, two Prometheus and an Alertmanager that select our resources."""
    assert applied
    running.kubectl("create", "namespace", _MONITORING)
    _create_secrets(running)
    resources = [
        _custom("Prometheus", "main", version="v3.16.0", **_SELECTORS, **_ANCHORED),
        _custom("Prometheus", "plain", version="v3.16.0", **_SELECTORS),
        _custom(
            "Alertmanager",
            "main",
            version="v0.31.1",
            alertmanagerConfigSelector=_SELECTED,
            alertmanagerConfigNamespaceSelector={},
        ),
    ]
    with running.operator():
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": resources})
        running.kubectl("apply", "--server-side", "--filename=-", stdin=text)
        yield running


def test_the_operator_s_rules_are_those_of_the_files_form(
    operated: Cluster, project: Path, tmp_path: Path
) -> None:
    """Prometheus accepts the operator's rule files; they hold each group of the files form once."""
    specs = load_environments(project / "slo.yaml")["production"]
    parts = [stack(specs[0]), *(part(spec) for spec in specs for part in (rules, alerts))]
    wanted = [g for part in parts for text in part.values() for g in _load(text)["groups"]]
    files = eventually(lambda: _rule_files(operated, "main"), deadline_s=_PERMISSIONS_WITHIN)
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    subprocess.run([binary("promtool"), "check", "rules", *tmp_path.iterdir()], check=True)
    found = [
        group
        for name, text in files.items()
        if name.startswith("shop-production-")
        for group in _load(text)["groups"]
    ]
    for rule in (rule for group in found for rule in group["rules"] if "alert" in rule):
        assert rule["labels"].pop("namespace") == "shop-production"
    assert _by_name(found) == _by_name(wanted)


def test_without_the_feature_the_operator_rejects_anchored_rules(operated: Cluster) -> None:
    """A Prometheus without promql-extended-range-selectors gets no rule with anchored."""
    eventually(lambda: _rule_files(operated, "main"), deadline_s=_PERMISSIONS_WITHIN)
    eventually(lambda: _secret(operated, "prometheus-plain"), deadline_s=_PERMISSIONS_WITHIN)
    assert not [text for text in _rule_files(operated, "plain").values() if "anchored" in text]
    assert [text for text in _rule_files(operated, "main").values() if "anchored" in text]


def test_prometheus_scrapes_as_in_the_files_form(
    operated: Cluster, project: Path, tmp_path: Path
) -> None:
    """Prometheus loads the operator's jobs; a pod gets job, environment and limits of the form.

    What the API server would say of pods is a file here: this Prometheus has no other discovery.
    """
    text = eventually(lambda: _secret(operated, "prometheus-main"), deadline_s=_PERMISSIONS_WITHIN)
    # In a pod, the operator's reloader fills in the number of the shard.
    config = _load(text.replace("$(SHARD)", "0"))
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    spec = load_environments(project / "slo.yaml")["production"][0]
    job = jobs["serviceMonitor/shop-production/shop/0"]
    own = _load(scrape.scrape(spec)[scrape.path(spec)])["scrape_configs"][0]
    for limit in (name for name in own if name.endswith("_limit")):
        assert str(job[limit]).removesuffix("B") == str(own[limit]).removesuffix("B"), limit
    assert job["authorization"]["credentials"] == "metrics-token"
    targets = tmp_path / "targets.json"
    targets.write_text(
        json.dumps([{"targets": ["127.0.0.1:1"], "labels": _meta("shop", "http")}]),
        encoding="utf-8",
    )
    for each in jobs.values():
        each.pop("kubernetes_sd_configs")
        each["file_sd_configs"] = [{"files": [str(targets)]}]
    text = yaml.safe_dump({"global": config["global"], "scrape_configs": list(jobs.values())})
    with on_loopback(tmp_path, text) as url:
        file = tmp_path / "prometheus.yml"
        subprocess.run([binary("promtool"), "check", "config", file], check=True)
        active = eventually(lambda: _targets(url), deadline_s=60)
    (labels,) = [one["labels"] for one in active if one["scrapePool"] == job["job_name"]]
    assert (labels["job"], labels["environment"]) == ("shop", "production")


_LABELS: Final = (
    {"alertname": "SLOBurnRatePage1h", "severity": "page", "slo": "availability"},
    {"alertname": "SLOBurnRateTicket3d", "severity": "ticket", "slo": "availability"},
    {"alertname": "SLOBurnRateTicket3d", "severity": "ticket", "team": "search"},
    {"alertname": "SLONoData", "severity": "ticket", "team": "search", "slo": "latency"},
    {"alertname": "Watchdog", "severity": "none"},
)


def test_alerts_reach_the_receivers_of_the_files_form(
    operated: Cluster, project: Path, tmp_path: Path
) -> None:
    """The operator's routing is valid and leads each alert where the files form does."""
    made = eventually(
        lambda: _secret(operated, "alertmanager-main-generated", "alertmanager.yaml.gz"),
        deadline_s=_PERMISSIONS_WITHIN,
    )
    ours, theirs = tmp_path / "files.yml", tmp_path / "operator.yml"
    theirs.write_text(made, encoding="utf-8")
    spec = load_environments(project / "slo.yaml")["production"][0]
    (text,) = alertmanager(spec).values()
    ours.write_text(text, encoding="utf-8")
    subprocess.run([binary("amtool"), "check-config", theirs], check=True)
    for labels in _LABELS:
        routed = _route(theirs, {**labels, "namespace": "shop-production"})
        assert routed == f"shop-production/etter-obs/{_route(ours, labels)}"
    assert len(_load(made)["inhibit_rules"]) == 3 * 2  # production's and preview's
    assert "https://hooks.example.org/slack-url" in made


def _create_secrets(running: Cluster) -> None:
    """Create what the manifests refer to, in both namespaces that the label selects."""
    keys = ("slack-url", "pagerduty-key", "smtp-password", "teams-url", "heartbeat-url")
    values = {f"alertmanager.{key}": f"https://hooks.example.org/{key}" for key in keys}
    values["search-url"] = "https://hooks.example.org/search"
    for namespace in ("shop-production", "shop-preview"):
        for name, content in {
            "etter-obs-receivers": values,
            "shop-metrics": {"metrics-token": "metrics-token"},
            "search-metrics": {"metrics-token": "metrics-token"},
            "orders-metrics": {"metrics-token": "metrics-token"},
        }.items():
            literals = [f"--from-literal={key}={value}" for key, value in content.items()]
            running.kubectl(
                "create", "secret", "generic", name, f"--namespace={namespace}", *literals
            )


def _custom(kind: str, name: str, **spec: object) -> dict[str, object]:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": _MONITORING},
        "spec": {"replicas": 1, **spec},
    }


def _rule_files(running: Cluster, name: str) -> dict[str, str]:
    files: dict[str, str] = {}
    for item in running.get("configmaps", f"--namespace={_MONITORING}")["items"]:
        if item["metadata"]["name"].startswith(f"prometheus-{name}-rulefiles-"):
            files |= item.get("data", {})
    return files


def _secret(running: Cluster, name: str, key: str = "prometheus.yaml.gz") -> str:
    """Return the text of a compressed secret of the operator, empty while there is none."""
    found = running.get("secrets", f"--namespace={_MONITORING}")["items"]
    for item in found:
        if item["metadata"]["name"] == name and key in item.get("data", {}):
            return gzip.decompress(base64.b64decode(item["data"][key])).decode()
    return ""


def _meta(service: str, port: str) -> dict[str, str]:
    """Return what discovery says of an endpoint of the service."""
    label = "__meta_kubernetes_service_label_app_kubernetes_io_name"
    return {
        label: service,
        label.replace("_label_", "_labelpresent_"): "true",
        "__meta_kubernetes_service_name": service,
        "__meta_kubernetes_namespace": "shop-production",
        "__meta_kubernetes_endpointslice_port_name": port,
        "__meta_kubernetes_endpoint_port_name": port,
        "__meta_kubernetes_pod_name": f"{service}-0",
        "__meta_kubernetes_pod_container_name": service,
        "__meta_kubernetes_pod_phase": "Running",
    }


def _targets(url: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{url}/api/v1/targets").json()
    active: list[dict[str, Any]] = answer["data"]["activeTargets"]
    return active


def _route(config: Path, labels: dict[str, str]) -> str:
    pairs = [f"{name}={value}" for name, value in labels.items()]
    return subprocess.run(
        [binary("amtool"), "config", "routes", "test", f"--config.file={config}", *pairs],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def _load(text: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def _by_name(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(groups, key=lambda group: str(group["name"]))

"""The collector in two tiers: an agent on each node, and a gateway that delivers."""

from __future__ import annotations

from typing import Final

from etter_obs._internal.conventions.external import COLLECTOR_IMAGE, Job
from etter_obs._internal.generate.kubernetes.resources import (
    COMPONENT,
    NAME,
    Resource,
    container_security,
    dns,
    http_probe,
    limits,
    own_pods,
    peers,
    pod_security,
    resource,
    tcp,
)
from etter_obs._internal.slo.spec.models import Spec

CONFIG: Final = "otel-collector"
"""The ConfigMap with the collector's configuration, the same files as compose mounts."""
CONFIG_FILES: Final = ("config.yaml", "to-gateway.yaml", "to-tempo.yaml")
LABELS: Final = {NAME: Job.COLLECTOR}
AGENT_LABELS: Final = {**LABELS, COMPONENT: "agent"}
_GATEWAY_LABELS: Final = {**LABELS, COMPONENT: "gateway"}
METRICS: Final = "metrics"
"""Name of the port with the collector's own metrics."""

_AGENT: Final = "otel-agent"
_GATEWAY: Final = "otel-gateway"
AGENT_ADDRESS: Final = f"http://{_AGENT}:4317"
_QUEUE: Final = "/var/lib/otelcol"
_CONFIG_FOLDER: Final = "/etc/otel-collector"
_USER: Final = 10001
_PORTS: Final = {"otlp-grpc": 4317, "otlp-http": 4318, "health": 13133, METRICS: 8888}
_FLUSH: Final = 60
"""Seconds for the last batches; what is queued on disk needs none."""


def collector(spec: Spec) -> dict[str, Resource]:
    """Return the resources of both tiers, by the name of their file."""
    monitoring = spec.kubernetes.monitoring_namespace
    agent_env = {"GATEWAY_OTLP_ADDRESS": f"dns:///{_GATEWAY}:4317"}
    gateway_env = {
        "LOKI_OTLP_URL": f"http://loki.{monitoring}.svc:3100/otlp",
        "TEMPO_OTLP_ADDRESS": f"tempo.{monitoring}.svc:4317",
    }
    agent = _pod(AGENT_LABELS, "to-gateway.yaml", agent_env)
    agent["spec"] |= {  # type: ignore[operator]  # a mapping, made below
        "tolerations": [{"operator": "Exists"}],
        "volumes": [*_config_volume(), {"name": "queue", "emptyDir": {"sizeLimit": "1Gi"}}],
    }
    gateway = _pod(_GATEWAY_LABELS, "to-tempo.yaml", gateway_env)
    gateway["spec"] |= {"volumes": _config_volume()}  # type: ignore[operator]
    scraped: Resource = {"from": [peers(monitoring)], "ports": tcp(_PORTS[METRICS])}
    otlp = tcp(_PORTS["otlp-grpc"], _PORTS["otlp-http"])
    return {
        "serviceaccount": resource(
            "v1", "ServiceAccount", CONFIG, LABELS, automountServiceAccountToken=False
        ),
        "agent": resource(
            "apps/v1",
            "DaemonSet",
            _AGENT,
            AGENT_LABELS,
            spec={
                "selector": {"matchLabels": AGENT_LABELS},
                "updateStrategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"maxUnavailable": "10%"},
                },
                "template": agent,
            },
        ),
        # To the agent of the same node: no host port, which Pod Security forbids.
        "agent-service": _service(_AGENT, AGENT_LABELS, internalTrafficPolicy="Local"),
        "agent-networkpolicy": _network_policy(
            _AGENT,
            AGENT_LABELS,
            ingress=[{"from": [{"podSelector": {}}], "ports": otlp}, scraped],
            egress=[dns(), {"to": [own_pods(_GATEWAY_LABELS)], "ports": otlp}],
        ),
        "gateway": resource(
            "apps/v1",
            "StatefulSet",
            _GATEWAY,
            _GATEWAY_LABELS,
            spec={
                "replicas": 2,
                "serviceName": _GATEWAY,
                "podManagementPolicy": "Parallel",
                "selector": {"matchLabels": _GATEWAY_LABELS},
                "template": gateway,
                "volumeClaimTemplates": [
                    {
                        "metadata": {"name": "queue"},
                        "spec": {
                            "accessModes": ["ReadWriteOnce"],
                            "resources": {"requests": {"storage": "10Gi"}},
                        },
                    }
                ],
            },
        ),
        # Without an address of its own: agents see every gateway and take turns.
        "gateway-service": _service(_GATEWAY, _GATEWAY_LABELS, clusterIP="None"),
        "gateway-networkpolicy": _network_policy(
            _GATEWAY,
            _GATEWAY_LABELS,
            ingress=[{"from": [own_pods(AGENT_LABELS)], "ports": otlp}, scraped],
            egress=[dns(), {"to": [peers(monitoring)], "ports": tcp(3100, 4317)}],
        ),
        "gateway-poddisruptionbudget": resource(
            "policy/v1",
            "PodDisruptionBudget",
            _GATEWAY,
            _GATEWAY_LABELS,
            spec={"maxUnavailable": 1, "selector": {"matchLabels": _GATEWAY_LABELS}},
        ),
    }


def _pod(labels: dict[str, str], config: str, env: dict[str, str]) -> Resource:
    env = {
        "OTLP_GRPC_ADDRESS": f"0.0.0.0:{_PORTS['otlp-grpc']}",
        "OTLP_HTTP_ADDRESS": f"0.0.0.0:{_PORTS['otlp-http']}",
        "COLLECTOR_HEALTH_ADDRESS": f"0.0.0.0:{_PORTS['health']}",
        "COLLECTOR_METRICS_HOST": "0.0.0.0",  # noqa: S104 - in a pod, behind its NetworkPolicy
        **env,
    }
    container = {
        "name": CONFIG,
        "image": COLLECTOR_IMAGE,
        "args": [f"--config={_CONFIG_FOLDER}/{file}" for file in ("config.yaml", config)],
        "ports": [{"name": name, "containerPort": port} for name, port in _PORTS.items()],
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "resources": limits("200m", "512Mi"),
        "securityContext": container_security(),
        "livenessProbe": http_probe("/", "health", 10, 3),
        "readinessProbe": http_probe("/", "health", 5, 2),
        "volumeMounts": [
            {"name": "config", "mountPath": _CONFIG_FOLDER, "readOnly": True},
            {"name": "queue", "mountPath": _QUEUE},
        ],
    }
    return {
        "metadata": {"labels": labels},
        "spec": {
            "serviceAccountName": CONFIG,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": pod_security(_USER),
            "terminationGracePeriodSeconds": _FLUSH,
            "containers": [container],
        },
    }


def _config_volume() -> list[Resource]:
    return [{"name": "config", "configMap": {"name": CONFIG}}]


def _service(name: str, labels: dict[str, str], **more: str) -> Resource:
    otlp = ("otlp-grpc", "otlp-http")
    ports = [{"name": port, "port": _PORTS[port], "targetPort": port} for port in otlp]
    return resource(
        "v1", "Service", name, labels, spec={**more, "selector": labels, "ports": ports}
    )


def _network_policy(
    name: str, labels: dict[str, str], ingress: list[Resource], egress: list[Resource]
) -> Resource:
    return resource(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        name,
        labels,
        spec={
            "podSelector": {"matchLabels": labels},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    )

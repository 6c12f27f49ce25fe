"""The app: Deployment, Service, NetworkPolicy, PodDisruptionBudget, HorizontalPodAutoscaler."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

from etter_obs._internal.generate.kubernetes import collector
from etter_obs._internal.generate.kubernetes.resources import (
    HTTP,
    NAME,
    Resource,
    container_security,
    dns,
    http_probe,
    limits,
    own_pods,
    pod_security,
    resource,
    tcp,
)
from etter_obs._internal.slo.spec.models import Spec
from etter_obs._internal.slo.spec.platform import Deployment

SPEC_FILE: Final = "etter-obs-spec"
"""The ConfigMap with slo.yaml. Kustomize appends a hash, so a changed spec restarts the pods."""
_SPEC_FOLDER: Final = "/etc/etter-obs"
_TOKEN_FOLDER: Final = "/etc/etter-obs-secrets"  # noqa: S105 - a folder
_USER: Final = 10001

_PERIOD, _FAILURES = 5, 2  # of the readiness probe, in seconds and probes
_MARGIN: Final = 2
_DRAIN: Final = _PERIOD * _FAILURES + _MARGIN
"""Seconds for which a draining pod still serves: until every probe of it has failed."""
_ENDPOINTS: Final = 5
"""Seconds until the nodes stop routing to a pod that is being deleted; SIGTERM comes after them."""
_LONGEST_REQUEST: Final = 30
_FLUSH: Final = 3
"""The default of ETTER_OBS_SHUTDOWN_DEADLINE."""
_DATABASE_PORTS: Final = (5432, 6379, 443)


def selector(spec: Spec) -> dict[str, str]:
    """Return the labels by which the app's pods are found."""
    return {NAME: spec.service}


def app(spec: Spec, wanted: Deployment) -> dict[str, Resource]:
    """Return the resources of the app, by the name of their file."""
    name, labels = spec.service, selector(spec)
    return {
        "serviceaccount": resource(
            "v1", "ServiceAccount", name, labels, automountServiceAccountToken=False
        ),
        "deployment": _deployment(spec, wanted),
        "service": resource(
            "v1",
            "Service",
            name,
            labels,
            spec={
                "selector": labels,
                "ports": [{"name": HTTP, "port": 80, "targetPort": HTTP, "appProtocol": "http"}],
            },
        ),
        "poddisruptionbudget": resource(
            "policy/v1",
            "PodDisruptionBudget",
            name,
            labels,
            spec={"maxUnavailable": 1, "selector": {"matchLabels": labels}},
        ),
        "horizontalpodautoscaler": _autoscaler(spec, wanted),
        "networkpolicy": _network_policy(spec, wanted),
    }


def _deployment(spec: Spec, wanted: Deployment) -> Resource:
    labels = selector(spec)
    pod = {
        "serviceAccountName": spec.service,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(_USER),
        "terminationGracePeriodSeconds": _ENDPOINTS + _DRAIN + _LONGEST_REQUEST + _FLUSH,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels},
            }
        ],
        "containers": [_container(spec, wanted)],
        "volumes": [
            {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
            {"name": "spec", "configMap": {"name": SPEC_FILE}},
            *_token(spec)[2],
        ],
    }
    return resource(
        "apps/v1",
        "Deployment",
        spec.service,
        labels,
        spec={
            "selector": {"matchLabels": labels},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            },
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    )


def _container(spec: Spec, wanted: Deployment) -> Resource:
    token_env, token_mounts, _ = _token(spec)
    env = {
        "OTEL_SERVICE_NAME": spec.service,
        "ENVIRONMENT": spec.environment,
        "ETTER_OBS_SLO_FILE": f"{_SPEC_FOLDER}/slo.yaml",
        "ETTER_OBS_DRAIN_SECONDS": str(_DRAIN),
        "APM_ENABLED": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.AGENT_ADDRESS,
        **token_env,
    }
    return {
        "name": spec.service,
        "image": wanted.image or spec.service,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": HTTP, "containerPort": wanted.port}],
        "env": [{"name": name, "value": value} for name, value in env.items()],
        # DATABASE_URL, REDIS_URL, SENTRY_DSN, …: each key is a variable.
        "envFrom": [{"secretRef": {"name": spec.service, "optional": True}}],
        "resources": limits("250m", "512Mi"),
        "securityContext": container_security(),
        "startupProbe": http_probe("/health/startup", HTTP, 2, 60),
        "livenessProbe": http_probe("/health/live", HTTP, 10, 3),
        "readinessProbe": http_probe("/health/ready", HTTP, _PERIOD, _FAILURES),
        "lifecycle": {"preStop": {"sleep": {"seconds": _ENDPOINTS}}},
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
            {"name": "spec", "mountPath": _SPEC_FOLDER, "readOnly": True},
            *token_mounts,
        ],
    }


def metrics_token(spec: Spec) -> Resource | None:
    """Return the reference of the Secret with the token for /metrics, None if it is open."""
    if spec.metrics_token_file is None:
        return None
    file = PurePosixPath(spec.metrics_token_file).name
    return {"name": f"{spec.service}-metrics", "key": file}


def _token(spec: Spec) -> tuple[dict[str, str], list[Resource], list[Resource]]:
    """Return variables, mounts and volumes with which the app reads its token for /metrics."""
    if (secret := metrics_token(spec)) is None:
        return {}, [], []
    return (
        {"ETTER_OBS_METRICS_TOKEN_FILE": f"{_TOKEN_FOLDER}/{secret['key']}"},
        [{"name": "metrics-token", "mountPath": _TOKEN_FOLDER, "readOnly": True}],
        [{"name": "metrics-token", "secret": {"secretName": secret["name"]}}],
    )


def _network_policy(spec: Spec, wanted: Deployment) -> Resource:
    """Return the policy: anyone may call the app; the app calls DNS, its agent, its back ends."""
    return resource(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        spec.service,
        selector(spec),
        spec={
            "podSelector": {"matchLabels": selector(spec)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"ports": tcp(wanted.port)}],
            "egress": [
                dns(),
                {"to": [own_pods(collector.AGENT_LABELS)], "ports": tcp(4317, 4318)},
                {"ports": tcp(*_DATABASE_PORTS)},
            ],
        },
    )


def _autoscaler(spec: Spec, wanted: Deployment) -> Resource:
    """Return the autoscaler; it alone says how many pods run, so the Deployment does not."""
    return resource(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        spec.service,
        selector(spec),
        spec={
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": spec.service},
            "minReplicas": wanted.replicas.min,
            "maxReplicas": wanted.replicas.max,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {"type": "Utilization", "averageUtilization": 70},
                    },
                }
            ],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
        },
    )

"""What every Kubernetes resource here has in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Resource = dict[str, object]

MANAGED_BY: Final = {"app.kubernetes.io/managed-by": "etter-obs"}
NAME: Final = "app.kubernetes.io/name"
COMPONENT: Final = "app.kubernetes.io/component"
METADATA_NAME: Final = "kubernetes.io/metadata.name"
"""The label with its name that the API server gives to each namespace."""
HTTP: Final = "http"
"""Name of the app's port, in the Deployment, the Service and the ServiceMonitor."""


def resource(
    api: str, kind: str, name: str, labels: Mapping[str, str], **content: object
) -> Resource:
    """Return a resource; ``labels`` are its own, besides those of every resource."""
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": name, "labels": dict(sorted({**MANAGED_BY, **labels}.items()))},
        **content,
    }


def pod_security(user: int) -> Resource:
    """Return the securityContext of a pod that the `restricted` Pod Security standard accepts.

    Args:
        user: id of the user and the group that own the volumes.
    """
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Resource:
    """Return the securityContext of a container without privileges and with a read-only root."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def limits(cpu: str, memory: str) -> Resource:
    """Return a request for ``cpu`` and ``memory``, and the latter as limit.

    CPU has no limit: throttling shows as latency, and a request already shares fairly.
    """
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}}


def http_probe(path: str, port: str, period: int, failures: int) -> Resource:
    """Return a probe that fails after ``failures`` in a row, ``period`` seconds apart."""
    return {
        "httpGet": {"path": path, "port": port},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def peers(namespace: str, labels: Mapping[str, str] | None = None) -> Resource:
    """Return the pods of a namespace, those with ``labels`` if given, for a NetworkPolicy."""
    found: Resource = {"namespaceSelector": {"matchLabels": {METADATA_NAME: namespace}}}
    return found | ({"podSelector": {"matchLabels": dict(labels)}} if labels else {})


def own_pods(labels: Mapping[str, str]) -> Resource:
    """Return pods of the policy's own namespace."""
    return {"podSelector": {"matchLabels": dict(labels)}}


def tcp(*ports: int | str) -> list[Resource]:
    """Return TCP ports for a NetworkPolicy."""
    return [{"protocol": "TCP", "port": port} for port in ports]


def dns() -> Resource:
    """Return the egress rule for name resolution."""
    return {
        "to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}],
        "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")],
    }

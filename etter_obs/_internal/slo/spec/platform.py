"""Where the service runs on Kubernetes; only ``generate --format kubernetes`` reads it."""

from __future__ import annotations

from pydantic import Field, model_validator

from etter_obs._internal.slo.spec.fields import Image, LabelKey, LabelValue, Model, Slug


class Kubernetes(Model):
    """The namespaces, and what the operators of the cluster select resources by."""

    namespace: Slug | None = Field(
        default=None,
        description="Namespace of the service and its collectors; default: SERVICE-ENVIRONMENT.",
    )
    monitoring_namespace: Slug = Field(
        default="monitoring",
        description="Namespace of Prometheus, Alertmanager, Loki and Tempo.",
    )
    labels: dict[LabelKey, LabelValue] = Field(
        default_factory=dict,
        description="Labels of PrometheusRule, ServiceMonitor, PodMonitor and AlertmanagerConfig, "
        "such as release: kube-prometheus-stack, if the operator selects by them.",
    )
    grafana_operator: bool = Field(
        default=False,
        description="Also write GrafanaDashboard resources, which read the dashboards' ConfigMaps.",
    )


class Replicas(Model):
    """Between how many pods the HorizontalPodAutoscaler chooses."""

    min: int = Field(default=2, ge=1, le=10_000)
    max: int = Field(default=10, ge=1, le=10_000)

    @model_validator(mode="after")
    def _in_order(self) -> Replicas:
        if self.min > self.max:
            raise ValueError(f"min is {self.min} and max is {self.max}; min must not be greater")
        return self


class Deployment(Model):
    """The Deployment of the app. Without it, only what observes the app is written."""

    image: Image | None = Field(
        default=None, description="Image of the app; default: the service's name, without a tag."
    )
    port: int = Field(default=8000, ge=1, le=65_535, description="Port that the app listens on.")
    replicas: Replicas = Replicas()

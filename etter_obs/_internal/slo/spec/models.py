"""The spec as typed, frozen models.

Editors complete slo.yaml from the JSON Schema, which contains the field descriptions. Validators
here check one field; ``slo/loading/validation.py`` checks rules across fields and the names of
metrics.
"""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Literal

from pydantic import Field, PrivateAttr, model_validator

from etter_obs._internal.slo.kinds.sli import Sli
from etter_obs._internal.slo.spec.engines import EXACT, Counting, EngineName
from etter_obs._internal.slo.spec.fields import (
    TIER_NAMES,
    MetricName,
    MetricPrefix,
    Model,
    Notes,
    Objective,
    Period,
    Quiet,
    Route,
    SecretFile,
    Slug,
    Text,
    Throughput,
    TierName,
)
from etter_obs._internal.slo.spec.platform import Deployment, Kubernetes
from etter_obs._internal.slo.spec.policy import TIERS, Tier
from etter_obs._internal.slo.spec.receivers import Links, Receivers, TeamReceivers

AlertingMode = Literal["burn-rate", "ticket", "off"]


class Alerting(Model):
    """Which alerts a burning budget raises. Short form: ``alerting: ticket``."""

    mode: AlertingMode = Field(
        default="burn-rate",
        description="burn-rate: pages and tickets; ticket: tickets only; off: no alerts.",
    )
    tiers: tuple[TierName, ...] | None = Field(
        default=None,
        description=f"Limits alerting to these of {', '.join(TIER_NAMES)}.",
    )
    min_bad_events: int = Field(
        default=5,
        ge=1,
        le=1_000_000,
        description="A tier fires only with at least this many bad events in its long window.",
    )

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: object) -> object:
        return {"mode": value} if isinstance(value, str) else value


class Slo(Model):
    """One service level objective."""

    name: Slug
    description: Text
    objective: Objective
    sli: Sli
    alerting: Alerting = Alerting()
    team: Slug | None = Field(default=None, description="Owner; default: the service's team.")
    runbook: Notes = Field(default="", description="Notes for on-call; the runbooks contain them.")

    @property
    def budget(self) -> Decimal:
        """The share of events that may be bad: 1 - objective, exact."""
        return 1 - self.objective

    @property
    def is_event_based(self) -> bool:
        """Whether the SLI counts events of users instead of slices of time."""
        return self.sli.kind.is_event_based


class LoadTest(Model):
    """Targets of a load test."""

    throughput: Throughput
    users: int = Field(ge=1, le=10_000_000)


class Spec(Model):
    """The spec of one service in one environment, with overrides applied."""

    version: Literal[1] = Field(description="Version of the format.")
    service: Slug = Field(description="Name of the service, and of its scrape job.")
    environment: Slug
    team: Slug = Field(description="Owner of the service.")
    metric_prefix: MetricPrefix = "etter"
    period: Period = Decimal(30 * 86400)
    engine: EngineName = Field(
        default="prometheus",
        description="What evaluates the rules: prometheus (3.16 or newer), mimir, thanos (its "
        "ruler; also right for an older Prometheus) or victoriametrics (vmalert). It decides how "
        "the exact form counts.",
    )
    rule_form: Literal["exact", "portable"] = Field(
        default="exact",
        description="exact counts every event once; portable uses a smoothed rate, and counts 0.8 "
        "to 1.06 of the true value on uneven traffic.",
    )
    no_traffic_after: Quiet = Field(
        default=Decimal(3600), description="Time without an event until a ticket fires."
    )
    instrumented: bool = Field(
        default=True,
        description="false: the SLIs read the metrics of other programs, so there is no scrape job "
        "and no alert about the service's own instances and telemetry.",
    )
    receivers: Receivers
    teams: dict[Slug, TeamReceivers] = Field(default_factory=dict)
    links: Links = Links()
    metrics_token_file: SecretFile | None = Field(
        default=None,
        description="File with the token that the app's /metrics requires "
        "(ETTER_OBS_METRICS_TOKEN_FILE); Prometheus reads it at every scrape.",
    )
    streaming_routes: tuple[Route, ...] = Field(
        default=(), description="Routes with streaming responses; latency SLIs exclude them."
    )
    own_metrics: tuple[MetricName, ...] = Field(
        default=(), description="Full names of your own metrics that SLIs read."
    )
    slos: tuple[Slo, ...] = Field(json_schema_extra={"minItems": 1})
    load_test: LoadTest | None = None
    kubernetes: Kubernetes = Kubernetes()
    deployment: Deployment | None = None

    _is_alone: bool = PrivateAttr(default=True)
    _is_global: bool = PrivateAttr(default=False)

    @property
    def counting(self) -> Counting:
        """How the base recordings count the events of an interval."""
        return EXACT[self.engine] if self.rule_form == "exact" else Counting.SMOOTHED

    @property
    def is_alone(self) -> bool:
        """Whether slo.yaml describes only this service, so that pages need not name it."""
        return self._is_alone

    def among_others(self) -> Spec:
        """Return the same spec as one of several in its file."""
        spec = self.model_copy()
        spec._is_alone = False
        return spec

    @property
    def is_global(self) -> bool:
        """Whether the rules add up the counted events of several clusters."""
        return self._is_global

    def over_clusters(self) -> Spec:
        """Return the same spec for a ruler above the Prometheus servers of several clusters."""
        spec = self.model_copy()
        spec._is_global = True
        return spec

    def slo(self, name: str) -> Slo:
        """Return the SLO called ``name``.

        Raises:
            KeyError: the spec has no such SLO.
        """
        for slo in self.slos:
            if slo.name == name:
                return slo
        raise KeyError(name)

    def team_of(self, slo: Slo) -> str:
        """Return the team that owns ``slo``."""
        return slo.team or self.team

    @property
    def sha256(self) -> str:
        """Hash of the SLIs and objectives, the same in the app and in the rules.

        It excludes prose, receivers, links and the environment's name: they change neither a bucket
        nor a budget, so they require no new deployment of the app.
        """
        content = self.model_dump(
            mode="json",
            include={"version", "service", "metric_prefix", "period", "streaming_routes"},
        )
        content["slos"] = [
            slo.model_dump(mode="json", include={"name", "objective", "sli"}, exclude_none=True)
            for slo in sorted(self.slos, key=lambda slo: slo.name)
        ]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


def asked_tiers(slo: Slo) -> tuple[Tier, ...]:
    """Return the tiers that ``slo`` selects, including unreachable ones."""
    mode, names = slo.alerting.mode, slo.alerting.tiers
    return tuple(
        tier
        for tier in TIERS
        if mode != "off"
        and (mode == "burn-rate" or tier.severity == mode)
        and (names is None or tier.name in names)
    )

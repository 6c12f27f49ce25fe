"""The spec as typed, frozen models: what slo.yaml may say.

Field descriptions become the JSON Schema that editors complete from. Validators here look at one
field; ``slo/loading/validation.py`` checks what needs several fields or the metrics of
the product.
"""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Literal

from pydantic import Field, PrivateAttr, model_validator

from etter_obs._internal.slo.kinds.sli import Sli
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
from etter_obs._internal.slo.spec.policy import TIERS, Tier
from etter_obs._internal.slo.spec.receivers import Links, Receivers, TeamReceivers

AlertingMode = Literal["burn-rate", "ticket", "off"]


class Alerting(Model):
    """How a burning budget alerts. The word alone (``alerting: ticket``) is the short form."""

    mode: AlertingMode = Field(
        default="burn-rate", description="burn-rate pages and tickets, ticket never pages."
    )
    tiers: tuple[TierName, ...] | None = Field(
        default=None,
        description=f"Only these tiers, of {', '.join(TIER_NAMES)}.",
    )
    min_bad_events: int = Field(
        default=5,
        ge=1,
        le=1_000_000,
        description="Bad events within a tier's long window below which it stays quiet.",
    )

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: object) -> object:
        return {"mode": value} if isinstance(value, str) else value


class Slo(Model):
    """One promise."""

    name: Slug
    description: Text
    objective: Objective
    sli: Sli
    alerting: Alerting = Alerting()
    team: Slug | None = Field(default=None, description="Owner, if not the service's team.")
    runbook: Notes = Field(default="", description="Notes for who is called.")

    @property
    def budget(self) -> Decimal:
        """The share of events that may be bad: 1 - objective, exact."""
        return 1 - self.objective

    @property
    def is_event_based(self) -> bool:
        """Whether users' events are counted, not slices of time."""
        return self.sli.kind.is_event_based


class LoadTest(Model):
    """What a load test must reach."""

    throughput: Throughput
    users: int = Field(ge=1, le=10_000_000)


class Spec(Model):
    """Everything that slo.yaml says for one service in one environment, overrides applied."""

    version: Literal[1] = Field(description="Version of this format.")
    service: Slug = Field(description="Name of the service; also its scrape job.")
    environment: Slug
    team: Slug = Field(description="Owner of the service.")
    metric_prefix: MetricPrefix = "etter"
    period: Period = Decimal(30 * 86400)
    rule_form: Literal["exact", "portable"] = Field(
        default="exact",
        description="exact needs Prometheus 3.16's `anchored`; portable runs on older engines, "
        "Mimir and Thanos, and counts 0.8 to 1.06 of the truth on uneven traffic.",
    )
    no_traffic_after: Quiet = Field(
        default=Decimal(3600), description="How long without an event until a ticket says so."
    )
    receivers: Receivers
    teams: dict[Slug, TeamReceivers] = Field(default_factory=dict)
    links: Links = Links()
    metrics_token_file: SecretFile | None = Field(
        default=None,
        description="The file with the token that the app's /metrics asks for "
        "(ETTER_OBS_METRICS_TOKEN_FILE); Prometheus reads it at every scrape.",
    )
    streaming_routes: tuple[Route, ...] = Field(
        default=(), description="Routes whose responses stream; they stay out of latency."
    )
    own_metrics: tuple[MetricName, ...] = Field(
        default=(), description="Full names of your own metrics that SLIs use."
    )
    slos: tuple[Slo, ...] = Field(json_schema_extra={"minItems": 1})
    load_test: LoadTest | None = None

    _is_alone: bool = PrivateAttr(default=True)

    @property
    def is_alone(self) -> bool:
        """Whether slo.yaml holds no other service, so that no page need name this one."""
        return self._is_alone

    def among_others(self) -> Spec:
        """Return the same spec as one of several in its file."""
        spec = self.model_copy()
        spec._is_alone = False
        return spec

    def slo(self, name: str) -> Slo:
        """Return the SLO of that name.

        Raises:
            KeyError: there is none.
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
        """Hash of what is measured and promised, the same in the app and in the rules.

        Prose, receivers, links and the environment's name stay out: they change neither a bucket
        nor a budget, and a deployed app need not be replaced for them.
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
    """Return the tiers that ``slo`` asks for, reachable or not."""
    mode, names = slo.alerting.mode, slo.alerting.tiers
    return tuple(
        tier
        for tier in TIERS
        if mode != "off"
        and (mode == "burn-rate" or tier.severity == mode)
        and (names is None or tier.name in names)
    )

"""The spec as typed, frozen models: what slo.yaml may say.

Field descriptions become the JSON Schema that editors complete from. Validators here look at one
field; what needs two fields, or the metrics of the product, is in :mod:`etter_obs.slo.semantics`.
"""

from __future__ import annotations

import hashlib
import json
import re
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from etter_obs import conventions
from etter_obs.slo import units
from etter_obs.slo.windows import TIERS, Tier


def _schema(kind: str, pattern: str, example: str, **more: Any) -> WithJsonSchema:
    forms: list[dict[str, Any]] = [{"type": "string", "pattern": pattern}]
    if more:
        forms.append(more)
    return WithJsonSchema({"anyOf": forms, "description": kind, "examples": [example]})


def _objective(value: object) -> Decimal:
    ratio = units.parse_ratio(value)
    if ratio == 1:
        raise ValueError(
            "an objective of 100% leaves no error budget, so its alert would fire on the first "
            "error and its budget could never be met; 99.9% is the usual start"
        )
    if ratio == 0:
        raise ValueError("an objective of 0% asks for nothing; leave the SLO out")
    if ratio > Decimal("0.999999"):
        raise ValueError(
            f"{units.percent_text(ratio)} is beyond what can be measured; at most 99.9999%"
        )
    return ratio


def _latency(value: object) -> Decimal:
    seconds = units.parse_duration(value)
    if seconds == 0:
        raise ValueError("a threshold of zero can be met by no request; write 200ms, say")
    if not Decimal("0.0001") <= seconds <= 3600:
        raise ValueError(f"{value} is out of range; a threshold is from 100us to 1h")
    return seconds


def _bound(value: object) -> Decimal:
    bound = units.parse_bound(value)
    if bound == 0:
        raise ValueError(
            "a threshold of zero marks every value as bad, or none; write 80% or 50, say"
        )
    return bound


def _period(value: object) -> Decimal:
    seconds = units.parse_duration(value)
    if seconds % 86400 or not 7 * 86400 <= seconds <= 90 * 86400:
        raise ValueError(f"{value} is not a period; whole days, from 7d to 90d (30d is usual)")
    return seconds


def _slice(value: object) -> Decimal:
    seconds = units.parse_duration(value)
    if not 30 <= seconds <= 150 or 300 % seconds:
        raise ValueError(f"{value} is not a slice; 30s, 1m or another divisor of 5m up to 2m30s")
    return seconds


def _quiet(value: object) -> Decimal:
    seconds = units.parse_duration(value)
    if not 300 <= seconds <= 604800:
        raise ValueError(f"{value} is out of range; from 5m to 7d")
    return seconds


def _throughput(value: object) -> Decimal:
    rate = units.parse_rate(value)
    if rate == 0:
        raise ValueError("a throughput of zero is met by nothing at all; write 500/s, say")
    return rate


_NUMBER_SCHEMA: Final = {"type": "number", "exclusiveMinimum": 0}
Objective = Annotated[
    Decimal,
    BeforeValidator(_objective),
    _schema(
        "Share of good events, more than 0 % and less than 100 %.",
        units.PERCENT_PATTERN,
        "99.9%",
        type="number",
        exclusiveMinimum=0,
        exclusiveMaximum=1,
    ),
]
Latency = Annotated[
    Decimal,
    BeforeValidator(_latency),
    _schema("A duration from 100us to 1h.", units.DURATION_PATTERN, "200ms"),
]
Bound = Annotated[
    Decimal,
    BeforeValidator(_bound),
    _schema("A percentage or a number, not 0.", units.PERCENT_PATTERN, "80%", **_NUMBER_SCHEMA),
]
Period = Annotated[
    Decimal,
    BeforeValidator(_period),
    _schema("Whole days, 7d to 90d.", units.DURATION_PATTERN, "30d"),
]
Slice = Annotated[
    Decimal,
    BeforeValidator(_slice),
    _schema("A divisor of 5m from 30s to 2m30s.", units.DURATION_PATTERN, "1m"),
]
Quiet = Annotated[
    Decimal,
    BeforeValidator(_quiet),
    _schema("A duration from 5m to 7d.", units.DURATION_PATTERN, "1h"),
]
Throughput = Annotated[
    Decimal,
    BeforeValidator(_throughput),
    _schema("Events per time.", units.RATE_PATTERN, "500/s"),
]


def _matching(pattern: str, takes: str) -> tuple[BeforeValidator, WithJsonSchema]:
    """Return the parts of a text type: a check whose message says what it takes, and its schema."""
    compiled = re.compile(pattern)

    def check(value: object) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise ValueError(f"{value!r} is not {takes}")
        return value

    return BeforeValidator(check), WithJsonSchema({"type": "string", "pattern": pattern})


def _bad_status(value: object) -> object:
    if value in ("4xx", "5xx"):
        return value
    if isinstance(value, tuple) and value and all(_is_status(item) for item in value):
        return value
    raise ValueError(
        f"{_shown(value)} is not a status; write 5xx, 4xx or a list of codes, [500, 503]"
    )


def _status(value: object) -> object:
    if not _is_status(value):
        raise ValueError(f"{_shown(value)} is not a status code, 100 to 599")
    return value


def _is_status(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599


def _shown(value: object) -> str:
    return str(list(value)) if isinstance(value, tuple) else repr(value)


_TIER_NAMES: Final = [tier.name for tier in TIERS]
TierName = Annotated[str, WithJsonSchema({"enum": _TIER_NAMES})]
Slug = Annotated[
    str,
    *_matching(
        r"^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$",
        "a name: small letters, digits and dashes, at most 63, a letter first",
    ),
]
MetricPrefix = Annotated[
    str,
    *_matching(r"^[a-z][a-z0-9_]{0,62}$", "a metric prefix: small letters, digits, underscores"),
]
MetricName = Annotated[
    str,
    *_matching(r"^[a-zA-Z_:][a-zA-Z0-9_:]{0,126}$", "a metric's name, http_requests_total say"),
]
Text = Annotated[
    str, *_matching(r"^[^\x00-\x1f\x7f]{1,500}$", "one line of text, at most 500 characters")
]
Route = Annotated[
    str,
    *_matching(
        r"^/[^\x00-\x20\x7f\"\\]{0,199}$", "a route template; it starts with /, as /companies/{id}"
    ),
]
Url = Annotated[
    str, *_matching(r"^https?://[^\x00-\x20\x7f\"'<>{}\\]{1,300}$", "an http(s) address")
]
SecretFile = Annotated[
    str,
    *_matching(
        r"^[A-Za-z0-9._/-]{1,200}$",
        "the path of the file that holds the secret, from the project's folder",
    ),
]
Smarthost = Annotated[str, *_matching(r"^[A-Za-z0-9.\-\[\]:]+:[0-9]{1,5}$", "host:port")]
Status = Annotated[
    int,
    BeforeValidator(_status),
    WithJsonSchema({"type": "integer", "minimum": 100, "maximum": 599}),
]
BadStatus = Annotated[
    Literal["4xx", "5xx"] | tuple[Status, ...],
    BeforeValidator(_bad_status),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["4xx", "5xx"]},
                {"type": "array", "minItems": 1, "items": {"type": "integer"}},
            ]
        }
    ),
]
Expression = Annotated[str, Field(min_length=1, max_length=4000)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Requests(_Model):
    """Requests to known routes; those with a bad status are bad."""

    bad_status: BadStatus = Field(description="A class (5xx) or a list of codes that count as bad.")
    without_status: tuple[Status, ...] = Field(
        default=(), description="Codes that are neither good nor bad: they do not count at all."
    )
    routes: tuple[Route, ...] = Field(default=(), description="Only these route templates.")


class LatencySli(_Model):
    """Events of a histogram; those slower than the threshold are bad."""

    threshold: Latency
    metric: MetricName = Field(
        default=conventions.REQUEST_DURATION.suffix,
        description="A histogram of the product (without prefix), or one of own_metrics.",
    )
    routes: tuple[Route, ...] = Field(default=(), description="Only these route templates.")


class Ratio(_Model):
    """Two counters: good and bad, bad and total, or good and total."""

    good: MetricName | None = None
    bad: MetricName | None = None
    total: MetricName | None = None


class Saturation(_Model):
    """A measured value in slices of time; a slice whose average breaks the bound is bad."""

    query: Expression | None = Field(
        default=None,
        description="PromQL; $selector stands for the service's own job and environment.",
    )
    resource: Literal["cpu", "memory", "disk-io"] | None = Field(
        default=None, description="A resource of the hosts, from node_exporter."
    )
    below: Bound | None = Field(default=None, description="Good while less than this.")
    above: Bound | None = Field(default=None, description="Good while more than this.")
    slice: Slice = Decimal(60)


class PromQL(_Model):
    """Rates of bad and of all events per second, in PromQL, over ``[$interval]``."""

    bad: Expression = Field(examples=['sum(rate(orders_total{$selector,state="lost"}[$interval]))'])
    total: Expression = Field(examples=["sum(rate(orders_total{$selector}[$interval]))"])


SliKind = Literal["requests", "latency", "ratio", "saturation", "promql"]


class Sli(_Model):
    """What is counted. Exactly one kind."""

    requests: Requests | None = None
    latency: LatencySli | None = None
    ratio: Ratio | None = None
    saturation: Saturation | None = None
    promql: PromQL | None = None

    @property
    def kind(self) -> SliKind:
        """Which of the kinds this is."""
        kinds: tuple[SliKind, ...] = ("requests", "latency", "ratio", "saturation", "promql")
        return next(kind for kind in kinds if getattr(self, kind) is not None)


AlertingMode = Literal["burn-rate", "ticket", "off"]


class Alerting(_Model):
    """How a burning budget is told. The word alone (``alerting: ticket``) is the short form."""

    mode: AlertingMode = Field(
        default="burn-rate", description="burn-rate pages and tickets, ticket never pages."
    )
    tiers: tuple[TierName, ...] | None = Field(
        default=None,
        description=f"Only these tiers, of {', '.join(_TIER_NAMES)}.",
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


class Slo(_Model):
    """One promise."""

    name: Slug
    description: Text
    objective: Objective
    sli: Sli
    alerting: Alerting = Alerting()
    team: Slug | None = Field(default=None, description="Owner, if not the service's team.")
    runbook: str = Field(default="", max_length=10_000, description="Notes for who is called.")

    @property
    def budget(self) -> Decimal:
        """The share of events that may be bad: 1 - objective, exact."""
        return 1 - self.objective

    @property
    def is_event_based(self) -> bool:
        """Whether users' events are counted, not slices of time."""
        return self.sli.saturation is None


class Slack(_Model):
    """A Slack channel, by an incoming webhook."""

    channel: Text
    url_file: SecretFile


class PagerDuty(_Model):
    """A PagerDuty service, by the Events API v2."""

    routing_key_file: SecretFile


class Email(_Model):
    """Mail by SMTP."""

    to: Text
    from_: Text = Field(alias="from")
    smarthost: Smarthost
    username: Text | None = None
    password_file: SecretFile | None = None


class Teams(_Model):
    """A Microsoft Teams channel, by a workflow's webhook."""

    url_file: SecretFile


class Webhook(_Model):
    """Any HTTP receiver of Alertmanager's JSON."""

    url_file: SecretFile


class Receiver(_Model):
    """Where a notification goes; several at once are several notifications."""

    slack: Slack | None = None
    pagerduty: PagerDuty | None = None
    email: Email | None = None
    teams: Teams | None = None
    webhook: Webhook | None = None


class Receivers(_Model):
    """Who is told, by severity."""

    page: Receiver
    ticket: Receiver
    watchdog: Receiver | None = Field(
        default=None,
        description="A dead man's switch outside this stack; it calls when the heartbeat stops.",
    )


class TeamReceivers(_Model):
    """A team's own receivers; what is missing goes to the common one."""

    page: Receiver | None = None
    ticket: Receiver | None = None


class Links(_Model):
    """Where people open things; they stand in every notification."""

    grafana: Url = "http://localhost:3000"
    runbooks: Url | None = Field(
        default=None, description="Where alerts/runbooks is published; a notification links there."
    )


class LoadTest(_Model):
    """What a load test must reach."""

    throughput: Throughput
    users: int = Field(ge=1, le=10_000_000)


class Spec(_Model):
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
    streaming_routes: tuple[Route, ...] = Field(
        default=(), description="Routes whose responses stream; they stay out of latency."
    )
    own_metrics: tuple[MetricName, ...] = Field(
        default=(), description="Full names of your own metrics that SLIs use."
    )
    slos: tuple[Slo, ...] = Field(json_schema_extra={"minItems": 1})
    load_test: LoadTest | None = None

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

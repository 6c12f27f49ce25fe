"""The types of the spec's fields: the written form, the stored value, the JSON Schema.

A validator reports what its field accepts; the loader adds file and line.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)

from etter_obs._internal.settings.parsers import NAME_PATTERN, NAME_TAKES
from etter_obs._internal.slo.spec.policy import TIERS
from etter_obs._internal.slo.spec.user_promql import compact
from etter_obs._internal.text import units


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
            "error; start with 99.9%"
        )
    if ratio == 0:
        raise ValueError("an objective of 0% has no effect; remove the SLO")
    if ratio > Decimal("0.999999"):
        raise ValueError(
            f"{units.percent_text(ratio)} cannot be measured; the highest objective is 99.9999%"
        )
    return ratio


def _latency(value: object) -> Decimal:
    seconds = units.parse_duration(value)
    if seconds == 0:
        raise ValueError("no request can meet a threshold of zero; write for example 200ms")
    if not Decimal("0.0001") <= seconds <= 3600:
        raise ValueError(f"{value} is out of range; use a threshold from 100us to 1h")
    held = Decimal(repr(float(seconds)))
    if held != seconds:
        raise ValueError(
            f"{value} has more digits than the bound of a bucket can hold, so no bucket would "
            f"match; write {units.decimal_text(held)}s"
        )
    return seconds


def _bound(value: object) -> Decimal:
    bound = units.parse_bound(value)
    if bound == 0:
        raise ValueError(
            "a bound of zero marks every value as bad, or none; write for example 80% or 50"
        )
    return bound


def _period(value: object) -> Decimal:
    seconds = units.parse_duration(value)
    if seconds % 86400 or not 7 * 86400 <= seconds <= 90 * 86400:
        raise ValueError(f"{value} is not a period; use whole days from 7d to 90d, such as 30d")
    return seconds


def _slice(value: object) -> Decimal:
    seconds = units.parse_duration(value)
    if not 30 <= seconds <= 150 or 300 % seconds:
        raise ValueError(
            f"{value} is not a slice; use 30s, 1m or another divisor of 5m up to 2m30s"
        )
    return seconds


def _quiet(value: object) -> Decimal:
    seconds = units.parse_duration(value)
    if not 300 <= seconds <= 604800:
        raise ValueError(f"{value} is out of range; use 5m to 7d")
    return seconds


def _throughput(value: object) -> Decimal:
    rate = units.parse_rate(value)
    if rate == 0:
        raise ValueError("a throughput of zero has no effect; write for example 500/s")
    return rate


_NUMBER_SCHEMA: Final = {"type": "number", "exclusiveMinimum": 0}
Objective = Annotated[
    Decimal,
    BeforeValidator(_objective),
    _schema(
        "Share of good events, above 0 % and below 100 %.",
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
    _schema("A percentage or a number, except 0.", units.PERCENT_PATTERN, "80%", **_NUMBER_SCHEMA),
]
Period = Annotated[
    Decimal,
    BeforeValidator(_period),
    _schema("Whole days from 7d to 90d.", units.DURATION_PATTERN, "30d"),
]
Slice = Annotated[
    Decimal,
    BeforeValidator(_slice),
    _schema("A divisor of 5m, from 30s to 2m30s.", units.DURATION_PATTERN, "1m"),
]
Quiet = Annotated[
    Decimal,
    BeforeValidator(_quiet),
    _schema("A duration from 5m to 7d.", units.DURATION_PATTERN, "1h"),
]
Throughput = Annotated[
    Decimal,
    BeforeValidator(_throughput),
    _schema("Events per unit of time.", units.RATE_PATTERN, "500/s"),
]


def _matching(pattern: str, takes: str) -> tuple[BeforeValidator, WithJsonSchema]:
    """Return the parts of a text type: its validator and its JSON Schema."""
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


def wrong_name(value: str) -> str | None:
    """Return what is wrong with the name of a service or environment, None if it is valid."""
    try:
        _NAME.validate_python(value)
    except ValidationError as error:
        return str(error.errors()[0]["ctx"]["error"])
    return None


TIER_NAMES: Final = [tier.name for tier in TIERS]
TierName = Annotated[str, WithJsonSchema({"enum": TIER_NAMES})]
Slug = Annotated[
    str,
    *_matching(NAME_PATTERN, NAME_TAKES),
]
_NAME: Final = TypeAdapter(Slug)
MetricPrefix = Annotated[
    str,
    *_matching(
        r"^[a-z][a-z0-9_]{0,62}$", "a metric prefix: lower-case letters, digits, underscores"
    ),
]
MetricName = Annotated[
    str,
    *_matching(r"^[a-zA-Z_:][a-zA-Z0-9_:]{0,126}$", "a metric's name, such as http_requests_total"),
]
Text = Annotated[
    str,
    *_matching(
        r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,500}$",
        "one line of text, at most 500 characters, without control characters",
    ),
]
Notes = Annotated[
    str,
    *_matching(
        r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]{0,10000}$",
        "text of at most 10000 characters, without control characters except tabs and line breaks",
    ),
]
Route = Annotated[
    str,
    *_matching(
        r"^/[^\x00-\x20\x7f-\x9f\u2028\u2029\ufffd\"\\]{0,199}$",
        "a route template, which starts with /, such as /companies/{id}",
    ),
]
BaseUrl = Annotated[
    str,
    *_matching(
        r"^https?://[^/?#\x00-\x20\x7f\"'<>{}\\][^?#\x00-\x20\x7f\"'<>{}\\]{0,299}$",
        "an http(s) URL without ? and #; paths are appended to it",
    ),
    AfterValidator(lambda url: url.rstrip("/")),
]
SecretFile = Annotated[
    str,
    *_matching(
        r"^[A-Za-z0-9._/-]{1,200}$",
        "the path of the file with the secret, relative to the project's folder",
    ),
]
Image = Annotated[
    str,
    *_matching(
        r"^[a-z0-9][A-Za-z0-9._:/@-]{0,254}$",
        "an image, such as registry.example.org/shop:1.4.2",
    ),
]
LabelKey = Annotated[
    str,
    *_matching(
        r"^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$",
        "a Kubernetes label, such as release or example.org/team",
    ),
]
LabelValue = Annotated[
    str,
    *_matching(
        r"^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$",
        "the value of a Kubernetes label, at most 63 letters, digits, dashes, dots, underscores",
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
_MAX_EXPRESSION: Final = 4000


def _expression(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not PromQL; it must be text")
    if len(value) > _MAX_EXPRESSION:
        raise ValueError(f"PromQL of more than {_MAX_EXPRESSION} characters")
    return compact(value)


Expression = Annotated[
    str,
    BeforeValidator(_expression),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": _MAX_EXPRESSION}),
]


SELECTOR_HELP: Final = (
    "$selector expands to matchers of the service's job and environment; quoted text keeps every "
    '$, as in "$1" and "${name}".'
)


class Model(BaseModel):
    """A part of the spec: frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

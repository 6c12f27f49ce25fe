"""The JSON Schema of slo.yaml, from the same models that validate it."""

from __future__ import annotations

import copy
from typing import Any

from etter_obs._internal.slo.loading.overrides import NOT_FOR_ENVIRONMENTS, NOT_FOR_SERVICES
from etter_obs._internal.slo.spec.models import AlertingMode, Spec
from etter_obs._internal.text.yaml import GENERATED


def schema() -> dict[str, Any]:
    """Return the schema that editors complete and check slo.yaml with."""
    whole = Spec.model_json_schema(by_alias=True)
    definitions = whole["$defs"]
    _short_form(definitions)
    definitions["SloOverride"] = _partial(definitions["Slo"], required=["name"])
    definitions["SloOverride"]["properties"]["remove"] = {
        "const": True,
        "description": "Remove this SLO.",
    }
    whole["properties"]["services"] = _layers(whole, NOT_FOR_SERVICES)
    whole["properties"]["environments"] = _layers(whole, NOT_FOR_ENVIRONMENTS)
    return {
        "$comment": GENERATED,
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **whole,
        "title": "slo.yaml",
    }


def _short_form(definitions: dict[str, Any]) -> None:
    """Let ``alerting`` be the word alone."""
    long_form = definitions.pop("Alerting")
    definitions["AlertingTable"] = long_form
    modes = list(AlertingMode.__args__)  # type: ignore[attr-defined]  # a Literal's values
    definitions["Alerting"] = {"anyOf": [{"enum": modes}, {"$ref": "#/$defs/AlertingTable"}]}


def _partial(model: dict[str, Any], required: list[str]) -> dict[str, Any]:
    part = copy.deepcopy(model)
    part["required"] = required
    for field in part["properties"].values():
        field.pop("default", None)
    return part


def _layers(whole: dict[str, Any], refused: tuple[str, ...]) -> dict[str, Any]:
    layer = _partial(
        {key: whole[key] for key in ("type", "properties", "additionalProperties")}, required=[]
    )
    for key in (*refused, "services", "environments"):
        layer["properties"].pop(key, None)
    layer["properties"]["slos"] = {"type": "array", "items": {"$ref": "#/$defs/SloOverride"}}
    return {
        "type": "object",
        "description": "By name: what differs from the rest of the file.",
        "additionalProperties": {"anyOf": [layer, {"type": "null"}]},
    }

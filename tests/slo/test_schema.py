"""The published JSON Schema agrees with the loader."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings

from etter_obs._internal.generate.schema import schema
from tests.slo.specs import ROOT, SHIPPED, dumped, spec_trees

VALIDATOR = jsonschema.Draft202012Validator(schema())


def test_the_published_schema_is_the_models_own() -> None:
    """slo.schema.json is valid as a schema, current, and named in slo.yaml's first line."""
    jsonschema.Draft202012Validator.check_schema(schema())
    assert json.loads((ROOT / "slo.schema.json").read_text(encoding="utf-8")) == schema()
    first = SHIPPED.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=slo.schema.json"


def test_the_schema_accepts_the_shipped_spec() -> None:
    """An editor shows no error in slo.yaml as it is shipped."""
    VALIDATOR.validate(yaml.safe_load(SHIPPED.read_text(encoding="utf-8")))


@settings(max_examples=60)
@given(spec_trees())
def test_the_schema_accepts_what_the_loader_accepts(tree: dict[str, Any]) -> None:
    """No valid spec is red in an editor."""
    loaded = yaml.safe_load(dumped(tree).replace("alerting: off", "alerting: 'off'"))
    errors = [error.message for error in VALIDATOR.iter_errors(loaded)]
    assert not errors


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("objective: 99.9%", "objektive: 99.9%"),
        ("threshold: 200ms", "threshold: 200"),
        ("alerting: ticket", "alerting: loud"),
        ("bad_status: 5xx", "bad_status: 7xx"),
        ("service: etter", "service: Etter Backend"),
        ("throughput: 500/s", "throughput: 500"),
    ],
)
def test_the_schema_refuses_what_an_editor_can_know(old: str, new: str) -> None:
    """An editor marks a misspelt key or a quantity without its unit, before the loader runs."""
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    assert not VALIDATOR.is_valid(yaml.safe_load(text.replace(old, new, 1)))

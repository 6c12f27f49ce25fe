"""The repository's own spec, and what is generated from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etter_obs._internal.dashboards import dashboards
from etter_obs._internal.dashboards.lint.model import BoardView
from etter_obs._internal.slo.loading.loader import load_spec
from etter_obs._internal.slo.spec.models import Spec

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def spec() -> Spec:
    """The repository's slo.yaml."""
    return load_spec(ROOT / "slo.yaml")


@pytest.fixture(scope="session")
def texts(spec: Spec) -> dict[str, str]:
    """Every dashboard's path and JSON text."""
    return dashboards(spec)


@pytest.fixture(scope="session")
def boards(texts: dict[str, str]) -> list[BoardView]:
    """Every dashboard, read back."""
    return [BoardView(path, json.loads(text)) for path, text in texts.items()]

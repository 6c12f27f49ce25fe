"""Parts that tests of one signal hand to another, as fixtures."""

from __future__ import annotations

import pytest

from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.redaction.redactor import Redactor
from etter_obs._internal.settings import Settings
from etter_obs._internal.tracing import Tracing


@pytest.fixture
def registry() -> MetricsRegistry:
    """Metrics of the test's own."""
    return MetricsRegistry("etter")


@pytest.fixture
def no_tracing(registry: MetricsRegistry) -> Tracing:
    """Tracing that is switched off."""
    return Tracing(
        Settings(apm_enabled=False),
        service="service",
        environment="test",
        registry=registry,
        redactor=Redactor(),
    )

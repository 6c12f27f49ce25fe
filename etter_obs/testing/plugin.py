"""The pytest plugin, which its entry point loads in every environment with etter-obs.

It imports only pytest; the first test that uses a fixture imports the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from etter_obs._internal.observability import Observability
    from etter_obs.testing.logs import LogRecorder
    from etter_obs.testing.metrics import MetricRecorder
    from etter_obs.testing.spans import SpanRecorder


@pytest.fixture
def obs_logs() -> Iterator[LogRecorder]:
    """Record the redacted lines that are logged during the test."""
    from etter_obs.testing.logs import recording_logs

    with recording_logs() as recorder:
        yield recorder


@pytest.fixture
def obs_spans() -> Iterator[SpanRecorder]:
    """Record the redacted spans that end during the test, instead of exporting them.

    Raises:
        ImportError: the packages for traces are unusable; the message contains the install command.
    """
    from etter_obs._internal.optional_dependencies import TRACES

    TRACES["grpc"].require()
    from etter_obs.testing.spans import recording_spans

    with recording_spans() as recorder:
        yield recorder


@pytest.fixture
def obs_metrics() -> MetricRecorder:
    """Return the metrics of the process, with their values when the test began."""
    from etter_obs.testing.metrics import MetricRecorder

    return MetricRecorder()


@pytest.fixture
def observe(request: pytest.FixtureRequest) -> Iterator[Callable[..., Observability]]:
    """Set up an app for this test: trace every request, log every line, send nothing.

    Without the packages for traces no request is traced.

    ``observe(app, engine=…, redis=…)`` accepts the arguments of ``setup_observability`` and undoes
    the set-up after the test. An app that is already set up keeps its own settings.
    """
    from etter_obs._internal.optional_dependencies import TRACES
    from etter_obs._internal.settings import Settings
    from etter_obs._internal.setup import setup_observability

    traces = TRACES["grpc"].fault() is None
    if traces:
        request.getfixturevalue("obs_spans")
    settings = Settings(
        log_level="DEBUG",
        apm_enabled=traces,
        otlp_logs_enabled=False,
        sampler="always_on",
        shutdown_deadline=1.0,
    )
    with ExitStack() as undo:

        def set_up(app: Any, **options: Any) -> Observability:
            handle = setup_observability(app, **{"settings": settings, **options})
            undo.callback(handle.shutdown)
            return handle

        yield set_up

"""The pytest plugin, loaded by its entry point in every environment that has etter-obs.

It imports nothing but pytest: what the fixtures need is loaded by the first test that uses one.
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
    """Lines that are logged during the test, redacted, as they are written."""
    from etter_obs.testing.logs import recording_logs

    with recording_logs() as recorder:
        yield recorder


@pytest.fixture
def obs_spans() -> Iterator[SpanRecorder]:
    """Spans that end during the test, redacted; they are kept here and not exported.

    Raises:
        ImportError: the packages of traces are not usable; the message has the line for that.
    """
    from etter_obs._internal.optional_dependencies import TRACES

    TRACES["grpc"].require()
    from etter_obs.testing.spans import recording_spans

    with recording_spans() as recorder:
        yield recorder


@pytest.fixture
def obs_metrics() -> MetricRecorder:
    """Metrics of the process, with what they were when the test began."""
    from etter_obs.testing.metrics import MetricRecorder

    return MetricRecorder()


@pytest.fixture
def observe(request: pytest.FixtureRequest) -> Iterator[Callable[..., Observability]]:
    """Sets up an app for this test: every request traced, every line logged, nothing sent.

    Without the packages of traces no request is traced.

    ``observe(app, engine=…, redis=…)`` takes what ``setup_observability`` takes and undoes it
    after the test. An app that was set up already keeps its own settings.
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

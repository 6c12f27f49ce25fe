"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Generator

# gRPC stops its threads around each fork of a test's process, and ends the child, at times the
# test as well, when one is busy. It reads this as it is imported; what a test starts is not told.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"
import grpc  # noqa: F401

del os.environ["GRPC_ENABLE_FORK_SUPPORT"]

import pytest
from hypothesis import HealthCheck, settings

from tests.browser import chromium
from tests.parts import no_tracing, registry
from tests.services import otlp, postgres, redis_server, shared_postgres
from tests.wheel import wheel

__all__ = [
    "chromium",
    "no_tracing",
    "otlp",
    "postgres",
    "redis_server",
    "registry",
    "shared_postgres",
    "wheel",
]

# An example that takes long tells of the machine, which another test is using, not of the code.
settings.register_profile(
    "patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in this hook too
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the tests that wait longest; run those of one module in one process.

    What a module of them shares takes long to start. Otherwise the order is that of the files.
    """
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)
    for item in items:
        if item.get_closest_marker("e2e"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let what a test has logged travel to the process that reports: UTF-8 has no lone surrogate.

    Properties log every code point; without this, such a line ends a run of two tests at once.
    """
    report = yield
    report.sections = [
        (title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections
    ]
    return report

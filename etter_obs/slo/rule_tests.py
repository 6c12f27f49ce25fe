"""Generated promtool tests of the generated rules."""

from __future__ import annotations

from etter_obs.slo.spec import Spec


def rule_tests(spec: Spec) -> dict[str, str]:
    """Return the test files of the service's rules."""
    return {}


def stack_tests(spec: Spec) -> dict[str, str]:
    """Return the test file of the stack's own alerts."""
    return {}

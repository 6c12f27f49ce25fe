"""Generated tests of the generated rules, for ``promtool test rules``.

Every number of a timeline follows from the tier, so the tests prove the policy, not the text of
the rule. The alert must fire once the long window has enough of the fault, not before. It must end
when the fault has left the short window, not before. It must not fire just under the threshold, or
with one bad event less than the guard requires. Series that must not count (other jobs, scanners,
clients that left) fail all the time.
"""

from __future__ import annotations

from typing import Final

from etter_obs._internal.slo.alerts import stack
from etter_obs._internal.slo.alerts.service import service_alerts
from etter_obs._internal.slo.rule_tests.burn import tier_document
from etter_obs._internal.slo.rule_tests.examples import examples
from etter_obs._internal.slo.rule_tests.signals import slo_document
from etter_obs._internal.slo.spec.models import Spec
from etter_obs._internal.slo.spec.reachability import tiers_of

_DIRECTORY: Final = "alerts/tests"


def rule_tests(spec: Spec) -> dict[str, str]:
    """Return the test files of a service: one for each SLO, each tier of it, and the service."""
    files: dict[str, str] = {}
    if own := service_alerts(spec):
        files[f"{_DIRECTORY}/{spec.service}.yml"] = examples(
            spec, own, f"{spec.service}.yml", f"{spec.service}/alerts"
        )
    for slo in spec.slos:
        if slo.alerting.mode == "off":
            continue
        name = f"{_DIRECTORY}/{spec.service}.{slo.name}"
        files[f"{name}.yml"] = slo_document(spec, slo)
        for tier in tiers_of(slo, spec.period):
            files[f"{name}.{tier.name}.yml"] = tier_document(spec, slo, tier)
    return files


def stack_tests(spec: Spec) -> dict[str, str]:
    """Return the test file of the stack's own alerts."""
    name = stack.SERVICE
    return {
        f"{_DIRECTORY}/{name}.yml": examples(spec, stack.stack_alerts(spec), f"{name}.yml", name)
    }

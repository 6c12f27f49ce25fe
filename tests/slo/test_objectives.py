"""Every SLO that slo.yaml takes has generated tests that hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.slo.specs import generated, promtool, spec_of, written


def test_the_tests_hold_whatever_an_slo_is_described_as(tmp_path: Path) -> None:
    """Characters that YAML or PromQL wants escaped are so, in the rules and in what is expected."""
    slo = (
        '{ name: a, description: "it\'s \\\\ \\ufeff\\ufffd\\ufffe {{ .x }}", objective: 99%, '
        "alerting: ticket, sli: { requests: { bad_status: 5xx } } }"
    )
    written(generated((spec_of(slo),)), tmp_path)
    assert "SUCCESS" in promtool("test", "rules", str(tmp_path / "alerts/tests/shop.a.yml"))


@pytest.mark.parametrize("period", ["7d", "90d"])
def test_the_tests_hold_however_small_or_large_the_budget(period: str, tmp_path: Path) -> None:
    """One bad event in a million or nearly all of them: burn, budget and time to go hold."""
    objectives = ("99.9999%", "99.9995%", "99.999%", "99.99987654321%", "66.6667%", "0.000001%")
    slos = [
        f"{{ name: s{number}, description: S., objective: '{objective}', alerting: ticket, "
        "sli: { ratio: { good: cache_hits_total, bad: cache_misses_total } } }"
        for number, objective in enumerate(objectives)
        if period == "7d" or number < 4  # so little cannot alert over 90 days
    ]
    written(generated((spec_of(*slos, more=f"period: {period}\n"),)), tmp_path)
    cases = [str(tmp_path / f"alerts/tests/shop.s{number}.yml") for number in range(len(slos))]
    assert promtool("test", "rules", *cases).count("SUCCESS") == len(cases)

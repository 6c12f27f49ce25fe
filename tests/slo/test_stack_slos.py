"""The stack's own SLOs: a small spec of a service that is not instrumented."""

from __future__ import annotations

from pathlib import Path

from etter_obs._internal.generate.plan import plan
from etter_obs._internal.slo.loading.loader import load_specs
from tests.slo.specs import ROOT, generated, promtool, written

_SPEC = ROOT / "examples/stack_slos/slo.yaml"


def test_a_service_that_is_not_instrumented_has_only_its_slos() -> None:
    """It has no scrape job, no targets and no alert about instances, which it has none of."""
    specs = load_specs(_SPEC)
    everything = plan(specs)
    assert not [path for path in everything.files if path.startswith("prometheus/scrape")]
    assert not everything.starters
    texts = [text for path, text in everything.files.items() if path.startswith("alerts/rules/")]
    assert "SLOBurnRatePage1h" in "".join(texts)
    assert not [text for text in texts if "alert: ServiceDown" in text]


def test_the_rules_of_the_stack_pass_their_tests(tmp_path: Path) -> None:
    """Alerts on queries that name another program's job hold what the policy promises."""
    files = generated(load_specs(_SPEC))
    promtool("check", "rules", "--lint=all", "--lint-fatal", *written(files, tmp_path))
    for name in ("ingestion.page-1h", "alert-delivery", "scrapes"):
        test = tmp_path / f"alerts/tests/observability.{name}.yml"
        assert "SUCCESS" in promtool("test", "rules", str(test))

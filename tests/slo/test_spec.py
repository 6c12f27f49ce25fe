"""What slo.yaml may contain, and the errors for anything else."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from etter_obs._internal.slo.loading.loader import SpecError, load_spec, load_specs, parse_specs
from etter_obs._internal.slo.spec.buckets import db_buckets, request_buckets
from tests.slo.specs import ROOT, SHIPPED, error_of, spec_of, text_of

SLI = "requests: { bad_status: 5xx }"
GOOD = f"{{ name: up, description: It answers., objective: 99.9%, sli: {{ {SLI} }} }}"


def test_the_shipped_spec_has_every_required_target() -> None:
    """Objectives and thresholds are the required ones."""
    spec = load_spec(SHIPPED)
    assert {slo.name: slo.objective for slo in spec.slos} == {
        "availability": Decimal("0.999"),
        "client-errors": Decimal("0.99"),
        "latency-p50": Decimal("0.5"),
        "latency-p95": Decimal("0.95"),
        "latency-p99": Decimal("0.99"),
        "db-latency-p95": Decimal("0.95"),
        "cache-hit-ratio": Decimal("0.8"),
        "cache-eviction": Decimal("0.95"),
        "db-pool-utilisation": Decimal("0.99"),
        "db-connections": Decimal("0.99"),
        "cpu": Decimal("0.99"),
        "memory": Decimal("0.99"),
        "disk-io": Decimal("0.99"),
    }
    thresholds = {s.name: s.sli.latency.threshold for s in spec.slos if s.sli.latency}
    assert thresholds == {
        "latency-p50": Decimal("0.2"),
        "latency-p95": Decimal("0.5"),
        "latency-p99": Decimal(1),
        "db-latency-p95": Decimal("0.1"),
    }
    bounds = {s.name: s.sli.saturation.below for s in spec.slos if s.sli.saturation}
    assert bounds == {
        "db-pool-utilisation": Decimal("0.8"),
        "db-connections": Decimal(50),
        "cpu": Decimal("0.7"),
        "memory": Decimal("0.8"),
        "disk-io": Decimal("0.6"),
    }
    assert spec.load_test is not None
    assert (spec.load_test.throughput, spec.load_test.users) == (Decimal(500), 1000)


def test_every_threshold_is_a_bucket() -> None:
    """A histogram has a bucket exactly at each threshold that an SLI puts on it."""
    spec = spec_of(
        "{ name: a, description: A., objective: 95%, sli: { latency: { threshold: 333ms } } }",
        "{ name: b, description: B., objective: 95%, sli: { latency: "
        "{ threshold: 7ms, metric: db_query_duration_seconds } } }",
    )
    assert 0.333 in request_buckets(spec)
    assert 0.007 in db_buckets(spec)
    assert list(request_buckets(spec)) == sorted(set(request_buckets(spec)))


# each: what is changed in a good spec to what, the words at the place, the words of the message
WRONG = [
    ("objective: 99.9%", "objective: 100%", "100%", "no error budget"),
    ("objective: 99.9%", "objective: 0%", "0%", "has no effect"),
    ("objective: 99.9%", "objective: 99.9", "99.9", "did you mean 99.9%?"),
    ("objective: 99.9%", "objective: ninety", "ninety", "write it as 99.9%"),
    ("objective: 99.9%", "objektive: 99.9%", "objektive", "did you mean objective?"),
    ("bad_status: 5xx", "bad_status: 6xx", "6xx", "write 5xx, 4xx or a list"),
    ("bad_status: 5xx", "bad_status: 5xx, routes: [xy]", "xy", "which starts with /"),
    (SLI, "latency: { threshold: 0ms }", "0ms", "threshold of zero"),
    (SLI, "latency: { threshold: 200 }", "200", "200ms or 200s"),
    (SLI, "latncy: { threshold: 1s }", "latncy", "did you mean latency?"),
    (
        SLI,
        "latency: { threshold: 1s, metric: db_qurey_duration_seconds }",
        "db_qurey",
        "did you mean db_query_duration_seconds?",
    ),
    (
        SLI,
        "ratio: { good: cache_hits_total, bad: etter_cache_misses_total }",
        "etter_cache",
        "write it without the prefix: cache_misses_total",
    ),
    (
        SLI,
        'saturation: { query: "max(etter_db_conections_active{$selector})", below: 50 }',
        '"max(',
        "did you mean etter_db_connections_active?",
    ),
    (SLI, "saturation: { resource: cpu, below: 0 }", "0 }", "bound of zero"),
    (SLI, "saturation: { resource: cpu, below: 70 }", "70", "write a percentage"),
    (SLI, "saturation: { resource: cpu, below: 70%, slice: 50s }", "50s", "a slice of at least 1m"),
    (
        "objective: 99.9%",
        'objective: 99.9%, runbook: "call\\x1b[2J"',
        '"call',
        "without control characters except tabs and line breaks",
    ),
    (
        SLI,
        'saturation: { query: "max(x{$selectr})", below: 50 }',
        '"max(',
        "did you mean $selector?",
    ),
    (
        SLI,
        'saturation: { query: "max(up[$interval])", below: 50 }',
        '"max(',
        "unknown placeholder [$interval]",
    ),
    (
        SLI,
        "saturation: { query: 'max(x{a=\"$pool\"})', below: 50 }",
        "'max(",
        'write ${pool} for a group of a regular expression, or \\x24pool in "…"',
    ),
    (
        SLI,
        "saturation: { query: 'max(x{$selector,a=\"b})', below: 50 }",
        "'max(",
        "a quotation mark is not closed",
    ),
    (SLI, "saturation: { query: '# later', below: 50 }", "'# later'", "the PromQL is empty"),
    (
        SLI,
        "promql: { bad: 'rate(x[$interval])', total: 'rate(x[5m]) # not [$interval]' }",
        "'rate(x[5m])",
        "it must use [$interval]",
    ),
    (
        SLI,
        "promql: { bad: 'increase(x{$selector}[$interval])', "
        "total: 'sum(rate(x{$selector}[$interval]))' }",
        "'increase(x",
        "use rate(…) instead of increase(…)",
    ),
    (SLI, "latency: { threshold: 1s1.000000000001us }", "1s1.", "write 1.000001s"),
    (f"sli: {{ {SLI}", f"alerting: {{ tiers: [] }}, sli: {{ {SLI}", "[] }", "tiers is empty"),
    (
        f"sli: {{ {SLI}",
        f"alerting: {{ mode: ticket, tiers: [ticket-3d, page-1h] }}, sli: {{ {SLI}",
        "page-1h",
        "write ticket-1d or ticket-3d, or remove mode",
    ),
    (
        f"sli: {{ {SLI}",
        f"alerting: {{ mode: off, tiers: [pgae-1h] }}, sli: {{ {SLI}",
        "pgae-1h",
        "did you mean page-1h?",
    ),
    ("bad_status: 5xx", 'bad_status: 5xx, routes: ["/\\uFFFD"]', '"/', "a route template"),
    ("It answers.", '"x\\x85y"', '"x', "without control characters"),
    ("It answers.", '"x\\u2028y"', '"x', "without control characters"),
    (
        SLI,
        'promql: { bad: "sum(rate(x[$interval])", total: "rate(y[$interval])" }',
        '"sum(',
        "'(' is not closed",
    ),
    (f"{{ {SLI} }}", "{ }", "{ }", "it has none"),
    ("team: shop-team", "team: Shop Team", "Shop Team", "lower-case letters"),
    ("service: shop", "service: stack", "stack", "is the name of a part of the stack"),
    ("version: 1", "version: 2", "2", "not one of 1"),
    ("team: shop-team", "team: shop-team\nperiod: 30", "30", "it has no unit"),
    ("team: shop-team", "team: shop-team\nperiod: 3d", "3d", "from 7d to 90d"),
    ("team: shop-team\n", "", "version", "'team' is missing"),
    *(
        (
            "team: shop-team",
            f"team: shop-team\nlinks: {{ {link}: {address} }}",
            '"http',
            "an http(s) URL without",
        )
        for link, address in (
            ("grafana", '"https://grafana.example.org/?orgId=2"'),
            ("grafana", '"https:///d"'),
            ("runbooks", '"https://git.example.org/shop#runbooks"'),
        )
    ),
    ("  page: {", "  paeg: {", "paeg", "did you mean page?"),
    ("{ webhook: { url_file: secrets/a } }", "{  }", "{  }", "at least one of slack"),
]


@pytest.mark.parametrize(("old", "new", "at", "said"), WRONG)
def test_a_wrong_spec_is_refused_with_place_and_remedy(
    old: str, new: str, at: str, said: str
) -> None:
    """Each slip gives one line with file, line, column, and what was meant."""
    text = text_of(GOOD)
    assert error_of(text) is None
    assert old in text
    wrong = text.replace(old, new, 1)
    place = wrong.index(at, text.index(old) if new else 0)
    line, column = wrong.count("\n", 0, place) + 1, place - wrong.rfind("\n", 0, place)
    error = error_of(wrong)
    assert error is not None
    told = [one for one in error.splitlines() if said in one]
    assert [one.split(": ")[0] for one in told] == [f"slo.yaml:{line}:{column}"], error


def test_all_slips_are_told_at_once() -> None:
    """Two slips in one file are two lines, in the order of the file."""
    error = error_of(text_of(GOOD).replace("99.9%", "100%").replace("5xx", "9xx"))
    assert error is not None
    assert [line.split(": ")[1] for line in error.splitlines()] == [
        "slos.up.objective",
        "slos.up.sli.requests.bad_status",
    ]


def test_an_slo_that_cannot_alert_is_told_which_target_could() -> None:
    """At 80 % no page can fire; the error names the lowest objective for a page."""
    slo = GOOD.replace("99.9%", "80%").replace("sli:", "alerting: { tiers: [page-1h] }, sli:")
    error = error_of(text_of(slo))
    assert error is not None
    assert "page-1h can from an objective of more than 93.06%" in error
    assert "burns only 5 times too fast" in error


def test_an_objective_above_the_one_that_is_named_can_alert() -> None:
    """The message rounds 83.333… % up, so that an objective above it is accepted."""
    slo = GOOD.replace("sli:", "alerting: { tiers: [page-6h] }, sli:")
    error = error_of(text_of(slo.replace("99.9%", "83.331%")))
    assert error is not None
    assert "page-6h can from an objective of more than 83.34%" in error
    assert error_of(text_of(slo.replace("99.9%", "83.3401%"))) is None


def test_quantities_are_exact_however_they_are_written() -> None:
    """A percentage, a plain share and a long form of a duration are the same exact decimals."""
    slo = "{{ name: a, description: A., objective: {}, sli: {{ latency: {{ threshold: {} }} }} }}"
    specs = [
        spec_of(slo.format(*pair))
        for pair in (("99.9%", "1s"), ("0.999", "1000ms"), ("99.90 %", "0.5s 500ms"))
    ]
    assert {spec.slos[0].budget for spec in specs} == {Decimal("0.001")}
    assert {str(spec.slos[0].budget) for spec in specs} == {"0.001"}
    assert len({spec.sha256 for spec in specs}) == 1


def test_the_hash_follows_what_is_measured_and_nothing_else() -> None:
    """Prose, receivers and the environment's name leave it; objectives and thresholds change it."""
    base = text_of(GOOD)
    [spec] = parse_specs(base, "slo.yaml")
    for old, new in (("It answers.", "Other words."), ("secrets/a", "secrets/b")):
        assert parse_specs(base.replace(old, new), "slo.yaml")[0].sha256 == spec.sha256
    assert parse_specs(base, "slo.yaml", "staging")[0].sha256 == spec.sha256
    for old, new in (("99.9%", "99.8%"), ("5xx", "4xx"), ("service: shop", "service: store")):
        assert parse_specs(base.replace(old, new), "slo.yaml")[0].sha256 != spec.sha256


OVERRIDES = """\
environments:
  staging:
    team: staging-team
    slos:
      - { name: up, objective: 99% }
      - { name: fast, remove: true }
services:
  billing:
    slos:
      - { name: up, objective: 99.99% }
"""
FAST = "{ name: fast, description: Fast., objective: 95%, sli: { latency: { threshold: 1s } } }"


def test_environments_and_services_differ_only_in_what_they_say(tmp_path: Path) -> None:
    """Overrides lie over the base, environment over service; all else is inherited."""
    path = tmp_path / "slo.yaml"
    path.write_text(text_of(GOOD, FAST, more=OVERRIDES), encoding="utf-8")
    shop, billing = load_specs(path)
    assert [s.name for s in shop.slos] == [s.name for s in billing.slos] == ["up", "fast"]
    assert (shop.service, shop.slo("up").objective) == ("shop", Decimal("0.999"))
    assert (billing.service, billing.slo("up").objective) == ("billing", Decimal("0.9999"))
    staging = load_spec(path, "staging")
    assert staging.environment == "staging"
    assert staging.team == "staging-team"
    assert staging.slo("up").objective == Decimal("0.99")
    assert staging.slo("up").description == "It answers."
    assert [slo.name for slo in staging.slos] == ["up"]
    assert load_spec(path, "staging", "billing").slo("up").objective == Decimal("0.99")
    assert load_spec(path, "unheard-of").slo("up").objective == Decimal("0.999")


def test_a_slip_in_an_override_is_found_whatever_environment_is_read() -> None:
    """Staging's wrong objective is an error with its own line, also when production is read."""
    text = text_of(GOOD, FAST, more=OVERRIDES.replace("objective: 99% }", "objective: 100% }"))
    error = error_of(text)
    assert error is not None
    assert error.startswith("slo.yaml:13:32: slos.up.objective: an objective of 100%")
    misspelt = error_of(text_of(GOOD, FAST, more=OVERRIDES.replace("name: up", "name: upp")))
    assert misspelt is not None
    assert "did you mean up?" in misspelt


def test_off_is_a_word() -> None:
    """`alerting: off` turns alerting off; YAML 1.1 would have read it as false."""
    spec = spec_of(GOOD.replace("sli:", "alerting: off, sli:"))
    assert spec.slos[0].alerting.mode == "off"


def test_a_missing_file_or_service_is_a_clear_error(tmp_path: Path) -> None:
    """A path without a file, a folder, and a service that the file lacks are named."""
    with pytest.raises(SpecError, match=r"no such file; run `etter-obs init` to create it"):
        load_spec(tmp_path / "slo.yaml")
    with pytest.raises(SpecError, match="cannot be read"):
        load_spec(tmp_path)
    with pytest.raises(SpecError, match=r"no service 'eter'; did you mean etter\?"):
        load_spec(SHIPPED, service="eter")


def test_the_examples_of_the_documentation_are_valid() -> None:
    """The example of docs/slo.md loads unchanged, with its overrides applied."""
    text = (ROOT / "docs/slo.md").read_text(encoding="utf-8")
    example, overrides = (part.split("```")[0] for part in text.split("```yaml\n")[1:])
    cpu = "  - { name: cpu, description: Calm., objective: 99%, sli: { saturation: "
    cpu += "{ resource: cpu, below: 70% } } }\n"
    specs = parse_specs(example + cpu + overrides, "docs/slo.md", "staging")
    assert [spec.service for spec in specs] == ["shop", "billing"]
    assert specs[0].slo("availability").objective == Decimal("0.99")

"""PromQL of a person's own: it reaches Prometheus as it was meant, or its line is named."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from etter_obs._internal.conventions import Rule
from etter_obs._internal.slo.prometheus.promtool import Question, ask
from etter_obs._internal.slo.rules import recording
from etter_obs._internal.slo.spec import selectors
from etter_obs._internal.slo.spec.models import Spec
from stack.build import binary
from tests.command_line import run
from tests.slo.specs import generated, promtool, spec_of, text_of, written

POOLS = {"a  b": 3, "a b": 4, "a # b": 5, "x$": 6, "two\nlines": 7}
"""The value of ``etter_db_connections_active`` for each pool."""


COUNTED = (
    "{ promql: { bad: 'sum(rate(mine_total{$selector,kind=\"lost\"}[$interval]))', "
    "total: 'sum(rate(mine_total{$selector}[$interval]))' } }"
)


def slo_of(query: str) -> str:
    """Return an SLO over the query, which may hold anything."""
    sli_ = {"saturation": {"query": query, "below": 5}}
    return json.dumps({"name": "a", "description": "d", "objective": "99%", "sli": sli_})


def measured(query: str, folder: Path) -> list[float]:
    """Return what the generated rule of the query records, by the real promtool."""
    spec = spec_of(slo_of(query))
    written(generated((spec,)), folder)
    own = 'job="shop",environment="production"'
    answers = ask(
        binary("promtool"),
        [folder / recording.path(spec, spec.slos[0])],
        {
            f"etter_db_connections_active{{{own},pool={json.dumps(pool)}}}": f"{value}x40"
            for pool, value in POOLS.items()
        },
        [Question(selectors.recorded(Rule.SATURATION, spec, spec.slos[0]), 300)],
        series_step=15,
        evaluation_step=60,
    )
    return sorted(sample.value for sample in answers[0])


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ('etter_db_connections_active{$selector,pool="a  b"}', [3]),
        ("etter_db_connections_active{$selector,pool='a # b'}", [5]),
        ("etter_db_connections_active{$selector,pool=`two\nlines`}", [7]),
        ('etter_db_connections_active{$selector,pool=~"x\\\\$$"}', [6]),
        ('etter_db_connections_active{$selector,pool=~"x.$|a b"}', [4, 6]),
        ('etter_db_connections_active{$selector,pool="x\\x24"}', [6]),
        ("# of the pool's\nmax(etter_db_connections_active{$selector}) # the most\r\n+ 1", [8]),
        (
            'count(count by (p) (label_replace({$selector}, "p", "$1", "pool", "(.).*")))',
            [3],
        ),
        (
            "count(count by (p) (label_replace({$selector}, 'p', '${c}$$', 'pool', '(?P<c>.).*')))",
            [3],
        ),
        ('count(count by (p) (label_replace({$selector}, "p", "$$c", "pool", ".*")))', [1]),
    ],
    ids=[
        *("spaces", "hash", "lines", "regex-end", "regex-or", "escaped"),
        *("comments", "group", "named", "sign"),
    ],
)
def test_quoted_text_is_kept_and_comments_are_not(
    query: str, values: list[float], tmp_path: Path
) -> None:
    """Strings with white space, # and $ are kept; a comment removes no code."""
    assert measured(query, tmp_path) == values


def test_a_comment_between_a_rate_and_its_interval_makes_no_odds(tmp_path: Path) -> None:
    """PromQL over several lines counts like the same on one line, and its tests pass."""
    bad = "sum(rate( # lost\n  mine_total{ $selector,\n kind='lost' }[ $interval ]))"
    total = "sum(rate(mine_total{$selector}[$interval]))"
    slo = {"name": "a", "description": "d", "objective": "99%"}
    slo |= {"alerting": "ticket", "sli": {"promql": {"bad": bad, "total": total}}}  # type: ignore[dict-item]
    written(generated((spec_of(json.dumps(slo)),)), tmp_path)
    assert "SUCCESS" in promtool("test", "rules", str(tmp_path / "alerts/tests/shop.a.yml"))


OUTAGE = {
    'seen_total{job="shop",environment="production",endpoint="/a",pod="1",kind="lost"}': "0+1x80",
    'seen_total{job="shop",environment="production",endpoint="/b",pod="2",kind="lost"}': "0+3x80",
    'lost_total{job="shop",environment="production",endpoint="/a",pod="1"}': "0+1x80",
    'lost_total{job="shop",environment="production",endpoint="/b",pod="2"}': "0+3x80",
}
"""Every event is lost, on two endpoints."""
BAD = [
    'sum by (endpoint) (rate(seen_total{$selector,kind="lost"}[$interval]))',
    'rate(seen_total{$selector,kind=~"lost|late"}[$interval])',
    'sum without (pod) (rate(seen_total{$selector,kind!="kept"}[$interval])) or vector(0)',
    "sum(rate(lost_total{$selector}[$interval])) by (pod, endpoint)",
    "(rate(lost_total{$selector}[$interval]))",
]
TOTAL = [
    "sum(rate(seen_total{$selector}[$interval]))",
    "sum by (pod) (rate(seen_total{$selector}[$interval]))",
    "rate(seen_total{$selector}[$interval])",
]


def counted(bad: str, total: str, more: str = "") -> Spec:
    """Return a spec with an SLO over these two sides."""
    sli_ = {"promql": {"bad": bad, "total": total}}
    slo = {"name": "a", "description": "d", "objective": "99%", "sli": sli_, "alerting": "ticket"}
    return spec_of(json.dumps(slo), more=more)


@pytest.mark.parametrize("form", ["exact", "portable"])
@pytest.mark.parametrize("total", TOTAL)
@pytest.mark.parametrize("bad", BAD)
def test_an_outage_is_seen_whatever_labels_the_two_sides_keep(
    bad: str, total: str, form: str, tmp_path: Path
) -> None:
    """While every event is bad, the recorded ratio is 1, and both recordings are one series."""
    spec = counted(bad, total, f"rule_form: {form}\n")
    written(generated((spec,)), tmp_path)
    slo = spec.slos[0]
    names = (Rule.bad_ratio("5m"), Rule.TOTAL_INCREASE, Rule.BAD_INCREASE)
    ratio, *sides = ask(
        binary("promtool"),
        [tmp_path / recording.path(spec, slo)],
        OUTAGE,
        [Question(selectors.recorded(name, spec, slo), 900) for name in names],
        series_step=15,
        evaluation_step=30,
    )
    assert [sample.value for sample in ratio] == [pytest.approx(1)]
    assert [len(side) for side in sides] == [1, 1]
    assert sides[0][0].value == pytest.approx(sides[1][0].value)
    assert sides[0][0].value > 0


@pytest.mark.parametrize(
    ("bad", "total"),
    [
        *zip(BAD, TOTAL * 2, strict=False),
        (
            "sum(rate(seen{$selector}[$interval])) - sum(rate(ok{$selector}[$interval]))",
            "sum(rate(seen{$selector}[$interval]))",
        ),
        (
            "rate(lost_total{$selector,code=~'5..'}[$interval])",
            "sum(rate(lost_total{$selector}[$interval])) + sum(rate(ok{$selector}[$interval]))",
        ),
    ],
)
def test_generated_tests_play_the_raw_series_of_promql(
    bad: str, total: str, tmp_path: Path
) -> None:
    """No input is a recording; the tests pass, and fail where a side keeps its labels."""
    spec = counted(bad, total)
    written(generated((spec,)), tmp_path)
    file = tmp_path / "alerts/tests/shop.a.yml"
    inputs = [
        one for test in yaml.safe_load(file.read_text())["tests"] for one in test["input_series"]
    ]
    assert inputs
    assert not [one for one in inputs if one["series"].startswith("slo:")]
    assert "SUCCESS" in promtool("test", "rules", str(file))


def test_generated_tests_fail_where_the_two_sides_keep_different_labels(tmp_path: Path) -> None:
    """Rules without the sum over a side's labels do not pass the tests made for them."""
    spec = counted(BAD[0], TOTAL[0])
    files = generated((spec,))
    path = recording.path(spec, spec.slos[0])
    whole = files[path]
    assert whole.count("(sum((sum by (endpoint)") == 1, whole
    files[path] = whole.replace("(sum((sum by (endpoint)", "(((sum by (endpoint)")
    written(files, tmp_path)
    done = subprocess.run(
        [binary("promtool"), "test", "rules", tmp_path / "alerts/tests/shop.a.yml"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1


def program(folder: Path, text: str) -> str:
    """Put a promtool on a PATH of its own and return that."""
    file = folder / "bin/promtool"
    file.parent.mkdir()
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return f"{file.parent}:/usr/bin:/bin"


WRONG = [
    ("maxx(up{$selector})", 'unknown function with name "maxx"'),
    ("max(up{$selector}) blah", "blah"),
    ("max(up{$selector}[5m])", "instant vector"),
    ("scalar(max(up{$selector}))", "instant vector"),
]


@pytest.mark.parametrize(("query", "reason"), WRONG)
@pytest.mark.parametrize("command", ["generate", "slo check", "check"])
def test_promql_that_does_not_parse_is_told_with_its_line(
    command: str, query: str, reason: str, tmp_path: Path
) -> None:
    """Each command that makes or checks rules gives promtool's reason at slo.yaml's line."""
    (tmp_path / "slo.yaml").write_text(text_of(slo_of(query)))
    path = program(tmp_path, f'exec {binary("promtool")} "$@"')
    code, said = run(*command.split(), cwd=tmp_path, env={"PATH": path})
    assert code == 2
    assert said.startswith("slo.yaml:10:91: promtool: ")
    assert reason in said
    assert not (tmp_path / "prometheus").exists()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("{ promql: { bad: 'summ(", 'unknown function with name "summ"'),
        ("{ promql: { bad: '3 * scalar(", "binary scalar expression"),
    ],
)
def test_an_override_whose_promql_does_not_parse_is_told_with_its_own_line(
    wrong: str, reason: str, tmp_path: Path
) -> None:
    """Staging's query is judged when production's rules are made."""
    override = COUNTED.replace("{ promql: { bad: 'sum(", wrong)
    text = text_of(f"{{ name: a, description: d, objective: 99%, sli: {COUNTED} }}")
    text += f"environments:\n  staging:\n    slos:\n      - name: a\n        sli: {override}\n"
    (tmp_path / "slo.yaml").write_text(text)
    path = program(tmp_path, f'exec {binary("promtool")} "$@"')
    code, said = run("generate", cwd=tmp_path, env={"PATH": path})
    assert (code, said.count("\n")) == (2, 1), said
    assert said.startswith("slo.yaml:15:31: promtool: ")
    assert reason in said


def test_without_promtool_the_rules_are_written_with_a_notice(tmp_path: Path) -> None:
    """Generating needs no promtool; a later check with one still reports the line."""
    (tmp_path / "slo.yaml").write_text(text_of(slo_of("maxx(up{$selector})")))
    nowhere = {"PATH": str(tmp_path / "none"), "HOME": str(tmp_path)}
    code, said = run("generate", cwd=tmp_path, env=nowhere)
    assert code == 0, said
    assert "note: promtool is not on the PATH, so the PromQL in slo.yaml was not parsed" in said
    code, said = run(*("check", "--promtool", str(binary("promtool"))), cwd=tmp_path, env=nowhere)
    assert (code, said.startswith("slo.yaml:10:91: promtool: unknown function")) == (2, True), said


def test_a_promtool_that_is_too_old_for_the_rules_judges_nothing(tmp_path: Path) -> None:
    """A promtool without `anchored` would refuse valid rules; it stops nothing."""
    slo = f"{{ name: a, description: d, objective: 99%, sli: {COUNTED} }}"
    (tmp_path / "slo.yaml").write_text(text_of(slo))
    older = f'sed s/anchored/unheard-of/ | {binary("promtool")} "$@"'
    assert run("generate", cwd=tmp_path, env={"PATH": program(tmp_path, older)})[0] == 0

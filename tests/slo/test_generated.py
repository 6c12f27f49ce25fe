"""The files that follow from the spec: accepted by their programs, stable, complete."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from etter_obs._internal import conventions
from etter_obs._internal.conventions import Alert
from etter_obs._internal.generate import scrape
from etter_obs._internal.generate.plan import plan
from etter_obs._internal.generate.prometheus_rule import prometheus_rules
from etter_obs._internal.generate.writer import write
from etter_obs._internal.settings import Settings
from etter_obs._internal.slo.loading.loader import load_specs, parse_specs
from etter_obs._internal.text.yaml import GENERATED
from stack.build import binary
from tests.slo.specs import ROOT, SHIPPED, generated, promtool, spec_of, text_of, written

REQUESTS = (
    "{ requests: { bad_status: [500, 503], without_status: [404], routes: [/a, '/b/{id}'] } }"
)
KINDS = {
    "requests": REQUESTS,
    "latency": "{ latency: { threshold: 250ms, routes: [/a] } }",
    "own-latency": "{ latency: { threshold: 1s, metric: mine_seconds } }",
    "good-bad": "{ ratio: { good: cache_hits_total, bad: cache_misses_total } }",
    "bad-total": "{ ratio: { bad: cache_misses_total, total: cache_hits_total } }",
    "good-total": "{ ratio: { good: cache_hits_total, total: requests_total } }",
    "cpu": "{ saturation: { resource: cpu, below: 70% } }",
    "above": "{ saturation: { query: 'min(etter_workers{$selector})', above: 2, slice: 30s } }",
    "opaque": "{ saturation: { query: 'sum(etter_workers{$selector}) / 2', below: 90% } }",
    "promql": "{ promql: { bad: 'sum(rate(mine_total{$selector,kind=\"lost\"}[$interval]))', "
    "total: 'sum(rate(mine_total{$selector}[$interval]))' } }",
    "opaque-promql": "{ promql: { bad: 'sum(rate(mine_total{$selector}[$interval])) / 9', "
    "total: 'sum(rate(mine_total{$selector}[$interval]))' } }",
}

AT_ONE_DAY = {"requests", "cpu"}
"""Kinds that are also tested at the one-day tier, which costs promtool half a minute each: a tier
reads the same recordings of every kind that counts events, and of every kind that counts slices."""


def _slo(name: str, sli: str, alerting: str) -> str:
    return (
        f"{{ name: {name}, description: It holds., objective: 99%, sli: {sli}, "
        f"alerting: {alerting} }}"
    )


def _tested(cases: list[Path]) -> None:
    """Run rule tests through promtool, two processes at a time."""
    with ThreadPoolExecutor(2) as pool:
        for output in pool.map(lambda case: promtool("test", "rules", str(case)), cases):
            assert "SUCCESS" in output


@pytest.mark.slow
@pytest.mark.parametrize("form", ["exact", "portable"])
def test_the_rules_of_every_kind_pass_their_generated_tests(form: str, tmp_path: Path) -> None:
    """Each SLI kind, in either rule form, behaves at the one-hour tier; two also at the one-day."""
    slos = []
    for name, sli in KINDS.items():
        tiers = "page-1h, ticket-1d" if name in AT_ONE_DAY else "page-1h"
        slos.append(_slo(name, sli, f"{{ tiers: [{tiers}], min_bad_events: 7 }}"))
    more = (
        f"rule_form: {form}\nown_metrics: [mine_seconds]\nstreaming_routes: [/stream]\n"
        "no_traffic_after: 6h\n"
    )
    files = generated(parse_specs(text_of(*slos, more=more), "slo.yaml"))
    rules = written(files, tmp_path)
    promtool("check", "rules", "--lint=all", "--lint-fatal", *rules)
    _tested(sorted((tmp_path / "alerts/tests").glob("shop.*.yml")))


def test_the_same_spec_gives_the_same_bytes() -> None:
    """Two runs, and a file with its keys in another order, give the same files."""
    text = SHIPPED.read_text(encoding="utf-8")
    again = yaml.safe_dump(yaml.safe_load(text), sort_keys=True)
    assert generated(parse_specs(text, "a")) == generated(parse_specs(text, "b"))
    assert generated(parse_specs(text, "a")) == generated(parse_specs(again, "c"))


def test_a_changed_objective_changes_only_its_own_files() -> None:
    """Besides the SLO's own files only what carries the spec's hash differs."""
    text = SHIPPED.read_text(encoding="utf-8")
    before = generated(parse_specs(text, "a"))
    after = generated(parse_specs(text.replace("objective: 80%", "objective: 81%"), "a"))
    changed = {path for path in before if before[path] != after[path]}
    own = {path for path in changed if ".cache-hit-ratio." in path}
    assert own
    assert changed - own == {"alerts/rules/etter.yml", "alerts/tests/etter.yml"}


def test_every_generated_file_says_so_in_its_first_line() -> None:
    """The first line of each says to change slo.yaml instead."""
    everything = plan(load_specs(SHIPPED))
    for path, text in {**everything.files, **everything.kept}.items():
        head = text[:400] if path.endswith(".json") else text.splitlines()[0]
        assert GENERATED in head, path


def test_no_budget_is_a_binary_fraction() -> None:
    """Thresholds and objectives are written as exact decimals: no 0.9990000000000001."""
    slos = [
        f"{{ name: s{i}, description: S., objective: {objective}, sli: "
        "{ requests: { bad_status: 5xx } } }"
        for i, objective in enumerate(("99.9%", "99.7%", "99.99%", "95.1%", "0.9973"))
    ]
    for text in generated((spec_of(*slos),)).values():
        long = [word for word in text.split() if "." in word and len(word.strip("'()")) > 12]
        assert not [word for word in long if word.strip("'()").replace(".", "").isdigit()]


def test_every_alert_has_a_runbook_a_person_finished_and_a_test() -> None:
    """Each alert's link leads to a page with its own text, and a rule test names the alert."""
    tests = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "alerts/tests").glob("*.yml"))
    names = set()
    for file in (ROOT / "alerts/rules").glob("*.yml"):
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                names.add(rule["alert"])
                page = ROOT / rule["annotations"]["runbook"].split("#")[0]
                text = page.read_text(encoding="utf-8").split("End of the generated part", 1)[1]
                for heading in ("## First look\n\n", "## Fix\n\n", "## Afterwards\n\n"):
                    assert text.split(heading, 1)[1][:1] not in ("", "#"), page
                name = rule["alert"]
                assert f'alertname="{name}"' in tests or f"alertname: {name}\n" in tests, name
    assert {Alert.WATCHDOG, Alert.SERVICE_DOWN, Alert.SLO_MISSING_BUCKET} <= names


def test_a_persons_part_of_a_runbook_is_kept(tmp_path: Path) -> None:
    """Generating again replaces the text between the markers and not one byte around it."""
    everything = plan(load_specs(SHIPPED))
    write(tmp_path, everything.changes(tmp_path))
    page = tmp_path / "alerts/runbooks/ServiceDown.md"
    own = "\n## First look\n\nCall Ada.\n"
    head = page.read_text(encoding="utf-8").split("\n## First look", 1)[0]
    page.write_text(
        f"Mine above.\n{head.replace('This alert pages', 'This alert paged')}{own}",
        encoding="utf-8",
    )
    write(tmp_path, everything.changes(tmp_path))
    assert page.read_text(encoding="utf-8") == f"Mine above.\n{head}{own}"


def test_files_of_a_removed_slo_go_and_a_persons_stay(tmp_path: Path) -> None:
    """A file that no spec needs any more is removed if it was generated, and only then."""
    write(tmp_path, plan(load_specs(SHIPPED)).changes(tmp_path))
    mine = tmp_path / "alerts/rules/mine.yml"
    mine.write_text("groups: []\n", encoding="utf-8")
    fewer = plan((spec_of(_slo("up", "{ requests: { bad_status: 5xx } }", "ticket")),))
    write(tmp_path, fewer.changes(tmp_path))
    assert {p.name for p in (tmp_path / "alerts/rules").iterdir()} == {
        "mine.yml",
        "shop.up.yml",
        "shop.yml",
        "stack.yml",
    }
    assert not fewer.changes(tmp_path)


def test_the_operators_form_holds_the_same_rules() -> None:
    """PrometheusRule resources carry exactly the rules of the files."""
    specs = load_specs(SHIPPED)
    resources = list(yaml.safe_load_all(prometheus_rules(specs)))
    assert {r["kind"] for r in resources} == {"PrometheusRule"}
    theirs = {g["name"]: g for r in resources for g in r["spec"]["groups"]}
    ours = {
        group["name"]: group
        for path, text in generated(specs).items()
        if "/rules/" in path
        for group in yaml.safe_load(text)["groups"]
    }
    assert theirs == ours


def test_a_scrape_takes_twice_what_the_caps_allow() -> None:
    """No service that keeps within its own series caps can have a scrape refused."""
    assert Settings.from_env({}).metrics_series_cap == scrape.SERIES_CAP
    spec = load_specs(SHIPPED)[0]
    fewest = sum(scrape.SERIES_CAP for metric in conventions.METRICS if metric.labels)
    assert scrape.sample_limit(spec) > 2 * fewest
    job = yaml.safe_load(scrape.scrape(spec)["prometheus/scrape/etter.yml"])["scrape_configs"][0]
    assert job["sample_limit"] == scrape.sample_limit(spec)
    assert job["file_sd_configs"] == [{"files": ["../targets/etter.yml"]}]


def test_a_scrape_brings_a_token_only_where_its_file_is_named() -> None:
    """The job reads it from the project's folder, or from where an absolute path says."""
    read = {
        "": None,
        "metrics_token_file: secrets/prometheus/shop\n": "../../secrets/prometheus/shop",
        "metrics_token_file: /run/secrets/shop\n": "/run/secrets/shop",
    }
    for more, file in read.items():
        spec = spec_of(_slo("up", "{ requests: { bad_status: 5xx } }", "ticket"), more=more)
        job = yaml.safe_load(scrape.scrape(spec)["prometheus/scrape/shop.yml"])["scrape_configs"][0]
        assert job.get("authorization") == (file and {"credentials_file": file})


def test_the_shipped_targets_are_those_that_generate_begins_with() -> None:
    """So `generate` recognises the unchanged targets of an `init` project."""
    shipped = (ROOT / "prometheus/targets/etter.yml").read_text(encoding="utf-8")
    assert scrape.starters(load_specs(SHIPPED)[0]) == {"prometheus/targets/etter.yml": shipped}


def test_alertmanager_accepts_every_kind_of_receiver(tmp_path: Path) -> None:
    """Slack, PagerDuty, e-mail, Teams and webhook, for severities and a team, pass amtool."""
    every = (
        "{ slack: { channel: '#ops', url_file: s/a }, pagerduty: { routing_key_file: s/b }, "
        "email: { to: a@example.org, from: b@example.org, smarthost: 'mail.example.org:587', "
        "username: u, password_file: s/c }, teams: { url_file: s/d }, webhook: { url_file: s/e } }"
    )
    spec = spec_of(
        _slo("up", "{ requests: { bad_status: 5xx } }", "burn-rate"),
        more=f"teams:\n  search: {{ page: {every}, ticket: {every} }}\n",
    )
    written(generated((spec,)), tmp_path)
    config = tmp_path / "alerts/alertmanager.yml"
    done = subprocess.run(
        [binary("amtool"), "check-config", config], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    routes = {
        "severity=page team=search": "search/page",
        "severity=page team=shop-team": "page",
        "severity=ticket team=search alertname=SLONoData": "search/ticket",
        "severity=ticket": "ticket",
        "severity=none alertname=Watchdog": "watchdog",
        "severity=page alertname=ServiceDown": "page",
    }
    for labels, receiver in routes.items():
        command = [str(binary("amtool")), "config", "routes", "test", f"--config.file={config}"]
        command += [f"--verify.receivers={receiver}", *labels.split()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{labels}: {done.stdout}{done.stderr}"


def test_mail_is_laid_out_with_its_links_and_escaped(tmp_path: Path) -> None:
    """The HTML of an e-mail, by Alertmanager's own renderer: burn, links, and no foreign markup."""
    alert = {
        "status": "firing",
        "labels": {"severity": "page", "service": "shop", "slo": "up"},
        "annotations": {
            "summary": "shop: up <b>burns</b>",
            "description": "It answers.",
            "burn_rate": "20.0 times too fast",
            "dashboard": "https://grafana.example.org/d/x?var-slo=up",
            "runbook": "alerts/runbooks/SLOBurnRatePage1h.md#up",
        },
        "startsAt": "2020-01-01T10:00:00Z",
    }
    data = {
        "status": "firing",
        "alerts": [alert],
        "groupLabels": {"slo": "up"},
        "commonLabels": alert["labels"],
        "externalURL": "http://127.0.0.1:9093",
    }
    (tmp_path / "data.json").write_text(json.dumps(data))
    command = [str(binary("amtool")), "template", "render", "--template.type=html"]
    command += [f"--template.glob={ROOT / 'alerts/templates/*.tmpl'}"]
    command += [f"--template.data={tmp_path / 'data.json'}"]
    command += ['--template.text={{ template "etter.html" . }}']
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "shop: up &lt;b&gt;burns&lt;/b&gt;" in done.stdout
    assert "Burn rate now: 20.0 times too fast" in done.stdout
    assert '"https://grafana.example.org/d/x?var-slo=up&from=1577869200000&to=now"' in done.stdout
    assert "silences/new?filter=%7Bslo%3D%22up%22%7D" in done.stdout

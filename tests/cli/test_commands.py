"""The command line as users see it: files, output and exit codes."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from etter_obs._internal.tool_lookup import install_commands
from stack.build import binary
from stack.versions import IMAGES, build_of
from tests.command_line import run

ROOT = Path(__file__).parents[2]
COMMANDS = (
    *("init", "generate", "check", "doctor", "dashboards check"),
    *("slo check", "slo simulate", "slo report", "slo compare", "slo gate"),
)
NOWHERE = [f"--{name}=http://127.0.0.1:9" for name in ("prometheus", "alertmanager", "loki")]
UNSET_CACHES = {"ETTER_OBS_CACHE": "", "XDG_CACHE_HOME": ""}
PROGRAM = [sys.executable, "-m", "etter_obs"]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as `etter-obs init` makes it; tests that change one make their own."""
    folder = tmp_path_factory.mktemp("project")
    code, said = run("init", ".", "--service", "etter", cwd=folder)
    assert code == 0, said
    return folder


@pytest.fixture
def project(shipped: Path, tmp_path: Path) -> Path:
    """A project of the test's own."""
    return shutil.copytree(shipped, tmp_path / "project")


def test_generate_follows_a_renamed_service(project: Path) -> None:
    """Another service's name: its files replace the old ones, its targets file is begun once.

    Nothing of the old name is left for Prometheus to scrape.
    """
    spec = project / "slo.yaml"
    spec.write_text(spec.read_text().replace("service: etter", "service: billing"))
    code, said = run("generate", "--check", cwd=project)
    assert (code, "prometheus/targets/etter.yml: stale" in said) == (1, True), said
    code, said = run("generate", cwd=project)
    assert code == 0, said
    assert "note: prometheus/" not in said
    assert (project / "prometheus/rules/billing.availability.yml").exists()
    assert not list((project / "prometheus").rglob("etter*"))
    targets = project / "prometheus/targets/billing.yml"
    assert "host.docker.internal" in targets.read_text()
    targets.write_text('- targets: ["10.0.0.1:8000"]\n')
    assert run("generate", cwd=project)[0] == 0
    assert targets.read_text() == '- targets: ["10.0.0.1:8000"]\n'
    assert run("generate", "--check", cwd=project)[0] == 0


def test_targets_that_a_person_wrote_outlive_a_renamed_service(project: Path) -> None:
    """They stay where they are, and generate says that no job reads them there."""
    spec, targets = project / "slo.yaml", project / "prometheus/targets/etter.yml"
    targets.write_text('- targets: ["10.0.0.1:8000"]\n')
    spec.write_text(spec.read_text().replace("service: etter", "service: billing"))
    code, said = run("generate", cwd=project)
    assert code == 0, said
    assert "note: prometheus/targets/etter.yml is kept, but no scrape job" in said
    assert targets.read_text() == '- targets: ["10.0.0.1:8000"]\n'
    assert not (project / "prometheus/scrape/etter.yml").exists()
    assert run("generate", "--check", cwd=project)[0] == 0


def test_generate_check_names_each_file_that_differs(project: Path) -> None:
    """Changed, missing and stale files are named, nothing is written, exit code 1."""
    changed = project / "alerts/rules/etter.yml"
    changed.write_text(changed.read_text().replace("page", "ticket"))
    (project / "alerts/rules/stack.yml").unlink()
    stale = project / "prometheus/rules/etter.gone.yml"
    stale.write_text((project / "prometheus/rules/etter.client-errors.yml").read_text())
    code, said = run("generate", "--check", cwd=project)
    assert code == 1
    assert "alerts/rules/etter.yml: differs" in said
    assert "alerts/rules/stack.yml: missing" in said
    assert "prometheus/rules/etter.gone.yml: stale" in said
    assert "run `etter-obs generate`" in said
    assert stale.exists()


@pytest.mark.parametrize(
    "arguments",
    [["generate"], ["generate", "--check"], ["check"], ["slo", "check"], ["doctor"]],
    ids=" ".join,
)
def test_a_wrong_spec_is_one_clear_message_and_exit_code_2(
    arguments: list[str], project: Path
) -> None:
    """Every command names the line and the remedy, and writes nothing."""
    spec = project / "slo.yaml"
    text = spec.read_text()
    line = text[: text.index("99.9%")].count("\n") + 1
    spec.write_text(text.replace("99.9%", "100%", 1))
    before = {p: p.stat().st_mtime_ns for p in project.rglob("*") if p.is_file()}
    code, said = run(*arguments, cwd=project)
    assert code == 2
    assert f"slo.yaml:{line}:16: slos.availability.objective: an objective of 100%" in said
    assert {p: p.stat().st_mtime_ns for p in project.rglob("*") if p.is_file()} == before


def test_a_folder_without_a_spec_and_a_folder_that_is_none(tmp_path: Path) -> None:
    """What is missing is named, with the command that makes it; exit code 2."""
    code, said = run("generate", cwd=tmp_path)
    assert code == 2
    assert "slo.yaml: no such file; run `etter-obs init` to create it" in said
    assert run("generate", "--dir", "nowhere", cwd=tmp_path)[0] == 2
    assert run("slo", "chek", cwd=tmp_path)[0] == 2


def test_a_place_that_cannot_be_written_is_named(project: Path) -> None:
    """A file where a folder must be: one message with its path, exit code 2, nothing changed."""
    spec = project / "slo.yaml"
    spec.write_text(spec.read_text().replace("99.9%", "99.8%"))
    for file in (project / "alerts/tests").iterdir():
        file.unlink()
    (project / "alerts/tests").rmdir()
    (project / "alerts/tests").write_text("")
    before = (project / "alerts/rules/etter.availability.yml").read_text()
    code, said = run("generate", cwd=project)
    assert code == 2
    assert "alerts/tests" in said
    assert (project / "alerts/rules/etter.availability.yml").read_text() == before


def test_slo_check_shows_what_can_fire_and_what_a_change_does(project: Path) -> None:
    """The output has the table, the skipped tiers, and the effect on the past period."""
    spec = project / "slo.yaml"
    text = spec.read_text()
    assert "change:" not in run("slo", "check", cwd=project)[1]
    text = text.replace("tiers: [ticket-3d]", "min_bad_events: 5")
    spec.write_text(text.replace("99.9%", "99.5%").replace("threshold: 500ms", "threshold: 400ms"))
    code, said = run("slo", "check", cwd=project)
    assert code == 0
    assert "page-1h" in said
    assert "etter/latency-p50: ticket-1d has no alert" in said
    assert "etter/availability: objective 99.9% → 99.5%" in said
    assert "etter/latency-p95: the definition of an event or of a bad event changed" in said


def test_another_environment_has_its_own_rules(project: Path) -> None:
    """--environment lays that environment's overrides over the base, in rules and scrape job."""
    spec = project / "slo.yaml"
    override = (
        "environments:\n  staging:\n    slos:\n      - { name: client-errors, alerting: off }\n"
    )
    spec.write_text(override + spec.read_text())
    assert run("generate", "--environment", "staging", cwd=project)[0] == 0
    assert "replacement: staging" in (project / "prometheus/scrape/etter.yml").read_text()
    rules = (project / "prometheus/rules/etter.availability.yml").read_text()
    assert 'environment="staging"' in rules
    assert not (project / "alerts/rules/etter.client-errors.yml").exists()


def test_check_runs_the_programs_own_checkers(project: Path) -> None:
    """With promtool and amtool given it is content; a rule that promtool refuses is shown."""
    tools = ["--promtool", str(binary("promtool")), "--amtool", str(binary("amtool"))]
    code, said = run("check", "--no-tests", *tools, cwd=project)
    assert (code, "rules: ok" in said, "routing: ok" in said) == (0, True, True), said
    (project / "alerts/rules/mine.yml").write_text("groups: [{name: a, rules: [{alert: A}]}]\n")
    code, said = run("check", "--no-tests", *tools, cwd=project)
    assert code == 1
    assert "rules: FAILED" in said
    code, said = run("check", "--promtool", "nowhere/promtool", cwd=project)
    assert code == 2
    assert "nowhere/promtool" in said


def test_check_finds_the_programs_that_the_stack_built(project: Path) -> None:
    """With neither on the PATH it runs what `make stack` left in the user's cache."""
    built = project / ".cache/etter-obs/bin/any-1.0"
    built.mkdir(parents=True)
    for name in ("promtool", "amtool"):
        (built / name).symlink_to(binary(name))
    nowhere = {"PATH": str(project / "empty"), "HOME": str(project / "empty")}
    for variable, folder in (
        ("HOME", project),
        ("XDG_CACHE_HOME", project / ".cache"),
        ("ETTER_OBS_CACHE", project / ".cache/etter-obs"),
    ):
        env = nowhere | UNSET_CACHES | {variable: str(folder)}
        code, said = run("check", "--no-tests", cwd=project, env=env)
        assert (code, "rules: ok" in said, "routing: ok" in said) == (0, True, True), said


def test_check_says_what_it_left_out_and_how_to_get_the_program(project: Path) -> None:
    """Without promtool and amtool it names what was not checked and the commands that bring them.

    That is good enough at a desk (0); with --require, in CI, it is not (2).
    """
    empty = {"PATH": str(project / "empty"), "HOME": str(project), **UNSET_CACHES}
    code, said = run("check", cwd=project, env=empty)
    assert code == 0, said
    assert "rules and rule tests: not checked, because promtool is not on the PATH" in said
    assert "routing: not checked, because amtool is not on the PATH" in said
    shown = (ROOT / "docs/project.md").read_text(encoding="utf-8")
    assert all(line.strip() in shown for line in install_commands("promtool").splitlines())
    for name in ("promtool", "amtool"):
        build = build_of(name)
        image = IMAGES[build.name]
        assert f"docker run --rm --entrypoint cat {image} /bin/{name} > {name}" in said
        assert re.search(rf"go install .* {build.packages[name]}@{build.module_version}\n", said)
    assert run("check", "--require", cwd=project, env=empty)[0] == 2
    tools = ["--promtool", str(binary("promtool")), "--amtool", str(binary("amtool"))]
    assert run("check", "--require", "--no-tests", *tools, cwd=project, env=empty)[0] == 0


def test_check_says_that_promtool_is_too_old(project: Path) -> None:
    """A promtool that does not support the rules' PromQL is reported once, with the remedy.

    The one here says what Debian's 2.42 says, once for each rule.
    """
    refusal = 'parse error: unexpected identifier "anchored" in aggregation'
    old = project / "promtool"
    old.write_text(f"#!/bin/sh\nfor rule in 1 2 3; do echo '{refusal}' >&2; done; exit 1\n")
    old.chmod(0o755)
    code, said = run("check", "--promtool", "promtool", cwd=project)
    assert code == 1, said
    assert said.count("promtool: too old for rule_form: exact") == 1
    assert "docker run --rm" in said
    assert "in aggregation" not in said


def test_a_program_beside_the_project_is_found_by_its_name(project: Path) -> None:
    """What the advice of `check` has made, ./promtool, is taken as the file that it is."""
    (project / "promtool").symlink_to(binary("promtool"))
    code, said = run("check", "--no-tests", "--promtool", "./promtool", cwd=project)
    assert (code, "rules: ok" in said) == (0, True), said


def test_doctor_reports_a_bad_variable_and_an_absent_stack(shipped: Path) -> None:
    """Each finding has a remedy; a bad variable gives exit code 2, an unreachable server 1."""
    code, said = run("doctor", *NOWHERE, cwd=shipped)
    assert code == 1
    assert "ok   slo.yaml" in said
    assert said.count("does not answer") == 3
    code, said = run("doctor", *NOWHERE, cwd=shipped, env={"LOG_LEVEL": "LOUD"})
    assert code == 2
    assert "LOG_LEVEL holds 'LOUD'" in said
    env = {"APM_ENABLED": "true", "OTLP_ENDPOINT": "127.0.0.1:9"}
    code, said = run("doctor", *NOWHERE, cwd=shipped, env=env)
    assert "OTLP endpoint 127.0.0.1:9: no connection" in said


def test_doctor_reports_which_spec_the_app_reads(project: Path) -> None:
    """It warns of a slo.yaml here that the app will not read, until ETTER_OBS_SLO_FILE names it."""
    _, said = run("doctor", *NOWHERE, cwd=project)
    assert f"(the package's own): set ETTER_OBS_SLO_FILE={project}" in said
    _, said = run("doctor", *NOWHERE, cwd=project, env={"ETTER_OBS_SLO_FILE": "slo.yaml"})
    assert "ok   the app's slo.yaml is slo.yaml (ETTER_OBS_SLO_FILE)" in said
    (project / "slo.yaml").unlink()
    _, said = run("doctor", *NOWHERE, cwd=project)
    assert f"ok   the app's slo.yaml is {ROOT / 'slo.yaml'} (the package's own)\n" in said
    _, said = run("doctor", *NOWHERE, cwd=ROOT)
    assert f"ok   the app's slo.yaml is {ROOT / 'slo.yaml'} (the package's own)\n" in said


def test_doctor_reports_an_app_name_that_differs_from_slo_yaml(project: Path) -> None:
    """A name that no log panel here queries is a finding (1); the same name, or none, is not."""
    env = {"OTEL_SERVICE_NAME": "shop", "ENVIRONMENT": "staging"}
    _, said = run("doctor", *NOWHERE, cwd=project, env=env)
    told = "BAD  service of the app shop: the generated files are for etter, so log panels and"
    assert told in said
    assert "BAD  environment of the app staging: the generated files are for production" in said
    (project / "other.yaml").write_text(
        (project / "slo.yaml").read_text().replace("service: etter", "service: billing")
    )
    env = {"ETTER_OBS_SLO_FILE": "other.yaml", "ENVIRONMENT": "staging"}
    _, said = run("doctor", *NOWHERE, "--environment", "staging", cwd=project, env=env)
    assert "BAD  service of the app billing: the generated files are for etter" in said
    assert "ok   environment of the app staging\n" in said
    _, said = run("doctor", *NOWHERE, cwd=project)
    assert "of the app" not in said


def test_doctor_warns_of_a_variable_that_nothing_reads(project: Path) -> None:
    """A misspelt ETTER_OBS_ variable is named with the one that is meant; the exit code stays."""
    before, said = run("doctor", *NOWHERE, cwd=project)
    assert "nothing reads it" not in said
    misspelt = {"ETTER_OBS_SLOFILE": "slo.yaml", "ETTER_OBS_UNHEARD_OF": "1"}
    code, said = run("doctor", *NOWHERE, cwd=project, env=misspelt)
    assert code == before
    wanted = "warn ETTER_OBS_SLOFILE: nothing reads it; did you mean ETTER_OBS_SLO_FILE?"
    assert wanted in said
    assert "warn ETTER_OBS_UNHEARD_OF: nothing reads it" in said


def test_doctor_warns_of_an_address_that_init_wrote(project: Path) -> None:
    """A placeholder receiver is a single warning, not an error; the user's own is silent."""
    secret = "secrets/alertmanager/webhook-url"
    _, said = run("doctor", *NOWHERE, cwd=project)
    assert said.count(f"warn {secret}: still the placeholder from `etter-obs init`") == 1
    (project / secret).chmod(0o600)
    (project / secret).write_text("https://hooks.example/own-and-secret\n")
    _, said = run("doctor", *NOWHERE, cwd=project)
    assert "webhook-url" not in said
    assert "own-and-secret" not in said


def test_doctor_reports_a_token_that_prometheus_does_not_have(project: Path) -> None:
    """An app that requires a token, a spec without a token file: a finding without the token."""
    asks = {"ETTER_OBS_METRICS_TOKEN": "own-and-secret"}
    spec = project / "slo.yaml"
    _, said = run("doctor", *NOWHERE, cwd=project, env=asks)
    assert "BAD  token for /metrics: the app requires one and Prometheus has none" in said
    assert "own-and-secret" not in said
    spec.write_text(spec.read_text().replace("# metrics_token_file", "metrics_token_file"))
    asks = {"ETTER_OBS_METRICS_TOKEN_FILE": "secrets/prometheus/metrics-token"}
    _, said = run("doctor", *NOWHERE, cwd=project, env=asks)
    assert "ok   token for /metrics\n" in said
    _, said = run("doctor", *NOWHERE, cwd=project)
    assert f"{asks['ETTER_OBS_METRICS_TOKEN_FILE']} to require it" in said


def test_every_command_teaches_itself() -> None:
    """--help of each command shows what it does and, each on a line, examples with its name."""
    for name in COMMANDS:
        code, said = run(*name.split(), "--help", cwd=ROOT)
        assert code == 0
        assert "\b" not in said
        assert "\\b" not in said
        assert re.search(rf"^    etter-obs {name}\b", said, re.MULTILINE), said
        assert not re.search(r"\S etter-obs ", said.replace("Usage: ", "")), said


@pytest.mark.parametrize("group", ["", "slo", "dashboards"])
def test_the_lists_of_commands_are_whole(group: str) -> None:
    """Each command's line in the list of its group is a sentence that is not cut short."""
    _, said = run(*group.split(), "--help", cwd=ROOT, env={"COLUMNS": "80"})
    listed = said.split("Commands:\n")[1].splitlines()
    names = [f"{group} {line.split()[0]}".strip() for line in listed]
    assert {name for name in COMMANDS if name.rpartition(" ")[0] == group} <= set(names)
    assert all(re.fullmatch(r".*[^.…]\.", line) for line in listed), said
